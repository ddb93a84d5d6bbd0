"""How a command ends: the exit codes, and the error that every failure becomes."""

from __future__ import annotations

REACHED = 0
ERROR = 1
USAGE = 2
ROLLED_BACK = 3
WAITS_FOR_A_PERSON = 4
GATE_FAILED = 5
SUPERSEDED = 6
TIMEOUT = 124
INTERRUPTED = 130

MEANINGS = {
    REACHED: "reached: done, or as it was asked to be",
    ERROR: "error: the sentence on stderr says what is wrong, where, and what to do",
    USAGE: "usage: the command line was not understood",
    ROLLED_BACK: "rolled back: clients were taken back, by the operator or by a person",
    WAITS_FOR_A_PERSON: "waits for a person: an approval, a pause, or a hold",
    GATE_FAILED: "gate failed: the version was given up before any client depended on it",
    SUPERSEDED: "superseded: the rollout has moved on to another revision",
    TIMEOUT: "timeout: --timeout is over",
    INTERRUPTED: "interrupted by Ctrl-C",
}


class CliError(Exception):
    """A command cannot go on. `str()` is a sentence: what is wrong, where, what to do. `code` is the exit code."""

    def __init__(self, sentence: str, code: int = ERROR) -> None:
        super().__init__(sentence)
        self.code = code
