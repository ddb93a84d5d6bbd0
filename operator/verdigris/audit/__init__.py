"""The audit log's format, and what is recorded in it. PURE: no files, clock or cluster; `adapters/audit` has the files.

`merkle`, `note` and `checkpoint` are the published formats; `event` is one entry; `facts` says which entries follow
from a status; `check` says what is wrong with a log.
"""
