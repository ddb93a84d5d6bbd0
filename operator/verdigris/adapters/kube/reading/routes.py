"""HTTPRoutes of the Gateway API: read where a spec asks for one, and said what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.owned import OwnershipFilter
from verdigris.adapters.kube.reading.port import Lister
from verdigris.adapters.kube.reading.unseen import TolerantReads
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import NotFound
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Failure, ModelDeploymentStatus
from verdigris.children import http_route
from verdigris.children.names import CLAIM_ANNOTATION, COLOR_PORT, COLORS, KIND, MODEL_LABEL, Owner, color_name
from verdigris.core.facts.route import RouteView, Routing, Weights
from verdigris.core.words import clip, one_line

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Routes:
    """The routes by name; `known`: the API server knows the kind."""

    found: Mapping[str, Raw] = field(default_factory=dict)
    known: bool = True

    @property
    def live(self) -> dict[tuple[str, str], Raw]:
        """As the picture has its objects."""
        return {(kinds.HTTP_ROUTE.kind, name): raw for name, raw in self.found.items()}


async def read_routes(
    reader: Lister, owner: Owner, spec: ModelDeploymentSpec, status: ModelDeploymentStatus, tolerant: TolerantReads
) -> Routes:
    """The route that the spec asks for, and the one of ours that there may still be. None for most models, unread."""
    wanted = _wanted_name(owner, spec)
    left = owner.name if status.route is not None and status.route.own else None
    names = [name for name in dict.fromkeys((wanted, left)) if name is not None]
    nothing: list[dict[str, Any]] | None = []
    found: dict[str, Raw] = {}
    for name in names:
        read = partial(_unless_unknown, reader, owner.namespace, name)
        listed = await tolerant.read(kinds.HTTP_ROUTE, read, nothing)
        if listed is None:
            return Routes(known=False)
        found |= {views.metadata(raw)["name"]: raw for raw in listed}
    return Routes(found)


async def _unless_unknown(reader: Lister, namespace: str, name: str) -> list[dict[str, Any]] | None:
    try:
        return await reader.list(kinds.HTTP_ROUTE, namespace, fields=f"metadata.name={name}")
    except NotFound:
        return None


def _wanted_name(owner: Owner, spec: ModelDeploymentSpec) -> str | None:
    gateway = spec.traffic.gateway
    if not spec.traffic.is_routed or gateway is None:
        return None
    return owner.name if gateway.route is None else gateway.route


def routing(
    routes: Routes, ownership: OwnershipFilter, spec: ModelDeploymentSpec, status: ModelDeploymentStatus, seen: bool
) -> Routing:
    """What the plan may know of them. `seen`: the kind could be read."""
    owner, gateway = ownership.owner, spec.traffic.gateway
    wanted = _wanted_name(owner, spec)
    left = wanted != owner.name and _is_left(routes, ownership, status)
    if wanted is None or gateway is None or not seen:
        return Routing(left=left)
    raw = routes.found.get(wanted)
    if not routes.known:
        return Routing(fault=_API_MISSING)
    if gateway.route is None:
        mine = raw is not None and ownership.ours(raw)
        return Routing(_own_view(raw, owner) if mine and raw is not None else None, left=left)
    fault = _fault(raw, owner, wanted, status)
    return Routing(_view(raw, owner) if raw is not None and fault is None else None, fault, left)


def _is_left(routes: Routes, ownership: OwnershipFilter, status: ModelDeploymentStatus) -> bool:
    raw = routes.found.get(ownership.owner.name)
    return status.route is not None and status.route.own and raw is not None and ownership.ours(raw)


_API_MISSING = Failure(
    reason="GatewayApiMissing",
    message="This cluster does not know HTTPRoutes (gateway.networking.k8s.io/v1), so no gateway can send clients to "
    "the model: install the CRDs of the Gateway API v1 and an implementation, or set spec.traffic.router to Service.",
)


def _fault(raw: Raw | None, owner: Owner, name: str, status: ModelDeploymentStatus) -> Failure | None:
    """Why a user's route is of no use, with what to do."""
    where = f"HTTPRoute {owner.namespace}/{name}"
    if raw is None:
        message = (
            f"{where}, which spec.traffic.gateway.route names, does not exist: create it, or let the operator make one "
            "(spec.traffic.gateway.parentRefs)."
        )
        return Failure(reason="RouteMissing", message=message)
    claimed = _claimed_by(raw, owner)
    if claimed is not None:
        message = (
            f"{where} is already the one of ModelDeployment {claimed}, so nothing of it is written: give each model a "
            f"route of its own. If {claimed} is gone, remove the annotation {CLAIM_ANNOTATION} from the route."
        )
        return Failure(reason="RouteClaimed", message=message)
    wrong = _wrong_rule(raw, owner)
    if wrong is None:
        return None
    active = status.active.color if status.active is not None else COLORS[0]
    refs = ", ".join(
        f"{{name: {color_name(owner.name, color)}, port: {COLOR_PORT}, weight: {100 if color == active else 0}}}"
        for color in COLORS
    )
    message = f"{where} {wrong}. Write into the rule that is to reach the model: backendRefs: [{refs}]"
    return Failure(reason="BackendsMissing", message=clip(message))


def _claimed_by(raw: Raw, owner: Owner) -> str | None:
    """Another model whose route it is: that claims it, or that made it."""
    meta = views.metadata(raw)
    claimed = (meta.get("annotations") or {}).get(CLAIM_ANNOTATION)
    if claimed is not None and claimed != owner.name:
        return str(claimed)
    references = meta.get("ownerReferences") or ()
    made = next((r for r in references if r.get("controller") and r.get("kind") == KIND), None)
    if made is not None and made.get("uid") != owner.uid:
        return str(made.get("name") or (meta.get("labels") or {}).get(MODEL_LABEL))
    return None


def _wrong_rule(raw: Raw, owner: Owner) -> str | None:
    """What keeps the weights from being ours to set."""
    shared = [refs for refs in _backends(raw) if any(http_route.color_of(ref, owner) for ref in refs)]
    if not shared:
        return "has no rule with the Services of both colours"
    for refs in shared:
        colors = [http_route.color_of(ref, owner) for ref in refs]
        if any(colors.count(color) != 1 for color in COLORS):
            return "has a rule that does not name the Service of each colour once"
        if any(color is None and ref.get("weight", 1) for ref, color in zip(refs, colors, strict=True)):
            return "has a rule that shares clients with other Services, too, whose shares would change with ours"
    return None


def _backends(raw: Raw) -> Iterator[list[Raw]]:
    for rule in (raw.get("spec") or {}).get("rules") or ():
        yield rule.get("backendRefs") or []


def _weights(refs: list[Raw], owner: Owner) -> Weights:
    colored = ((http_route.color_of(ref, owner), ref) for ref in refs)
    return {color: ref.get("weight", 1) for color, ref in colored if color is not None}


def _view(raw: Raw, owner: Owner) -> RouteView:
    rules = tuple(filter(None, (_weights(refs, owner) for refs in _backends(raw))))
    return _with_parents(raw, RouteView(views.metadata(raw)["name"], own=False, rules=rules))


def _own_view(raw: Raw, owner: Owner) -> RouteView:
    """The last rule is the one that everybody comes by, the one before it is for testers."""
    rules = [_weights(refs, owner) for refs in _backends(raw)]
    testers = rules[0] if len(rules) > 1 else None
    return _with_parents(raw, RouteView(owner.name, own=True, rules=tuple(rules[-1:]), testers=testers))


def _with_parents(raw: Raw, view: RouteView) -> RouteView:
    """With what the gateways say: each tells for itself, of the generation that it has looked at."""
    generation = views.metadata(raw).get("generation", 0)
    said = [_Word.of(parent, kind) for parent in _parents(raw) for kind in ("Accepted", "ResolvedRefs")]
    words = [word for word in said if word is not None]
    against = next((word for word in words if word.status == "False"), None)
    return RouteView(
        view.name,
        own=view.own,
        rules=view.rules,
        testers=view.testers,
        accepted=any(word.kind == "Accepted" and word.status == "True" for word in words),
        refused="" if against is None else against.sentence(view.name),
        lags=any(word.generation is not None and word.generation < generation for word in words),
    )


def _parents(raw: Raw) -> list[Raw]:
    found: list[Raw] = (raw.get("status") or {}).get("parents") or []
    return found


@dataclass(frozen=True)
class _Word:
    """A condition of one parent."""

    gateway: str
    kind: str
    status: str
    reason: str
    message: str
    generation: int | None

    @classmethod
    def of(cls, parent: Raw, kind: str) -> _Word | None:
        said = next((c for c in parent.get("conditions") or () if c.get("type") == kind), None)
        if said is None:
            return None
        name = str((parent.get("parentRef") or {}).get("name", "?"))
        status, reason = str(said.get("status")), str(said.get("reason") or "")
        return cls(name, kind, status, reason, str(said.get("message") or ""), said.get("observedGeneration"))

    def sentence(self, route: str) -> str:
        """What is wrong, in the gateway's own words."""
        what = "does not accept" if self.kind == "Accepted" else "cannot resolve a backend of"
        words = one_line(self.message).rstrip(".")
        return clip(
            f"Gateway {self.gateway} {what} HTTPRoute {route} ({self.reason}): {words or 'it does not say why'}."
        )
