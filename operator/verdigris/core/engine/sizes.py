"""How large each colour must be. Nothing that clients are on, or may have to go back to, shrinks (laws 2 and 9)."""

from __future__ import annotations

from verdigris.api.status import Color, ScaleStatus
from verdigris.children.meta import selector
from verdigris.core.routing.service import reached
from verdigris.core.routing.split import had_requests
from verdigris.core.turn import Turn


def exact_size(turn: Turn, color: Color) -> int | None:
    """The one size that the colour has while pods are traded; None when its autoscaler may have its say."""
    rollout = turn.status.rollout
    if rollout is None or rollout.sizes is None:
        return None
    return rollout.sizes.candidate if color == rollout.color else rollout.sizes.active


def remember_scale(turn: Turn) -> Turn:
    """What the scale subresource tells an external autoscaler: the pods that clients are on, and how many are wanted.

    Not the active ones: an autoscaler that looked at a colour without clients would shrink the one that has them.
    """
    busy = reached(turn.observed.selected)
    if not turn.observed.spec.autoscaling.external or not busy:
        return turn.change(scale=None)
    picked = selector(turn.observed.owner, busy[0] if len(busy) == 1 else None)
    text = ",".join(f"{label}={value}" for label, value in picked.items())
    return turn.change(scale=ScaleStatus(replicas=sum(turn.size(color) for color in busy), selector=text))


def remember_bounds(turn: Turn) -> Turn:
    """Keep the bounds that were asked for together with the active version, while the spec asks for that version."""
    active, asked = turn.active, turn.observed.spec.autoscaling
    if asked.external or active is None or active.revision != turn.target:
        return turn
    bounds = {"min_replicas": asked.least, "max_replicas": asked.most}
    return turn.change(active=active.model_copy(update=bounds))


def bounds(turn: Turn, color: Color) -> tuple[int, int]:
    """The least and the largest size of a colour by spec.autoscaling, in pods.

    Bounds that came together with a version which is not promoted (yet, or ever) lower none of the active one's. Those
    of an external autoscaler came with no version.
    """
    active, asked = turn.active, turn.observed.spec.autoscaling
    least, most = asked.least, asked.most
    if asked.external or active is None or active.color != color or active.revision == turn.target:
        return least, most
    return max(least, active.min_replicas or 0), max(most, active.max_replicas or 0)


def floor(turn: Turn, color: Color) -> int:
    """The least size of a colour in use, in pods."""
    status, (least, most) = turn.status, bounds(turn, color)
    rollout, active, warm = status.rollout, status.active, status.warm
    if rollout is not None:
        # The way back is as large as what serves; a size that was lowered together with the version waits for it.
        serves = turn.size(rollout.color) if had_requests(rollout) and color != rollout.color else 0
        # Nor does a candidate with clients shrink because its bounds were lowered under it.
        asked = had_requests(rollout) and color == rollout.color
        stays = turn.size(color) if asked and turn.size(color) > most else 0
        return max(least, rollout.replicas, serves, stays)
    if warm is not None and warm.color == color:
        return max(warm.replicas, turn.size(active.color) if active is not None else 0)
    waits = active is not None and active.color == color and active.revision != turn.target
    return max(least, turn.size(color)) if waits and turn.observed.starts_nothing else least
