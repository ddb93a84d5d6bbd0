"""From roles to children: which objects must exist, how large, and who gets the clients.

Clients are moved first of all, to pods that were *seen* ready, so that no refused child (a quota, a webhook) can stand
between them and a rollback (law 1). Over several plans that gives the order of law 2: scale up, endpoints ready, move,
drain, and last remove what nobody needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verdigris.api.status import Color, RevisionRef
from verdigris.children import (
    controller_revision,
    deployment,
    hpa,
    network_policy,
    pdb,
    pod_template,
    service,
    service_account,
)
from verdigris.children.names import COLORS, color_name, snapshot_name
from verdigris.core.actions import Action, Adopt, Keep, MoveRoute, MoveTraffic, Remove, Scale, SetOrder, SetTraffic
from verdigris.core.engine.gate_jobs import gate_jobs, gate_policy
from verdigris.core.engine.gateway import keep_route, move_route
from verdigris.core.engine.monitoring import monitored
from verdigris.core.engine.names import AUTOSCALER
from verdigris.core.engine.sizes import bounds, exact_size, floor
from verdigris.core.facts.observed import Observed, Selection, Traffic
from verdigris.core.facts.route import HTTP_ROUTE
from verdigris.core.rendering import snapshot_of, template_of
from verdigris.core.routing.gateway import may_send_to, sends_to, wanted_share
from verdigris.core.routing.late import fence
from verdigris.core.routing.service import has_clients, reached, route, wanted_selection
from verdigris.core.routing.shield import order_for, wanted_order
from verdigris.core.routing.split import had_clients
from verdigris.core.turn import Turn

KEPT_SNAPSHOTS = 5
"""Revisions kept beyond those in use, so that people can look at what ran before."""


def realise(turn: Turn) -> tuple[Action, ...]:
    """Every effect that brings the cluster to what the status says, in the order in which to do them."""
    wanted = (
        *_clients_first(turn),
        *move_route(turn),
        *_shield(turn),
        *_connections(turn),
        *(Adopt(*ref) for ref in turn.observed.orphans),
        *_service(turn),
        *keep_route(turn),
        *_shared(turn),
        *_snapshots(turn),
        *(action for color, ref in roles(turn).items() for action in _slot(turn, color, ref)),
        *gate_jobs(turn),
        *_leftovers(turn),
        *turn.removals,
    )
    return tuple(action for action in wanted if _may_be_done(turn.observed, action))


def _may_be_done(observed: Observed, action: Action) -> bool:
    """Nothing is done to what is somebody else's, nor to a kind of which nobody could see whose it is (law 14)."""
    about = _object_of(action)
    if about is None:
        return True
    return about[0] not in observed.unseen and all(about != (name.kind, name.name) for name in observed.taken)


def _object_of(action: Action) -> tuple[str, str] | None:
    """The child that an action writes whole, by kind and name."""
    match action:
        case MoveTraffic(manifest) | Keep(manifest):
            return manifest["kind"], manifest["metadata"]["name"]
        case MoveRoute(name):
            return HTTP_ROUTE, name
        case Remove(_, kind, name):
            return kind, name
        case _:
            return None


def roles(turn: Turn) -> Mapping[Color, RevisionRef]:
    """Which revision belongs in which colour, active first. A colour that is not named is empty."""
    status = turn.status
    found: dict[Color, RevisionRef] = {}
    for ref in (status.active, status.rollout, status.warm):
        if ref is not None:
            found.setdefault(ref.color, ref)
    return found


def _shared(turn: Turn) -> Iterator[Action]:
    observed = turn.observed
    owner = observed.owner
    yield Keep(service_account.build(owner))
    grpc = _speaks_grpc(turn)
    if not observed.skew.cannot_read(("serving", "networkPolicy")):
        yield _network_policy(turn, grpc=grpc)
        yield from gate_policy(turn, _uris(turn))
    for color in COLORS:
        yield Keep(service.colored(owner, color, grpc=grpc))
    yield from monitored(turn)


def _network_policy(turn: Turn, *, grpc: bool) -> Action:
    owner, spec = turn.observed.owner, turn.observed.spec
    wished, exposed = spec.serving.network_policy, spec.serving.service.type != "ClusterIP"
    shield = spec.rollout.is_shielded or turn.policy.rollout.is_shielded
    manifest = network_policy.build(owner, _uris(turn), wished, external=exposed, grpc=grpc, shield=shield)
    return Keep(manifest) if wished.enabled else Remove(manifest["apiVersion"], manifest["kind"], owner.name)


def _uris(turn: Turn) -> tuple[str, ...]:
    """What pods of any colour in use may have to ask for their artifact (again, when a pod is rescheduled)."""
    spec = turn.observed.spec
    found = {spec.model.uri} | pod_template.stores((variable.name, variable.value) for variable in spec.serving.env)
    for ref in roles(turn).values():
        if snapshot := turn.observed.snapshots.get(ref.revision):
            found |= {snapshot.uri} | pod_template.stores(pod_template.environment(snapshot.pod_template))
    return tuple(sorted(found))


def _speaks_grpc(turn: Turn) -> bool:
    """Whether the spec asks for gRPC, or pods of any colour in use answer it: their clients keep the port."""
    used = (turn.observed.snapshots.get(ref.revision) for ref in roles(turn).values())
    asked = turn.observed.spec.serving.grpc
    return asked or any(pod_template.speaks_grpc(snapshot.pod_template) for snapshot in used if snapshot)


def _snapshots(turn: Turn) -> Iterator[Action]:
    """Keep what the spec asks for before anything is made from it, and what runs although its snapshot was deleted."""
    for ref in roles(turn).values():
        snapshot = snapshot_of(turn, ref.revision)
        if snapshot is not None and snapshot.created is None:
            yield Keep(controller_revision.build(turn.observed.owner, snapshot))


def _slot(turn: Turn, color: Color, ref: RevisionRef) -> Iterator[Action]:
    """A colour in use. Its size is only ever raised to its floor here: the rest belongs to the HPA (law 9).

    While sizes are traded they are exact, and no HPA interferes. To be resized, what runs needs no snapshot.
    """
    owner = turn.observed.owner
    template, seen, exact = (
        template_of(turn, ref.revision),
        turn.observed.deployments.get(color),
        exact_size(turn, color),
    )
    if template is not None and (seen is not None or exact != 0):
        yield Keep(_deployment(turn, color, ref, template))
    elif seen is None or seen.revision != ref.revision:
        return
    yield Keep(pdb.build(owner, color))
    least = floor(turn, color) if exact is None else exact
    size = seen.replicas if seen else 1
    if _is_sized_by_others(turn, color) and exact is None:
        # Theirs sizes it: it is never fought. One that has no pods at all is beyond any autoscaler's reach.
        if size < 1 or seen is None or (size < least and _may_be_raised(turn, color)):
            yield Scale(color, least)
        return
    if size < least or (not _autoscaled(turn, color) and size != least):
        yield Scale(color, least)
    if _autoscaled(turn, color):
        _, most = bounds(turn, color)
        yield Keep(_autoscaler(turn, color, least, max(least, most)))


def _is_sized_by_others(turn: Turn, color: Color) -> bool:
    return turn.observed.spec.autoscaling.leaves_sizes_alone or _has_scaler(turn, color)


def _has_scaler(turn: Turn, color: Color) -> bool:
    """Whether an autoscaler of somebody else is known to hold the size, or may be there unseen."""
    return color in turn.observed.scalers or AUTOSCALER in turn.observed.unseen


def _may_be_raised(turn: Turn, color: Color) -> bool:
    """Whether a size that is somebody else's may be raised: to what a rollout or its way back needs."""
    if _has_scaler(turn, color):
        return False
    return turn.status.rollout is not None or turn.active is None or turn.active.color != color


def _autoscaler(turn: Turn, color: Color, least: int, most: int) -> Mapping[str, Any]:
    spec = turn.observed.spec
    scaling, others = spec.autoscaling, bool(spec.serving.pod_template.sidecars)
    return hpa.build(
        turn.observed.owner, color, least, most, scaling.metrics, behavior=scaling.behavior, with_sidecars=others
    )


def _deployment(turn: Turn, color: Color, ref: RevisionRef, template: Mapping[str, Any]) -> Mapping[str, Any]:
    rollout = turn.status.rollout
    busy = {*reached(turn.observed.selected), *reached(route(turn.observed, turn.status))}
    busy |= {color} if sends_to(turn.observed, color) else set()
    grows = rollout is not None and (rollout.color == color or rollout.taken_back)
    retries = rollout.retries if rollout and grows else 0
    return deployment.build(
        turn.observed.owner, color, template, ref.revision, has_clients=color in busy, retries=retries
    )


def _autoscaled(turn: Turn, color: Color) -> bool:
    (least, most), rollout = bounds(turn, color), turn.status.rollout
    return not turn.observed.spec.autoscaling.external and least != most and (rollout is None or rollout.sizes is None)


def _clients_first(turn: Turn) -> Iterator[Action]:
    selection = route(turn.observed, turn.status)
    if selection is None:
        return
    rollout = turn.status.rollout
    forward = rollout is not None and not rollout.taken_back and rollout.color in reached(selection)
    mark = fence(turn.observed, rollout, turn.now) if rollout is not None and not forward else None
    yield MoveTraffic(_clients(turn, selection), turn.status.service, as_seen=forward, fence=mark)


def _shield(turn: Turn) -> Iterator[Action]:
    """Tell each pod what to pass on, beside the move of clients: to stop asking is a rollback, too."""
    order, active = wanted_order(turn.observed, turn.status), turn.active.color if turn.active else None
    for pod in turn.observed.pods:
        mine = order_for(pod, active, order)
        if mine != pod.order and not pod.terminating and pod.controlled:
            yield SetOrder(pod.name, pod.uid, mine)


def _connections(turn: Turn) -> Iterator[Action]:
    """Tell the pods what to do with their clients' connections, after those clients were moved."""
    selection = route(turn.observed, turn.status)
    if selection is None:
        return
    drained = _drained(turn, selection)
    for pod in turn.observed.pods:
        mode = _traffic_mode(turn, pod.color, drained)
        if mode != pod.traffic and not pod.terminating and pod.controlled:
            yield SetTraffic(pod.name, pod.uid, mode)


def _clients(turn: Turn, selection: Selection) -> Mapping[str, Any]:
    color = None if selection == "both" else selection
    return service.clients(turn.observed.owner, turn.observed.spec.serving.service, color, grpc=_speaks_grpc(turn))


def _service(turn: Turn) -> Iterator[Action]:
    """All else of the clients' Service, after the move: nothing of it can keep a client where it is (law 13)."""
    selection = route(turn.observed, turn.status)
    if selection is not None:
        yield Keep(_clients(turn, selection))


def _traffic_mode(turn: Turn, color: Color, drained: Color | None) -> Traffic:
    """A candidate is on trial: its clients' connections are short, so that they can be taken back at once."""
    if color == drained:
        return "off"
    return "on" if turn.active is not None and turn.active.color == color else "trial"


def _drained(turn: Turn, serving: Selection) -> Color | None:
    """The colour whose keep-alive clients must leave: not a candidate yet to be used, nor one still waited for."""
    rollout, wanted = turn.status.rollout, wanted_selection(turn.observed, turn.status)
    if serving == "both" or serving != wanted or (rollout is not None and not had_clients(rollout)):
        return None
    left = next(color for color in COLORS if color != serving)
    share = wanted_share(turn.observed, turn.status)
    # A candidate that a gateway sends clients to keeps them.
    return None if share and turn.active is not None and turn.active.color == serving else left


def _leftovers(turn: Turn) -> Iterator[Action]:
    observed = turn.observed
    used = roles(turn)
    for color in COLORS:
        name = color_name(observed.owner.name, color)
        reachable = has_clients(observed, color) or color in observed.still_behind or may_send_to(observed, color)
        if color not in used and reachable:
            # Whoever sends clients there, they are answered as long as they come.
            continue
        if color in observed.hpas and (color not in used or not _autoscaled(turn, color) or color in observed.scalers):
            yield Remove("autoscaling/v2", AUTOSCALER, name)
        if color not in used:
            yield Remove("policy/v1", "PodDisruptionBudget", name)
        seen = observed.deployments.get(color)
        if seen and color not in used:
            yield Remove("apps/v1", "Deployment", name, seen.uid)
    needed = {ref.revision for ref in used.values()} | {turn.target}
    idle = [s for s in observed.snapshots.values() if s.revision not in needed and s.created is not None]
    idle.sort(key=lambda s: (s.created.timestamp() if s.created else 0.0, s.revision))
    for snapshot in idle[:-KEPT_SNAPSHOTS]:
        yield Remove("apps/v1", "ControllerRevision", snapshot_name(observed.owner.name, snapshot.revision))
