"""How things stand at the end of a run, without what differs from run to run: times, versions, names of pods."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Mapping
from typing import Any

from tests.runtime.fake_api import Json
from tests.simulation.elsewhere import NAMESPACE
from tests.simulation.faults import TOUCHED
from tests.simulation.objects import is_ready, labels_of
from tests.simulation.server import Server
from verdigris.children.names import (
    COLOR_LABEL,
    GATE_LABEL,
    KIND,
    RETRY_ANNOTATION,
    REVISION_LABEL,
    TRAFFIC_ANNOTATION,
    WITHDRAWN_ANNOTATION,
)

_LEFT_OUT = ("Event", "ReplicaSet", "Pod", "EndpointSlice", "Job")
_PASSING = (TOUCHED, RETRY_ANNOTATION, WITHDRAWN_ANNOTATION)
_META = ("labels", "annotations", "ownerReferences")


def end_of(server: Server) -> dict[str, Any]:
    """By kind and name what is there, as far as two runs of one workload have to agree on it."""
    found: dict[str, Any] = {
        f"{kind} {name}": _settled(raw)
        for (kind, namespace, name), raw in server.objects.items()
        if kind not in _LEFT_OUT and namespace != NAMESPACE
    }
    # What a load or smoke gate asks, and so its Job's name, goes by when the rollout began.
    found["Jobs"] = sorted(json.dumps(_asked(raw)) for raw in server.of("Job"))
    # How often a gate was begun is no part of it.
    found["Pods"] = sorted(_pod(raw) for raw in server.of("Pod") if GATE_LABEL not in labels_of(raw))
    found["EndpointSlices"] = {
        raw["metadata"]["name"]: sum(endpoint["conditions"]["ready"] for endpoint in raw["endpoints"])
        for raw in server.of("EndpointSlice")
    }
    return json.loads(json.dumps(found))


def without(end: Mapping[str, Any], parts: Collection[str]) -> dict[str, Any]:
    """The same, but for these parts of the model's status, or types of its conditions."""
    left = copy.deepcopy(dict(end))
    for key in left:
        if key.startswith(f"{KIND} "):
            status = left[key]["status"]
            for part in parts:
                status.pop(part, None)
                status["conditions"].pop(part, None)
    return left


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """One sentence for each object, or part of a status, that is not as it is in the undisturbed run."""
    said = []
    for key in sorted({*wanted, *found}):
        if wanted.get(key) == found.get(key):
            continue
        if key.startswith(KIND) and key in wanted and key in found:
            said += [f"status.{part}" for part in differences(wanted[key]["status"], found[key]["status"])]
            if wanted[key]["status"] != found[key]["status"]:
                continue
        said.append(f"{key} is {_short(found.get(key))} instead of {_short(wanted.get(key))}")
    return said


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) < 400 else f"{text[:400]}…"


def _settled(raw: Json) -> Json:
    meta = {key: raw["metadata"].get(key) for key in _META}
    meta["annotations"] = {k: v for k, v in (meta["annotations"] or {}).items() if k not in _PASSING}
    meta["ownerReferences"] = [ref["name"] for ref in meta["ownerReferences"] or ()]
    kept = {key: value for key, value in raw.items() if key not in ("metadata", "status")}
    if raw["kind"] == "Service":
        # Addresses are given in the order in which Services come.
        kept["spec"] = {key: value for key, value in kept["spec"].items() if key != "clusterIP"}
    if raw["kind"] == KIND:
        kept["status"] = _status(raw.get("status") or {})
    if raw["kind"] == "RolloutDecision":
        kept["outcome"] = (raw.get("status") or {}).get("outcome")
    return {"metadata": meta, **kept}


def _status(status: Json) -> Json:
    def parts(entry: Json | None, *names: str) -> list[Any]:
        return [(entry or {}).get(name) for name in names]

    return {
        "observedGeneration": status.get("observedGeneration"),
        "active": parts(status.get("active"), "version", "revision", "color", "minReplicas", "maxReplicas"),
        "followed": parts(status.get("followed"), "number", "version", "sha256"),
        "warm": parts(status.get("warm"), "version", "color"),
        "rollout": parts(status.get("rollout"), "version", "stage"),
        "traffic": [parts(entry, "color", "version", "weight", "wanted") for entry in status.get("traffic") or ()],
        "rejected": [parts(entry, "version", "reason") for entry in status.get("rejected") or ()],
        "history": [parts(entry, "version", "outcome", "reason") for entry in status.get("history") or ()],
        "lastRollback": parts(status.get("lastRollback"), "fromVersion", "toVersion", "reason"),
        "conditions": {c["type"]: [c["status"], c["reason"]] for c in status.get("conditions") or ()},
        "decisions": [parts(entry, "verb", "outcome") for entry in status.get("decisions") or ()],
        "stuck": [parts(entry, "kind") for entry in status.get("stuck") or ()],
    }


def _asked(job: Json) -> list[str]:
    """The command of its container; nothing of a Job that is not ours."""
    containers = job["spec"].get("template", {}).get("spec", {}).get("containers", ())
    return [word for one in containers for word in one["command"]]


def _pod(raw: Json) -> str:
    labels, traffic = labels_of(raw), (raw["metadata"].get("annotations") or {}).get(TRAFFIC_ANNOTATION)
    return f"{labels.get(COLOR_LABEL)} {labels.get(REVISION_LABEL)} {'ready' if is_ready(raw) else 'unready'} {traffic}"
