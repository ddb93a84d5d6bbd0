"""Every pod that can be asked for runs at the restricted Pod Security level, and the checker knows a breach."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from tests.resources.pod_security import breaches
from tests.resources.samples import DEFAULTS, GATE, MINIMAL, OWN, OWNER, REVISION, SPECS, spec
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.children import gate_job, pod_template

_BREACHES: dict[str, Callable[[dict[str, Any]], object]] = {
    "hostNetwork must not be set": lambda pod: pod.update(hostNetwork=True),
    "volume host must not be a hostPath": lambda pod: pod["volumes"].append({"name": "host", "hostPath": {}}),
    "server must set runAsNonRoot to true": lambda pod: pod["securityContext"].pop("runAsNonRoot"),
    "fetch must set seccompProfile.type": lambda pod: pod["securityContext"].pop("seccompProfile"),
    "fetch must drop ALL capabilities": lambda pod: pod["initContainers"][0]["securityContext"].pop("capabilities"),
    "server must set allowPrivilegeEscalation": lambda pod: pod["containers"][0].pop("securityContext"),
    "server must not use a hostPort": lambda pod: pod["containers"][0]["ports"][0].update(hostPort=1),
    "server must not run as user 0": lambda pod: pod["containers"][0]["securityContext"].update(runAsUser=0),
}


@given(SPECS)
def test_every_pod_is_restricted(parsed: ModelDeploymentSpec) -> None:
    template = pod_template.build(OWNER, parsed, REVISION, DEFAULTS)
    gates = [gate_job.build(OWNER, "gate", asked, template, REVISION)["spec"]["template"] for asked in (GATE, OWN)]

    for pod in (template["spec"], *(gate["spec"] for gate in gates)):
        assert breaches(pod) == []
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("sentence", _BREACHES)
def test_a_breach_is_named(sentence: str) -> None:
    pod = copy.deepcopy(pod_template.build(OWNER, spec(MINIMAL), REVISION, DEFAULTS)["spec"])

    _BREACHES[sentence](pod)

    assert any(found.startswith(sentence) for found in breaches(pod))
