"""A status that the API server refuses because of some fields is written without them, and says so. PURE.

Another version's CRD may not take a word, a length or a number of entries. What only tells is left out then, so that
what decides is kept. What decides belongs together (`DECIDES`): if any of that is refused, nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel

from verdigris.adapters.kube.transport.errors import Invalid
from verdigris.api.conditions import set_condition
from verdigris.api.status import Condition, ModelDeploymentStatus

DECIDES = frozenset({"active", "warm", "rollout", "rejected", "decisions", "answered_up_to"})
"""Who serves, what is tried and what was refused: each is only true beside the others."""

_OF_NOW = frozenset({"traffic", "service", "scale", "last_rollback", "stuck", "recommendation"})
"""What would be wrong as it was. All else stays as it was, if that is accepted."""

CONDITION = "StatusWritten"
_REASON = "FieldsRefused"
_NAMES = {to_camel(name): name for name in ModelDeploymentStatus.model_fields}
_PATH = re.compile(r"status\.(?P<field>\w+)(?:\[(?P<at>\d+)\])?")


def without(
    wanted: ModelDeploymentStatus, before: ModelDeploymentStatus, patch: Mapping[str, Any], error: Invalid
) -> ModelDeploymentStatus | None:
    """The status without what `error` names. None when that must not be left out, or nothing is left to leave out.

    `wanted` is the status that was tried, by `patch`, where `before` stands.
    """
    status = wanted
    for field in error.fields:
        path = _PATH.match(field)
        name = _NAMES.get(path["field"]) if path is not None else None
        if path is None or name is None or name in DECIDES:
            return None
        entry = _entry(patch.get(path["field"]), path["at"])
        status = status.model_copy(update={name: _less(status, wanted, before, name, entry)})
    return status if error.fields and status != wanted else None


def _entry(items: Any, at: str | None) -> Mapping[str, Any] | None:
    if at is None or not isinstance(items, list) or int(at) >= len(items):
        return None
    return items[int(at)] if isinstance(items[int(at)], Mapping) else None


def _less(
    status: ModelDeploymentStatus,
    wanted: ModelDeploymentStatus,
    before: ModelDeploymentStatus,
    name: str,
    entry: Mapping[str, Any] | None,
) -> Any:
    """What is written of a field: without the refused entry, or as it was, or nothing."""
    value, known = getattr(status, name), getattr(before, name)
    if entry is not None:
        rest = tuple(item for item in value if not _is_part(item.dump(), entry))
        if rest != value:
            return rest
    if name not in _OF_NOW and getattr(wanted, name) != known:
        return known
    return ModelDeploymentStatus.model_fields[name].get_default()


def _is_part(item: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """What is stored may have more, which a newer operator has written."""
    return all(stored.get(key) == value for key, value in item.items())


def told(
    status: ModelDeploymentStatus, errors: Iterable[Invalid], generation: int, now: datetime
) -> ModelDeploymentStatus:
    """With the condition that says what was left out and why: the same one for the same fields."""
    said = list(errors)
    names = sorted({re.sub(r"\[\d+\]", "[]", field) for error in said for field in error.fields})
    what = f"The API server refuses {', '.join(names)}, so the status was written without: "
    known = condition(status)
    if known is not None and known.status == "False" and known.message.startswith(what):
        return status
    message = f"{what}upgrade the CRDs, look at webhooks. {said[0]}"
    made = set_condition(status.conditions, CONDITION, "False", _REASON, message, generation, now)
    return status.model_copy(update={"conditions": made})


def accepted_again(
    status: ModelDeploymentStatus, patch: Mapping[str, Any], generation: int, now: datetime
) -> ModelDeploymentStatus:
    """As it is to be once a patch is accepted that has what was refused before."""
    known = condition(status)
    if known is None or known.status != "False":
        return status
    if not any(f"status.{field}" in known.message for field in patch):
        return status
    made = set_condition(status.conditions, CONDITION, "True", "Written", "", generation, now)
    return status.model_copy(update={"conditions": made})


def condition(status: ModelDeploymentStatus) -> Condition | None:
    """What is told of it, if anything ever was."""
    return next((one for one in status.conditions if one.type == CONDITION), None)
