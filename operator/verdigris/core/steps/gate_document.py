"""What a gate is asked: the JSON document for `verdigris_serving.gate` (docs/gates.md), from the spec and what runs."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from typing import Any

from verdigris.api.schema.fields import parse_duration
from verdigris.api.spec import AnyGate, FairnessGate, GateData, JobGate, LoadGate, QualityGate, SmokeGate
from verdigris.api.spec.gates import QUALITY_METRICS, Bounds, Judged
from verdigris.api.status import Failure, RevisionRef, RolloutStatus
from verdigris.children.gate_job import ACTIVE, DATA, MODEL
from verdigris.children.names import COLOR_PORT, color_name
from verdigris.children.pod_template import claim_of, mounted
from verdigris.core.rendering import snapshot_of
from verdigris.core.turn import Turn

Document = dict[str, Any]

_AROUND = timedelta(minutes=2)
"""What a load takes beside itself: fetching, and looking at the active version before it begins."""


def document(turn: Turn, gate: AnyGate) -> str | Failure:
    """The document as canonical JSON, or why there is none, in a sentence."""
    model = _artifact(turn, turn.rollout, None if isinstance(gate, JobGate) else MODEL)
    if isinstance(model, Failure):
        return model
    deadline = {"model": model, "deadlineSeconds": deadline_of(gate).total_seconds()}
    match gate:
        case QualityGate():
            asked = _quality(turn, gate)
        case FairnessGate():
            asked = _fairness(gate)
        case SmokeGate():
            asked = {"url": _url(turn, turn.rollout), "rows": gate.rows, "seed": _seed(turn.rollout)}
        case LoadGate():
            asked = _load(turn, gate)
        case _:
            asked = _own(turn, gate)
    if isinstance(asked, Failure):
        return asked
    return json.dumps({**deadline, **asked}, sort_keys=True, separators=(",", ":"))


def deadline_of(gate: AnyGate) -> timedelta:
    """By when it has to have answered: a load that lasts longer than its deadline gets the time that it takes."""
    asked = parse_duration(gate.deadline)
    return max(asked, parse_duration(gate.lasts) + _AROUND) if isinstance(gate, LoadGate) else asked


def claims(turn: Turn, gate: AnyGate) -> dict[str, str]:
    """The claims that its pod has to mount, by the folder that the document names."""
    uris = {}
    if isinstance(gate, QualityGate | FairnessGate):
        uris[DATA] = gate.data.uri
    compared = turn.active if isinstance(gate, QualityGate) and gate.versus_active is not None else None
    if compared is not None and (active := snapshot_of(turn, compared.revision)) is not None:
        uris[ACTIVE] = active.uri
    return {folder: name for folder, uri in uris.items() if (name := claim_of(uri))}


def digest(text: str) -> str:
    """Its SHA-256, as the gate gives it back."""
    return hashlib.sha256(text.encode()).hexdigest()


def _quality(turn: Turn, gate: QualityGate) -> Document | Failure:
    given = {name: getattr(gate, name) for name in QUALITY_METRICS.values()}
    thresholds = {name: _bounds(bounds) for name, bounds in given.items() if bounds is not None}
    asked: Document = {"data": _data(gate.data), "thresholds": thresholds, **_decided(gate)}
    versus = gate.versus_active
    if versus is None or turn.active is None:
        return asked
    active = _artifact(turn, turn.active, ACTIVE)
    if isinstance(active, Failure):
        return active
    compared = {"metric": QUALITY_METRICS[versus.metric], "margin": versus.margin, "active": active}
    return {**asked, "versusActive": compared}


def _fairness(gate: FairnessGate) -> Document:
    found: Document = {
        "data": _data(gate.data),
        "attributes": [
            {name: list(value) if isinstance(value, tuple) else value for name, value in one.dump().items() if value}
            for one in gate.attributes
        ],
        "minGroup": gate.min_group,
        **_decided(gate),
    }
    if gate.favourable is not None:
        found["favourable"] = _label(gate.favourable)
    if gate.disparate_impact is not None:
        found["disparateImpact"] = {"min": gate.disparate_impact.min}
    if gate.equal_opportunity is not None:
        found["equalOpportunity"] = {"maxDifference": gate.equal_opportunity.max_difference}
    return found


def _load(turn: Turn, gate: LoadGate) -> Document:
    asked: Document = {
        "url": _url(turn, turn.rollout),
        "connections": gate.connections,
        "forSeconds": _seconds(gate.lasts),
        "maxErrors": gate.max_errors,
        "seed": _seed(turn.rollout),
    }
    limits = {"p95Seconds": gate.p95, "p99Seconds": gate.p99}
    asked |= {name: _seconds(limit) for name, limit in limits.items() if limit is not None}
    asked |= {name: rate for name, rate in (("rate", gate.rate), ("minRate", gate.min_rate)) if rate is not None}
    if turn.active is not None:
        asked["guard"] = {"url": _url(turn, turn.active)}
    return asked


def _own(turn: Turn, gate: JobGate) -> Document:
    """What a program of the user's own is told. `template` names how it runs: by another one it is asked anew."""
    template = json.dumps(gate.dump(), sort_keys=True)
    asked: Document = {"gate": gate.name, "url": _url(turn, turn.rollout), "template": digest(template)}
    if turn.active is None:
        return asked
    active = {"url": _url(turn, turn.active), "version": turn.active.version, "sha256": turn.active.sha256}
    return {**asked, "active": active}


def _artifact(turn: Turn, ref: RevisionRef, folder: str | None) -> Document | Failure:
    """The bytes that this revision serves. A gate judges what is known by its hash alone (law 12).

    `folder` is where a claim is mounted that holds them; None where none is.
    """
    snapshot = snapshot_of(turn, ref.revision)
    if snapshot is None:
        message = f"What version {ref.version} was made of is not known any more, so no gate can judge it."
        return Failure(reason="RevisionUnknown", message=message)
    if not snapshot.sha256:
        message = (
            f"Version {ref.version} has no spec.model.sha256, and a gate judges only bytes that are known by theirs."
        )
        return Failure(reason="ModelUnverified", message=message)
    uri = snapshot.uri if folder is None else mounted(snapshot.uri, folder)
    return {"uri": uri, "sha256": snapshot.sha256, "version": snapshot.version}


def _url(turn: Turn, ref: RevisionRef) -> str:
    owner = turn.observed.owner
    return f"http://{color_name(owner.name, ref.color)}.{owner.namespace}.svc:{COLOR_PORT}"


def _data(data: GateData) -> Document:
    return {"uri": mounted(data.uri, DATA), "sha256": data.sha256, **({"target": data.target} if data.target else {})}


def _bounds(bounds: Bounds) -> Document:
    return {name: value for name, value in (("min", bounds.min), ("max", bounds.max)) if value is not None}


def _decided(gate: Judged) -> Document:
    return {"confidence": "point" if gate.decide_on == "Point" else gate.confidence}


def _label(text: str) -> str | int | bool:
    """A label as the model has it: most are numbers."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch("-?[0-9]+", text) else text


def _seconds(duration: str) -> float:
    return parse_duration(duration).total_seconds()


def _seed(rollout: RolloutStatus) -> int:
    """Another one each time that the step begins: what pods do under load is to be seen anew, also of pods that were
    made anew in the same rollout."""
    return int((rollout.steps[rollout.step].began or rollout.started_at).timestamp())
