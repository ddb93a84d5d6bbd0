"""A model as an entry of an inventory: CycloneDX 1.6 with a model card (an ML-BOM)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from verdigris_serving.artifact import describe
from verdigris_serving.card.facts import Facts
from verdigris_serving.gate.result import Check, Group
from verdigris_serving.model.schema import score_name

Json = dict[str, Any]
_NAMESPACE = uuid.UUID("6f3c1f0e-8c57-5e0b-9d0c-2b7d6b7c3a10")
"""Of serial numbers: one artifact and one set of facts have always the same."""
_ARCHITECTURES = {"linear": "generalised linear model", "onnx": "ONNX graph", "sklearn": "scikit-learn pipeline"}


def bom(facts: Facts) -> Json:
    """The document. The same for the same facts: it holds no time of its making."""
    manifest = facts.manifest
    itself = f"{manifest.name}@{manifest.version}"
    libraries = [
        {"type": "library", "bom-ref": f"pkg:pypi/{name}@{version}", "name": name, "version": version,
         "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in sorted(manifest.libraries.items())
    ]  # fmt: skip
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, facts.sha256)}",
        "version": 1,
        "metadata": {"component": {**_component(facts), "bom-ref": itself}},
        "components": libraries,
        "dependencies": [{"ref": itself, "dependsOn": [one["bom-ref"] for one in libraries]}],
    }


def _component(facts: Facts) -> Json:
    manifest = facts.manifest
    component: Json = {
        "type": "machine-learning-model",
        "name": manifest.name,
        "version": manifest.version,
        "hashes": [{"alg": "SHA-256", "content": facts.sha256}],
        "modelCard": {
            "modelParameters": _parameters(facts),
            "quantitativeAnalysis": {"performanceMetrics": list(_metrics(facts))},
            "considerations": _considerations(facts),
        },
    }
    if facts.words.license:
        component["licenses"] = [{"license": {"name": facts.words.license}}]
    if facts.words.contact:
        component["authors"] = [{"name": facts.words.contact}]
    return component


def _parameters(facts: Facts) -> Json:
    manifest, baseline = facts.manifest, facts.contents.baseline
    parameters: Json = {
        "approach": {"type": "unsupervised" if manifest.task in ("outliers", "clusters") else "supervised"},
        "task": manifest.task,
        "architectureFamily": _ARCHITECTURES[manifest.format],
        "modelArchitecture": manifest.format,
        "inputs": [{"format": f"{one.name}: {one.datatype}{describe.limits(one)}"} for one in manifest.features],
        "outputs": [{"format": name} for name in filter(None, (score_name(manifest), manifest.classes and "label"))],
    }
    datasets = [
        {"type": "dataset", "name": f"{gate.gate} data", "contents": {"properties": [
            {"name": "sha256", "value": gate.data.sha256}, {"name": "rows", "value": str(gate.data.rows)}]}}
        for gate in facts.gates if gate.data
    ]  # fmt: skip
    if baseline:
        datasets.insert(0, {"type": "dataset", "name": "training data", "description": f"{baseline.rows} rows"})
    return parameters | ({"datasets": datasets} if datasets else {})


def _metrics(facts: Facts) -> Iterator[Json]:
    """Of the quality report, of gates, and of groups. The specification has them as texts."""
    quality = facts.contents.quality
    for name, value in sorted(quality.metrics.items()) if quality else ():
        yield {"type": name, "value": repr(value), "slice": "holdout"}
    for gate in facts.gates:
        yield from (_checked(gate.gate, check) for check in gate.checks if check.value is not None)
        for group in gate.groups or ():
            of = f"{group.attribute}={group.group}"
            for name, rate in (("selection rate", group.selection_rate), ("TPR", group.tpr), ("FPR", group.fpr)):
                if rate is not None:
                    yield {"type": name, "value": repr(rate), "slice": of}


def _checked(gate: str, check: Check) -> Json:
    limits = zip(("lowerBound", "upperBound"), check.interval or (), strict=False)
    interval = {name: repr(limit) for name, limit in limits if limit is not None}
    metric: Json = {"type": check.name, "value": repr(check.value), "slice": f"{gate} gate"}
    return metric | ({"confidenceInterval": interval} if interval else {})


def _considerations(facts: Facts) -> Json:
    """What people said, and what gates found of groups that may be treated unlike."""
    words: Json = {}
    if facts.words.use:
        words["useCases"] = [facts.words.use]
    if facts.words.not_for:
        words["technicalLimitations"] = [facts.words.not_for]
    fairness = [{"groupAtRisk": _names(gate.groups), "harms": gate.message} for gate in facts.gates if gate.groups]
    return words | ({"fairnessAssessments": fairness} if fairness else {})


def _names(groups: Iterable[Group]) -> str:
    return ", ".join(sorted(f"{one.attribute}={one.group}" for one in groups))
