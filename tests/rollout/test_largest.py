"""What the API server keeps of one object is bounded: the largest policy that it takes leaves room for the status."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from tests.api.test_crd import Node, version_of
from tests.rollout.parts import spec
from tests.rollout.small import over, stage, until
from tests.rollout.test_gates import answers, gated
from tests.rollout.world import World
from verdigris.adapters.kube.reading.understand import understand
from verdigris.api.schema import crd
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.spec.gates import MOST_WORDS
from verdigris.api.status import GateCheck, GateGroup, GateStatus
from verdigris.core.engine.plan import plan
from verdigris.core.facts.observed import GateJob, Observed

ETCD = 1536 * 1024
"""Bytes of a request that etcd takes by default: an object of more is not stored."""
COPIES = 3
"""Of spec.rollout and spec.analysis in one object: the spec, the rollout's policy, and that of the warm version."""
COUNTED = ("command", "args", "env", "volumeMounts")
"""The fields of a gate of one's own that a rule counts together."""


def largest(node: Node, name: str = "", within: str = "") -> int:
    """The bytes of the longest JSON that the schema takes, of one byte a character. Raises KeyError where it has none.

    What a rule counts together is left out; of the kinds of a step there is one.
    """
    size = 24
    if "enum" in node:
        size = max(len(json.dumps(value)) for value in node["enum"])
    elif within == "job" and name in COUNTED:
        size = 0
    elif "properties" in node:
        sizes = [len(key) + 4 + largest(member, key, name) for key, member in node["properties"].items()]
        size = max(sizes) + 32 if name == "steps" else sum(sizes)
    elif "additionalProperties" in node:
        size = node["maxProperties"] * (64 + largest(node["additionalProperties"]))
    elif node["type"] == "array":
        size = node["maxItems"] * (1 + largest(node["items"], name))
    elif node["type"] == "string":
        size = node["maxLength"]
    return size + 2


def test_the_largest_policy_that_is_taken_leaves_a_third_of_the_object_to_all_else() -> None:
    members = version_of(crd.MODEL_DEPLOYMENT)["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    copied = sum(largest(members[name], name) for name in ("rollout", "analysis")) + MOST_WORDS
    assert COPIES * copied < ETCD * 2 // 3, f"{copied} bytes are copied"


def own(number: int, **fields: Any) -> dict[str, Any]:
    return {"job": {"name": f"own-{number}", "image": "clinic.test/audit:3", **fields}}


LONG = 4096
FULL = [own(number, args=["x" * LONG]) for number in range(MOST_WORDS // LONG)]
ONE_MORE: list[dict[str, Any]] = [
    {"args": ["x"]},
    {"command": ["x"]},
    {"env": [{"name": "X"}]},
    {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "x", "key": "x"}}}]},
    {"volumes": [{"name": "x", "emptyDir": {"sizeLimit": "1Mi"}}], "volumeMounts": [{"name": "x", "mountPath": "/x"}]},
]


@pytest.mark.parametrize("more", ONE_MORE, ids=[next(iter(one)) + str(number) for number, one in enumerate(ONE_MORE)])
def test_gates_of_ones_own_may_say_so_much_together_and_no_more(more: dict[str, Any]) -> None:
    assert len(spec(rollout={"steps": FULL}).rollout.steps) == 8
    with pytest.raises(ValidationError, match="put what is long into a ConfigMap and mount it"):
        spec(rollout={"steps": [*FULL, own(9, **more)]})


def _wordy(kind: str, job: GateJob, question: str) -> GateJob:
    """The longest answer that a status keeps."""
    judged = answers("Pass", message="m" * 1024)(kind, job, question)
    assert judged.answer
    numbers = {"value": 0.123456789012345, "threshold": 0.123456789012345, "count": 10**12}
    check = GateCheck(name="c" * 64, verdict="Pass", bound="min", low=0.1234567890123, high=0.123456789012, **numbers)
    rates = {"selection_rate": 0.1234567890123, "tpr": 0.1234567890123, "fpr": 0.1234567890123}
    group = GateGroup(attribute="a" * 64, group="g" * 64, count=10**12, **rates)
    said = GateStatus(**{**dict(judged.answer), "checks": (check,) * 20, "groups": (group,) * 24})
    return replace(judged, answer=said)


def test_a_rollout_of_the_largest_gates_with_the_longest_answers_fits_with_its_spec() -> None:
    """Characters that JSON spells by six bytes (<, >, & as Go writes them) are counted so where a user writes them."""
    words = "<" * (MOST_WORDS // 16)
    steps = [own(number, args=[words]) for number in range(15)]
    world = gated(*steps, {"approval": {}}, judge=_wordy)
    until(world, stage("AwaitingApproval"))
    assert world.status.rollout
    assert sum(one.gate is not None and one.gate.verdict == "Pass" for one in world.status.rollout.steps) == 15
    whole = json.dumps({"spec": world.spec.dump(), "status": world.status.dump()}).replace("<", "\\u003c")
    assert len(whole) < ETCD * 2 // 3


TOO_MUCH = [*FULL, own(len(FULL), args=["x"])]


def stored_before(world: World) -> tuple[ModelDeploymentSpec, Observed]:
    """What is there after an upgrade, where the operator before had taken more than is taken now."""
    raw_spec, raw_status = world.spec.dump(), world.status.dump()
    raw_spec["rollout"]["steps"] = TOO_MUCH
    if raw_status.get("rollout"):
        raw_status["rollout"]["policy"]["rollout"]["steps"] = TOO_MUCH
    seen = world.observe()
    meta = {"name": "diabetes", "namespace": "clinic", "uid": "u", "generation": world.generation}
    found, status, skew = understand({"metadata": meta, "spec": raw_spec, "status": raw_status}, {}, seen.snapshots)
    return found, replace(seen, spec=found, status=status, skew=skew)


def test_what_was_taken_before_there_was_a_rule_is_read_and_judged_as_it_is() -> None:
    world = until(gated(own(0, args=["short"]), judge=answers("Pass"), shield=False), stage("Baking"))
    found, seen = stored_before(world)
    assert len(found.rollout.steps) == len(TOO_MUCH)
    assert not seen.skew.foreign
    after = plan(seen, world.evidence(), world.now).status.rollout
    assert after is not None
    assert after.stage == "Baking"


def test_it_is_no_invalid_spec_of_a_model_that_serves() -> None:
    world = until(gated(own(0, args=["short"]), judge=answers("Pass"), shield=False), over, seconds=900)
    _, seen = stored_before(world)
    conditions = {one.type: one for one in plan(seen, world.evidence(), world.now).status.conditions}
    assert (conditions["Ready"].reason, conditions["Stalled"].status) != ("InvalidSpec", "True")
    assert seen.skew.faults() == ""
