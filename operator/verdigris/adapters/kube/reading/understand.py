"""A ModelDeployment's spec and status as far as this operator understands them; for the rest, what runs stands in.

Pure: the raw object and its children in, values out. What a spec says in a word that is not known was mostly applied
by an operator that knew it, so the children still tell what was meant, and nothing of theirs changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from verdigris import __version__
from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.transport import kinds
from verdigris.api.schema.reading import Fault, Reading, read, write_path
from verdigris.api.spec import AutoscalingSpec, ModelDeploymentSpec
from verdigris.api.status import Color, ModelDeploymentStatus, RolloutStatus, other
from verdigris.children.names import GROUP, color_name
from verdigris.core.facts.followed import effective
from verdigris.core.facts.observed import Snapshot
from verdigris.core.facts.policy import can_be_read
from verdigris.core.facts.skew import Skew

Raw = Mapping[str, Any]
Live = Mapping[tuple[str, str], Raw]

_AS_ONE = (
    ("active",),
    ("warm",),
    ("rollout",),
    ("lastRollback",),
    ("target",),
    ("followed",),
    ("recommendation",),
    ("scale",),
)
"""Parts of the status that mean something only as a whole."""
_SPEC_AS_ONE = (("cleanup",), ("autoscaling",), ("serving", "service"), ("monitoring", "serviceMonitor"))
"""Parts of the spec for which what runs stands in as a whole."""


class Malformed(Exception):
    """The ModelDeployment cannot be understood, and nothing that runs tells what was meant. `str()` names the field."""

    def __init__(self, parent: Raw, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.parent = parent
        self.reason = reason


def understand(
    parent: Raw, live: Live, snapshots: Mapping[str, Snapshot]
) -> tuple[ModelDeploymentSpec, ModelDeploymentStatus, Skew]:
    """Spec, status, and what of them was not understood. `live` are the children that are provably its own.

    Raises Malformed when it is not known which pods are wanted and none run, or which of those that run are active.
    """
    name = views.metadata(parent)["name"]
    told, foreign = _status(parent, name, live, snapshots)
    status = told.value
    ref = status.active or status.rollout
    snapshot = snapshots.get(ref.revision) if ref else None
    raw = parent.get("spec") or {}
    try:
        asked = read(ModelDeploymentSpec, raw, stand_in=_instead(name, live, snapshot, status), whole=_SPEC_AS_ONE)
    except ValidationError as error:
        raise Malformed(parent, "InvalidSpec", explain(error, "spec")) from error
    unread = tuple(fault for fault in told.faults if fault.path)
    return effective(asked.value, status), status, Skew(asked.unknown, asked.faults, told.unknown, unread, foreign)


def _status(
    parent: Raw, name: str, live: Live, snapshots: Mapping[str, Snapshot]
) -> tuple[Reading[ModelDeploymentStatus], bool]:
    """The status, and whether its rollout is in a state that is not known: it is then as if it were about to start."""
    raw = parent.get("status") or {}
    plain = read(ModelDeploymentStatus, raw, whole=_AS_ONE)
    lost = {fault.path[0] for fault in plain.faults if fault.path}
    if plain.value.rollout is not None and not plain.value.rollout.taken_back and not can_be_read(plain.value.rollout):
        # What it is to be judged by is part of what it is: without that it is in no state that is known here.
        raw = {**raw, "rollout": {**raw["rollout"], "stage": "", "policy": None}}
        plain = read(ModelDeploymentStatus, raw, whole=_AS_ONE)
        lost.add("rollout")
    if not lost & {"active", "rollout"}:
        return plain, False
    stand_in: dict[str, Any] = {}
    selected = views.selected_color(live.get((kinds.SERVICE.kind, name)))
    rollout = plain.value.rollout
    if "rollout" in lost:
        rollout = _unknown_rollout(raw["rollout"], parent["status"]["rollout"])
        stand_in |= {"rollout": rollout.dump()} if rollout else {}
    if "active" in lost:
        found = _running(name, _active_color(selected, rollout), live, snapshots)
        if found is None:
            sentence = "; ".join(_told(plain.faults))
            raise Malformed(parent, "InvalidStatus", f"{sentence}. Nothing that runs tells which version is active.")
        stand_in["active"] = found
    is_foreign = "rollout" in lost and rollout is not None and not rollout.taken_back
    return read(ModelDeploymentStatus, raw, stand_in=stand_in, whole=_AS_ONE), is_foreign


def _unknown_rollout(raw: Any, stored: Any) -> RolloutStatus | None:
    """What can be read of a rollout that cannot be read as a whole, as one that has not moved; None: not even whose."""
    said = stored.get("stage") if isinstance(stored, Mapping) else None
    instead = {"stage": "Starting"}
    try:
        found = read(RolloutStatus, raw, stand_in=instead)
    except (TypeError, ValueError):
        return None
    message = (
        f"its stage '{said}', or what it is judged by, is not known to this operator ({__version__}): another version "
        "of the operator wrote it. It is not judged, and no client is sent to it. Run that version again, or end the "
        f"rollout with a RolloutDecision of verb abort and revision {found.value.revision}."
    )
    if found.value.taken_back:
        return found.value
    return found.value.model_copy(update={"stage": "Starting", "wanted": 0, "message": message, "deadline": None})


def _active_color(selected: str | None, rollout: RolloutStatus | None) -> Color | None:
    """While a rollout is known the other colour is active, else the one that has the clients."""
    if rollout is not None:
        return other(rollout.color)
    return views.as_color(selected)


def _running(name: str, color: Color | None, live: Live, snapshots: Mapping[str, Snapshot]) -> dict[str, Any] | None:
    raw = live.get((kinds.DEPLOYMENT.kind, color_name(name, color))) if color else None
    if raw is None:
        return None
    revision = views.deployment_view(raw).revision
    snapshot = snapshots.get(revision)
    if snapshot is None:
        return None
    since = views.metadata(raw)["creationTimestamp"]
    return {
        "color": color,
        "version": snapshot.version,
        "revision": revision,
        "sha256": snapshot.sha256,
        "since": since,
    }


def _instead(name: str, live: Live, snapshot: Snapshot | None, status: ModelDeploymentStatus) -> dict[str, Any]:
    """A spec, in parts, that asks for what is there."""
    found: dict[str, Any] = {"cleanup": {"enabled": False}, "serving": _service(live.get((kinds.SERVICE.kind, name)))}
    if snapshot is not None:
        checked = {"sha256": snapshot.sha256} if snapshot.sha256 else {"allowUnverified": True}
        found["model"] = {"version": snapshot.version, "uri": snapshot.uri, **checked}
    color = status.active.color if status.active else None
    if color is not None:
        found["autoscaling"] = _scaling(live, color_name(name, color))
    monitor = live.get((kinds.SERVICE_MONITOR.kind, name))
    found["monitoring"] = {"serviceMonitor": _monitor(monitor) if monitor else {"enabled": False}}
    return found


def _service(raw: Raw | None) -> dict[str, Any]:
    if raw is None:
        return {}
    spec = raw.get("spec") or {}
    ports = [port.get("port") for port in spec.get("ports") or ()]
    asked = {"type": spec.get("type"), "port": ports[0] if ports else None}
    annotations = _of_people(views.metadata(raw).get("annotations"))
    service = {key: value for key, value in asked.items() if value is not None} | {"annotations": annotations}
    return {"service": service}


def _scaling(live: Live, name: str) -> dict[str, Any]:
    hpa, deployment = live.get((kinds.AUTOSCALER.kind, name)), live.get((kinds.DEPLOYMENT.kind, name))
    if hpa is not None:
        return read(AutoscalingSpec, hpa.get("spec") or {}).value.dump()
    size = max(1, (deployment.get("spec") or {}).get("replicas", 1)) if deployment else 1
    return {"minReplicas": size, "maxReplicas": size}


def _monitor(raw: Raw) -> dict[str, Any]:
    endpoints = (raw.get("spec") or {}).get("endpoints") or [{}]
    interval = endpoints[0].get("interval")
    labels = _of_people(views.metadata(raw).get("labels"))
    return {"enabled": True, "labels": labels} | ({"interval": interval} if interval else {})


def _of_people(entries: Raw | None) -> dict[str, str]:
    """Labels or annotations without those that the operator, or kubectl for itself, puts on."""
    own = (f"{GROUP}/", "app.kubernetes.io/", "kubectl.kubernetes.io/")
    return {key: value for key, value in (entries or {}).items() if not key.startswith(own)}


def _told(faults: Iterable[Fault]) -> list[str]:
    return [f"{write_path('status', fault.path)}: {fault.message}" for fault in faults]


def explain(error: ValidationError, root: str) -> str:
    """The first three faults of a parse as one sentence that names each field by its path."""
    faults = error.errors(include_url=False, include_context=False)
    told = [f"{write_path(root, fault['loc'])}: {_plain(fault['msg'])}" for fault in faults[:3]]
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    return f"{'; '.join(told)}{more}. Correct it with kubectl edit or apply a correct manifest."


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")
