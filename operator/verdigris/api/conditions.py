"""metav1.Condition arithmetic: how one condition among others is set, without a clock."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from verdigris.api.status import Condition

ConditionStatus = Literal["True", "False", "Unknown"]


def set_condition(  # noqa: PLR0917
    conditions: tuple[Condition, ...],
    type: str,
    status: ConditionStatus,
    reason: str,
    message: str,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """The conditions with this one set, in its old place, or last when it is new.

    `lastTransitionTime` is `now` only when the status differs from before: a new reason or message, or a new
    generation, is no transition. A message above 1024 characters is cut (`fields.Text`). Setting what is already so
    gives an equal tuple, so that nothing needs to be written.
    """
    old = next((condition for condition in conditions if condition.type == type), None)
    new = Condition(
        type=type,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=old.last_transition_time if old is not None and old.status == status else now,
        observed_generation=generation,
    )
    if old is None:
        return (*conditions, new)
    return tuple(new if condition.type == type else condition for condition in conditions)
