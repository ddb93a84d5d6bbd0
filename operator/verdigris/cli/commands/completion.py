"""`completion SHELL`: scripts that complete verbs, options and names; and what they ask, `__complete`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Callable

from verdigris.cli import asking
from verdigris.cli.exits import REACHED, CliError
from verdigris.cli.kubectl import Connection, Kubectl
from verdigris.cli.parser import FORMS, UNTIL, VERBS

_BASH = """\
# kubectl-verdigris completion for bash. Put into your ~/.bashrc: source <(kubectl-verdigris completion bash)
_kubectl_verdigris() {
    local IFS=$'\\n'
    COMPREPLY=($(kubectl-verdigris __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _kubectl_verdigris kubectl-verdigris
"""
_ZSH = """\
#compdef kubectl-verdigris
# kubectl-verdigris completion for zsh. Put into your ~/.zshrc: source <(kubectl-verdigris completion zsh)
_kubectl_verdigris() {
    local -a found
    found=(${(f)"$(kubectl-verdigris __complete "${(@)words[2,$CURRENT]}" 2>/dev/null | sed 's/:/\\\\:/g; s/\\t/:/')"})
    _describe 'kubectl-verdigris' found
}
compdef _kubectl_verdigris kubectl-verdigris
"""
_FISH = """\
# kubectl-verdigris completion for fish:
#   kubectl-verdigris completion fish > ~/.config/fish/completions/kubectl-verdigris.fish
function __kubectl_verdigris
    set -l words (commandline -opc)[2..-1] (commandline -ct)
    kubectl-verdigris __complete $words 2>/dev/null
end
complete -c kubectl-verdigris -f -a '(__kubectl_verdigris)'
"""
_KUBECTL = """\
#!/bin/sh
# kubectl asks an executable of this name: put it on PATH as kubectl_complete-verdigris.
kubectl-verdigris __complete "$@" 2>/dev/null
echo ":4"
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "kubectl": _KUBECTL}

_NAMELESS = ("list", "lint", "dashboard", "completion")
_VALUES = {
    "--until": UNTIL,
    "-o": FORMS,
    "--output": FORMS,
    "--color": ("blue", "green"),
    "--container": ("server", "fetch"),
}
_TAKE_A_VALUE = ("-n", "--namespace", "--context", "--kubeconfig", "--as", "--as-group", "--revision", "--reason", "-l")


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    print(SCRIPTS[options.shell], end="")
    return REACHED


def complete(words: Sequence[str]) -> int:
    """Print what may stand for the last word, one a line, with words on it after a tab."""
    for candidate in candidates(words, _models):
        print(candidate)
    return REACHED


def candidates(words: Sequence[str], models: Callable[[Connection], list[str]]) -> list[str]:
    """Verbs first, then values of the option before, then options, then the names that `models(connection)` gives."""
    *before, current = list(words) or [""]
    last = before[-1] if before else ""
    verb = next((word for word in before if word in VERBS), "")
    if last in _VALUES:
        found = list(_VALUES[last])
    elif last in _TAKE_A_VALUE:
        found = []
    elif not verb:
        found = [f"{name}\t{told}" for name, told in VERBS.items()]
    elif current.startswith("-"):
        found = _options(verb)
    elif verb == "completion":
        found = list(SCRIPTS)
    else:
        found = [] if verb in _NAMELESS else models(_connection(before))
    return [one for one in found if one.startswith(current)]


def _options(verb: str) -> list[str]:
    from verdigris.cli.parser import options_of  # noqa: PLC0415 - making the parser takes longer than the rest

    return [f"{option}\t{told}" for option, told in options_of(verb)]


def _connection(words: Sequence[str]) -> Connection:
    """What of the line says where to look for names."""
    given = dict(zip(words, words[1:]))
    return Connection(
        namespace=given.get("-n") or given.get("--namespace") or "",
        context=given.get("--context") or "",
        kubeconfig=given.get("--kubeconfig") or "",
        user=given.get("--as") or "",
        request_timeout="2s",
    )


def _models(connection: Connection) -> list[str]:
    """Names of the models. Whoever presses Tab wants no error: none where they cannot be had."""
    try:
        answer = Kubectl(connection).document(asking.models())
    except CliError:
        return []
    return [str(one["metadata"]["name"]) for one in answer.get("items", [])]
