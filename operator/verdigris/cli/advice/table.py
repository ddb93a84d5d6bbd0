"""The table of all reasons. A test holds it against the operator's code: no reason is without its line."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.cli.advice.evidence import EVIDENCE
from verdigris.cli.advice.gates import GATES, GATEWAY, REGISTRY, SOURCES
from verdigris.cli.advice.hint import STATE, Hint
from verdigris.cli.advice.pods import PODS_
from verdigris.cli.advice.rollouts import CONDITIONS, ENDINGS, EVENTS, REFUSALS, STAGES

TABLES = (
    PODS_,
    EVENTS,
    REFUSALS,
    ENDINGS,
    CONDITIONS,
    GATEWAY,
    GATES,
    SOURCES,
    REGISTRY,
    STAGES,
    EVIDENCE,
)
HINTS: Mapping[str, Hint] = {reason: hint for one in TABLES for reason, hint in one.items()}

OTHERS = Hint(
    STATE,
    "kubectl describe mdep {name}{n} and kubectl get events{n} say more; kubectl verdigris report{n} collects it.",
    "a reason that this version of kubectl-verdigris knows",
)
"""For a reason of Kubernetes' own, or of a newer operator."""


def hint_of(reason: str, kind: str = "") -> Hint:
    """The line of this reason; else that of the kind of its stuck pod; else a general one."""
    return HINTS.get(reason) or HINTS.get(kind) or OTHERS


def filled(hint: Hint, words: Mapping[str, str]) -> str:
    """What to do next, with the model's own names in it."""
    return hint.next.format_map(words)
