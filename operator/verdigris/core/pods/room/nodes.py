"""Which nodes a pod may be put on, and how many pods of one kind each of them has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from verdigris.core.facts.survey import Amounts, NodeView, Taint

Raw = Mapping[str, Any]

_CORDON = Taint("node.kubernetes.io/unschedulable")
_NAME_FIELD = "metadata.name"


@dataclass(frozen=True)
class Out:
    """Why a node is not open to a pod: `one` completes "1 node ...", `many` completes "3 nodes ..."."""

    one: str
    many: str


@dataclass(frozen=True)
class Room:
    """An open node: what it has free of each resource that the pod takes, and how many such pods that makes."""

    node: str
    free: Amounts
    pods: int


def sort_nodes(nodes: Iterable[NodeView], template: Raw, need: Amounts) -> tuple[tuple[Room, ...], tuple[Out, ...]]:
    """The nodes that are open to pods of this template, with their room, and why each of the others is not.

    What other pods a pod wants or shuns, and where its volumes can be reached, is not looked at.
    """
    spec = template.get("spec") or {}
    rooms, out = [], []
    for node in nodes:
        why = closed(node, spec)
        if why is None:
            rooms.append(_room(node, need))
        else:
            out.append(why)
    return tuple(rooms), tuple(out)


def _room(node: NodeView, need: Amounts) -> Room:
    nothing = Decimal(0)
    free = {
        name: max(nothing, node.allocatable.get(name, nothing) - node.requested.get(name, nothing)) for name in need
    }
    return Room(node.name, free, min(int(free[name] // amount) for name, amount in need.items()))


def closed(node: NodeView, spec: Raw) -> Out | None:
    """Why the scheduler puts no pod with this spec on the node, however empty it is; None when it does."""
    tolerations = spec.get("tolerations") or ()
    if not node.ready:
        return Out("is not ready", "are not ready")
    if node.cordoned and not _tolerated(_CORDON, tolerations):
        return Out("is cordoned", "are cordoned")
    for taint in node.taints:
        cordon = node.cordoned and taint.key == _CORDON.key
        if taint.effect in ("NoSchedule", "NoExecute") and not cordon and not _tolerated(taint, tolerations):
            words = f"the taint {_written(taint)}"
            return Out(f"has {words}", f"have {words}")
    wanted = spec.get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in wanted.items()):
        pairs = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
        return Out(f"does not have the labels {pairs}", f"do not have the labels {pairs}")
    if not _attracted(node, spec):
        return Out("does not match the required node affinity", "do not match the required node affinity")
    return None


def _written(taint: Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"


def _tolerated(taint: Taint, tolerations: Iterable[Raw]) -> bool:
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Raw, taint: Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
    if key and key != taint.key:
        return False
    # Only `Exists` may leave the key out; it then means every taint.
    if operator == "Exists":
        return True
    return operator == "Equal" and bool(key) and (toleration.get("value") or "") == taint.value


def _attracted(node: NodeView, spec: Raw) -> bool:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term_matches(node, term) for term in required.get("nodeSelectorTerms") or ())


def _term_matches(node: NodeView, term: Raw) -> bool:
    """All of its demands; a term without any matches no node."""
    labels, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not labels and not fields:
        return False
    return all(_matches(demand, node.labels) for demand in labels) and all(
        _matches(demand, {_NAME_FIELD: node.name}) for demand in fields
    )


def _matches(demand: Raw, values: Mapping[str, str]) -> bool:
    found, wanted = values.get(demand.get("key", "")), demand.get("values") or ()
    match = _OPERATORS.get(demand.get("operator", ""))
    return match is not None and match(found, wanted)


def _number(found: str | None, wanted: Any) -> tuple[int, int] | None:
    try:
        return int(found or ""), int(wanted[0])
    except (ValueError, IndexError):
        return None


def _above(found: str | None, wanted: Any) -> bool:
    numbers = _number(found, wanted)
    return numbers is not None and numbers[0] > numbers[1]


def _below(found: str | None, wanted: Any) -> bool:
    numbers = _number(found, wanted)
    return numbers is not None and numbers[0] < numbers[1]


_OPERATORS: Mapping[str, Callable[[str | None, Any], bool]] = {
    "In": lambda found, wanted: found in wanted,
    "NotIn": lambda found, wanted: found not in wanted,
    "Exists": lambda found, _: found is not None,
    "DoesNotExist": lambda found, _: found is None,
    "Gt": _above,
    "Lt": _below,
}
