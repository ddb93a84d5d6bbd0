"""The documents of `-o json|yaml`: one class a kind, which is its name. `docs/cli-schema.json` is made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verdigris.cli.model.checks import Check
from verdigris.cli.model.deployment import Decided, Ended, Model, Recommendation, Rollback
from verdigris.cli.model.differences import Difference
from verdigris.cli.model.faults import Fault
from verdigris.cli.model.findings import Finding
from verdigris.cli.model.outcome import Outcome
from verdigris.cli.model.pods import Colour


@dataclass(frozen=True)
class Tree:
    """Of `get`. `pods_unseen`: why the pods could not be listed."""

    model: Model
    colours: tuple[Colour, ...]
    pods_unseen: str | None = None


@dataclass(frozen=True)
class ModelList:
    """Of `list`."""

    items: tuple[Model, ...]


@dataclass(frozen=True)
class Status:
    """Of `status`."""

    name: str
    namespace: str
    outcome: Outcome


@dataclass(frozen=True)
class Findings:
    """Of `why`: the cause first."""

    name: str
    namespace: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class History:
    """Of `history`: rollouts in the order in which they ended, decisions the newest first."""

    name: str
    namespace: str
    rollouts: tuple[Ended, ...]
    decisions: tuple[Decided, ...]
    last_rollback: Rollback | None = None


@dataclass(frozen=True)
class Differences:
    """Of `diff`."""

    name: str
    namespace: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Lint:
    """Of `lint`. `checked_by`: the models of the CRD, or the API server."""

    checked_by: str
    files: int
    objects: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Checks:
    """Of `check`."""

    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Recommended:
    """Of `recommend`: the requests of the spec, and what the use suggests; without it there is nothing yet."""

    name: str
    namespace: str
    requests: Mapping[str, str]
    suggested: Recommendation | None = None


KINDS = (Tree, ModelList, Status, Findings, History, Differences, Lint, Checks, Recommended)
