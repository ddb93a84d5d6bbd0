"""A RolloutDecision is made once: the API server lets nobody change it, not even its author."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.api.conftest import Kubectl
from tests.api.manifests import rollout_decision

pytestmark = pytest.mark.cluster


@pytest.fixture
def decision(kubectl: Kubectl, namespace: str, user: str) -> Iterator[str]:
    manifest = rollout_decision(requestedBy=user)
    kubectl("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest)).check_returncode()
    yield manifest["metadata"]["name"]
    kubectl("delete", "-n", namespace, "rdec", manifest["metadata"]["name"]).check_returncode()


@pytest.mark.parametrize("field", ["verb", "reason", "revision", "requestedBy"])
def test_a_decision_cannot_be_changed(kubectl: Kubectl, namespace: str, decision: str, field: str) -> None:
    patch = f'{{"spec": {{"{field}": "abort"}}}}'
    outcome = kubectl("patch", "-n", namespace, "rdec", decision, "--type=merge", "-p", patch)
    assert outcome.returncode != 0
    assert "spec: Invalid value" in outcome.stderr
    assert "a RolloutDecision cannot be changed: create a new one" in outcome.stderr


def test_a_decision_can_be_labelled_and_answered(kubectl: Kubectl, namespace: str, decision: str) -> None:
    kubectl("label", "-n", namespace, "rdec", decision, "ticket=OPS-7").check_returncode()
    answer = '{"status": {"outcome": "Accepted", "message": "promoted", "at": "2026-11-23T10:00:00.000Z"}}'
    patched = kubectl("patch", "-n", namespace, "rdec", decision, "--subresource=status", "--type=merge", "-p", answer)
    assert patched.returncode == 0, patched.stderr
    shown = kubectl("get", "-n", namespace, "rdec", decision)
    assert shown.stdout.split()[:6] == ["NAME", "MODEL", "REVISION", "VERB", "BY", "OUTCOME"]
    assert "Accepted" in shown.stdout
