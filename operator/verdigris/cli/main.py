"""From the command line to an exit code. A command's module is imported only when it is asked for: starts are quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Callable

from verdigris import __version__
from verdigris.cli.exits import ERROR, INTERRUPTED, USAGE, CliError

_COMMANDS = "verdigris.cli.commands"
_MODULES = dict.fromkeys(("approve", "promote", "abort", "retry", "rollback"), f"{_COMMANDS}.decide")
# The page shows what the commands show, so it is above them: only here is it named, and imported when it is asked for.
_MODULES.update(
    pause=f"{_COMMANDS}.pause",
    resume=f"{_COMMANDS}.pause",
    list=f"{_COMMANDS}.listing",
    dashboard="verdigris.web.loopback.command",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code (`cli.exits`)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given)
    except CliError as error:
        print(f"kubectl verdigris: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR


def _run(given: list[str]) -> int:
    if given[:1] == ["__complete"]:
        return _command(f"{_COMMANDS}.completion", "complete")(given[1:])
    from verdigris.cli.parser import parser  # noqa: PLC0415 - completing needs no parser

    made = parser(given)
    options = made.parse_args(given)
    if options.version:
        print(__version__)
        return 0
    if options.verb is None:
        made.print_help(sys.stderr)
        return USAGE
    return _command(_MODULES.get(options.verb, f"{_COMMANDS}.{options.verb}"), "run")(options)


def _command(module: str, function: str) -> Callable[..., int]:
    found: Callable[..., int] = getattr(import_module(module), function)
    return found
