"""A move of the clients of a gateway: one JSON patch of an HTTPRoute's weights, and of nothing else of it.

What the patch is about is tested within it, so that it cannot land on a route that was written meanwhile in a way that
it did not expect; what others change elsewhere in the route does not matter to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.writing.compare import difference, digest
from verdigris.adapters.kube.writing.contested import hold_back
from verdigris.adapters.kube.writing.fields import last_manager
from verdigris.adapters.kube.writing.restores import RestoreBackoff
from verdigris.adapters.kube.writing.writer import Writer
from verdigris.api.status import Color
from verdigris.children.http_route import color_of
from verdigris.children.names import CLAIM_ANNOTATION, Owner
from verdigris.core.actions import MoveRoute
from verdigris.core.facts.route import percent

Json = Mapping[str, Any]
Operation = dict[str, Any]

MANAGER = "verdigris-traffic"


async def move(
    writer: Writer, action: MoveRoute, live: Json, owner: Owner, backoff: RestoreBackoff
) -> dict[str, Any] | None:
    """Write the weights. Returns the route as it is then; None where it is so already.

    Raises Contested while somebody puts these very weights back each time, unless clients are to leave a version.
    """
    operations = list(_operations(action, live, owner))
    if not operations:
        return None
    ref, where = (
        (owner.namespace, f"{kinds.HTTP_ROUTE.kind}/weights", action.name),
        f"weights {_spelled(action.weights)}",
    )
    mark = digest([action.name, _spelled(action.weights)])
    if not action.back:
        if backoff.came_out_so(ref, mark, _shown(live)):
            return None
        named = f"{kinds.HTTP_ROUTE.kind} {owner.namespace}/{action.name}"
        hold_back(backoff, ref, where, named, last_manager(live))
    tests = [_test("/metadata/uid", views.metadata(live)["uid"])]
    if action.as_seen:
        # A wish for clients that comes too late must not undo what was written since.
        tests.append(_test("/metadata/resourceVersion", views.metadata(live)["resourceVersion"]))
    written = await writer.edit(kinds.HTTP_ROUTE, owner.namespace, action.name, [*tests, *operations], manager=MANAGER)
    backoff.wrote(ref, mark, where, _shown(written))
    return written


def _operations(action: MoveRoute, live: Json, owner: Owner) -> Iterator[Operation]:
    if action.manifest is not None:
        wanted = action.manifest["spec"]["rules"]
        if difference(wanted, _rules(live), ("rules",), exact=True) is not None:
            yield {"op": "add", "path": "/spec/rules", "value": wanted}
        return
    yield from _claim(live, owner)
    for index, rule in enumerate(_rules(live)):
        yield from _in_rule(f"/spec/rules/{index}/backendRefs", rule.get("backendRefs") or (), action.weights, owner)


def _claim(live: Json, owner: Owner) -> Iterator[Operation]:
    """Say whose the weights are, for other models and for people: of the route as it was read, so that one does."""
    annotations = views.metadata(live).get("annotations") or {}
    if annotations.get(CLAIM_ANNOTATION) == owner.name:
        return
    yield _test("/metadata/resourceVersion", views.metadata(live)["resourceVersion"])
    if not annotations:
        yield {"op": "add", "path": "/metadata/annotations", "value": {CLAIM_ANNOTATION: owner.name}}
    else:
        yield {"op": "add", "path": f"/metadata/annotations/{_escaped(CLAIM_ANNOTATION)}", "value": owner.name}


def _in_rule(path: str, refs: Sequence[Json], wanted: Mapping[Color, int], owner: Owner) -> Iterator[Operation]:
    colored = [(number, ref, color) for number, ref in enumerate(refs) if (color := color_of(ref, owner)) is not None]
    live = {color: ref.get("weight", 1) for _, ref, color in colored}
    if all(percent(live, color) == percent(wanted, color) for color in wanted):
        return
    for number, ref, color in colored:
        yield _test(f"{path}/{number}/name", ref["name"])
        yield {"op": "add", "path": f"{path}/{number}/weight", "value": wanted[color]}


def _rules(live: Json) -> list[Json]:
    found: list[Json] = (live.get("spec") or {}).get("rules") or []
    return found


def _shown(live: Json) -> str:
    return digest(_rules(live))


def _test(path: str, value: Any) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _escaped(key: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _spelled(weights: Mapping[Color, int]) -> str:
    return ", ".join(f"{color} {weights[color]}" for color in sorted(weights))
