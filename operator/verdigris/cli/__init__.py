"""kubectl-verdigris: what people see of their models, and decide. Standard library only, Python 3.9 or newer.

`model` and `advice` turn documents into values, `views` turn values into lines, both pure; `kubectl` is the one way to
the cluster, `screen` the one to the terminal, and `commands` has one module a verb. What makes decisions about
rollouts does not belong here: that is the operator's.
"""
