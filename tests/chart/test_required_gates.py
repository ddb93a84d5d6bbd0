"""A namespace in which no version serves without gates, asked of a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.gates import GATES
from tests.chart.helm import Helm, Manifest
from tests.chart.kubectl import Denied, Kubectl, eventually

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

RELEASE = "gates-test"
STRICT, FREE = "gates-test-production", "gates-test-staging"
QUALITY, FAIRNESS = GATES[0], GATES[1]
FROM: dict[str, Any] = {"from": {"namespace": "staging"}}
WHOLE: dict[str, Any] = {"steps": [QUALITY, FAIRNESS, FROM, {"approval": {}}], "onInconclusive": "Hold"}


def model(rollout: dict[str, Any] | None, namespace: str = STRICT, **spec: Any) -> Manifest:
    stated = {"version": "1.0.0", "uri": "https://models.test/1.vmodel", "sha256": "a" * 64, **spec}
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "diabetes", "namespace": namespace},
        "spec": {"model": stated, **({"rollout": rollout} if rollout is not None else {})},
    }


def refusal(kubectl: Kubectl, manifest: Manifest) -> str:
    """Why the API server would refuse it; empty when it would not."""
    try:
        kubectl.create(manifest, "--dry-run=server")
    except Denied as denial:
        return str(denial)
    return ""


@pytest.fixture(scope="module")
def api(helm: Helm, kubectl: Kubectl) -> Iterator[Kubectl]:
    values = {"crds": {"install": False}, "requiredGates": {"enabled": True, "from": "staging"}}
    made = [m for m in helm.render(values, release=RELEASE) if m["metadata"]["name"].endswith("required-gates")]
    assert [m["kind"] for m in made] == ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    labels = {STRICT: {"verdigris.dev/environment": "production"}, FREE: {"verdigris.dev/environment": "staging"}}
    kubectl.run("delete", "namespace", *labels, "--ignore-not-found")
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": stated}}
        for name, stated in labels.items()
    ]
    kubectl.apply([*spaces, *made])
    eventually("the API server has taken up the policy", lambda: bool(refusal(kubectl, model(None))))
    yield kubectl
    kubectl.run("delete", "namespace", *labels, "--wait=false")
    for manifest in made:
        kubectl.run("delete", manifest["kind"], manifest["metadata"]["name"])


@pytest.mark.parametrize(
    ("manifest", "missing"),
    [
        (model(None), "a quality gate"),
        (model({**WHOLE, "steps": [FAIRNESS, FROM, {"approval": {}}]}), "a quality gate"),
        (model({**WHOLE, "steps": [QUALITY, FROM, {"approval": {}}]}), "a fairness gate"),
        (model({**WHOLE, "steps": [QUALITY, FAIRNESS, {"approval": {}}]}), "served in staging first"),
        (
            model({**WHOLE, "steps": [QUALITY, FAIRNESS, {"from": {"namespace": "dev"}}, {"approval": {}}]}),
            "served in staging first",
        ),
        (model({**WHOLE, "steps": [QUALITY, FAIRNESS, FROM]}), "a person has to approve"),
        (model({**WHOLE, "onInconclusive": "Promote"}), "must not let a version pass"),
        (model({**WHOLE, "steps": [QUALITY, {"weight": 5}, FAIRNESS, {"approval": {}}]}), "before the weights"),
        (
            model({**WHOLE, "steps": [QUALITY, FAIRNESS, {"weight": 5}, FROM, {"approval": {}}]}),
            "put from before the weights",
        ),
        (model(WHOLE, sha256=None, allowUnverified=True), "without a checksum"),
    ],
)
def test_what_asks_too_little_is_refused_with_what_is_missing(api: Kubectl, manifest: Manifest, missing: str) -> None:
    assert missing in refusal(api, manifest)


@pytest.mark.parametrize(
    "manifest",
    [
        model(WHOLE),
        model({**WHOLE, "steps": [QUALITY, FAIRNESS, FROM], "approval": "Required"}),
        model({**WHOLE, "steps": [*WHOLE["steps"], {"weight": 5}, GATES[3]]}),
        model(None, namespace=FREE),
    ],
)
def test_what_asks_enough_or_is_elsewhere_is_taken(api: Kubectl, manifest: Manifest) -> None:
    assert refusal(api, manifest) == ""
