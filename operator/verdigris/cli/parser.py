"""The command line: which verbs there are, and what each of them takes."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable

from verdigris.cli.exits import MEANINGS
from verdigris.cli.names import DECIDING

PROGRAM = "kubectl verdigris"

VERBS = {
    "get": "one model as a live tree",
    "list": "all models, one a line",
    "status": "where a model stands, for scripts: waits, and tells by its exit code",
    "why": "why a model is as it is, with numbers and the next thing to do",
    "approve": "let a rollout go on that waits for approval",
    "promote": "promote the version on trial now",
    "abort": "take the version on trial back",
    "retry": "try a rejected revision once more",
    "rollback": "go back to the version before",
    "pause": "hold every rollout where it is (a rollback still works)",
    "resume": "let rollouts go on",
    "history": "which rollouts have ended how, and who decided what",
    "diff": "the spec against what runs",
    "lint": "check manifests before they are applied",
    "check": "whether Verdigris is installed, and has what it needs",
    "report": "a ZIP file for a bug report, without secrets",
    "logs": "what the pods of the version on trial (or the active one) write",
    "recommend": "requests that the model's own use suggests",
    "dashboard": "a page on this machine alone, with your own rights",
    "completion": "a script that completes names in a shell",
}
UNTIL = ("healthy", "paused", "gated", "rolledback")
FORMS = ("json", "yaml", "name")


def parser(words: Collection[str] = tuple(VERBS)) -> argparse.ArgumentParser:
    """The command line, with the arguments of those verbs that are among `words`: making all of them takes a while.

    A usage error ends the process with code 2, as argparse does.
    """
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        description="What your models are doing, why, and what you decide about it.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _connection(made, argparse.SUPPRESS)
    made.add_argument("--version", action="store_true", help="print the version, and end")
    verbs = made.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name, told in VERBS.items():
        verb = verbs.add_parser(name, help=told, description=told, allow_abbrev=False)
        if name in words:
            _connection(verb, argparse.SUPPRESS)
            _ARGUMENTS[name](verb)
    return made


def options_of(verb: str) -> list[tuple[str, str]]:
    """The long spelling of each option of a verb, and words on it."""
    made = argparse.ArgumentParser()
    _connection(made, argparse.SUPPRESS)
    _ARGUMENTS[verb](made)
    actions = made._actions  # argparse has no other way to list them
    return [(action.option_strings[-1], action.help or "") for action in actions if action.option_strings]


def _connection(made: argparse.ArgumentParser, default: object) -> None:
    """What is handed on to kubectl. On both sides of the verb, so the one that is given counts."""
    group = made.add_argument_group("handed on to kubectl")
    group.add_argument("-n", "--namespace", default=default, help="default: that of the context")
    group.add_argument("--context", default=default, help="which context of the kubeconfig")
    group.add_argument("--kubeconfig", default=default, help="which kubeconfig")
    group.add_argument("--as", dest="user", metavar="USER", default=default, help="act as this user")
    group.add_argument("--as-group", dest="groups", metavar="GROUP", action="append", default=default, help="and group")
    group.add_argument("--request-timeout", default=default, help="of one request, for example 10s")


def _name(verb: argparse.ArgumentParser, *, optional: bool = False) -> None:
    words = "a ModelDeployment"
    verb.add_argument("name", metavar="NAME", nargs="?" if optional else None, help=words)


def _output(verb: argparse.ArgumentParser, forms: Iterable[str] = FORMS) -> None:
    verb.add_argument("-o", "--output", choices=tuple(forms), default="", help="a document instead of text")


def _get(verb: argparse.ArgumentParser) -> None:
    _name(verb)
    _output(verb)
    verb.add_argument("-w", "--watch", action="store_true", help="go on, and show each change")


def _list(verb: argparse.ArgumentParser) -> None:
    _output(verb)
    verb.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    verb.add_argument("-l", "--selector", default="", help="with these labels, for example team=clinic")
    verb.add_argument("-w", "--watch", action="store_true", help="go on, and show each change")


def _status(verb: argparse.ArgumentParser) -> None:
    _name(verb)
    _output(verb)
    verb.add_argument("--until", choices=UNTIL, default="", help="wait for this")
    verb.add_argument(
        "--timeout", default="10m", help="wait so long at most, for example 10m (default); then exit code 124"
    )
    verb.add_argument("--revision", default="", help="of this revision's rollout; another one means superseded")


def _why(verb: argparse.ArgumentParser) -> None:
    _name(verb)
    _output(verb)


def _decide(verb: argparse.ArgumentParser) -> None:
    _name(verb)
    verb.add_argument("--revision", default="", help="refuse if the rollout is of another one by now")
    verb.add_argument("--reason", default="", help="why: kept with the decision, and in the cluster's audit log")
    verb.add_argument(
        "--dry-run", action="store_true", help="ask the API server whether it would be taken, decide nothing"
    )
    verb.add_argument("--timeout", default="30s", help="wait so long for the operator's answer (default 30s)")


def _lint(verb: argparse.ArgumentParser) -> None:
    _output(verb, ("json", "yaml"))
    verb.add_argument("-f", "--filename", action="append", required=True, metavar="FILE|DIR|-", help="manifests")


def _check(verb: argparse.ArgumentParser) -> None:
    _name(verb, optional=True)
    _output(verb, ("json", "yaml"))
    verb.add_argument("--pre", action="store_true", help="before the installation: whether it can be")


def _report(verb: argparse.ArgumentParser) -> None:
    _name(verb, optional=True)
    verb.add_argument("--to", default="", metavar="FILE", help="default: verdigris-report-TIME.zip")


def _logs(verb: argparse.ArgumentParser) -> None:
    _name(verb)
    verb.add_argument("-c", "--container", default="", help="default: all; fetch or server")
    verb.add_argument(
        "--color", choices=("blue", "green"), default="", help="default: of the version on trial, else active"
    )
    verb.add_argument("-p", "--previous", action="store_true", help="of the containers that ended last")
    verb.add_argument("-f", "--follow", action="store_true", help="go on")
    verb.add_argument("--tail", type=int, default=200, help="so many last lines of each (default 200; -1: all)")


def _dashboard(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--port", type=int, default=0, help="on 127.0.0.1; default: a free one")


def _completion(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "shell", choices=("bash", "zsh", "fish", "kubectl"), help="kubectl: the script kubectl_complete-verdigris"
    )


_ARGUMENTS = {
    "get": _get,
    "list": _list,
    "status": _status,
    "why": _why,
    **dict.fromkeys((*DECIDING, "pause", "resume"), _decide),
    "history": _why,
    "diff": _why,
    "lint": _lint,
    "check": _check,
    "report": _report,
    "logs": _logs,
    "recommend": _why,
    "dashboard": _dashboard,
    "completion": _completion,
}
