"""`diff`: what the spec states against what runs; what it leaves to the operator is no difference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.cli.scenes import blind, document, healthy, on_trial, rejected
from tests.cli.stage import Stage
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus
from verdigris.cli.model.differences import differences
from verdigris.cli.model.outcome import outcome_of
from verdigris.cli.model.read import model_of

SERVER = {
    "name": "server",
    "image": "registry.example.com/serving:1",
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "192Mi"}},
    "env": [{"name": "THREADS", "value": "2"}],
}


def deployment(color: str = "blue", replicas: int = 2, ready: int = 2) -> dict[str, Any]:
    labels = {"verdigris.dev/model": "diabetes", "verdigris.dev/color": color}
    return {
        "kind": "Deployment",
        "metadata": {"name": f"diabetes-{color}", "labels": labels},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [SERVER]}}},
        "status": {"readyReplicas": ready},
    }


def service(port: int = 80, kind: str = "ClusterIP") -> dict[str, Any]:
    labels = {"verdigris.dev/model": "diabetes"}
    spec = {"type": kind, "ports": [{"name": "http", "port": port}]}
    return {"kind": "Service", "metadata": {"name": "diabetes", "labels": labels}, "spec": spec}


def found(model: dict[str, Any], *children: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Field by field, what the spec says and what runs."""
    return {one.field: (one.spec, one.running) for one in differences(model, children)}


def test_where_what_runs_is_what_was_asked_for_there_is_no_difference(stage: Stage) -> None:
    model = healthy().model
    assert found(model, deployment(), service()) == {}
    stage.given(model, deployment(), service())
    assert "what runs is what the spec asks for" in stage.run("diff", "diabetes")[1]


def test_another_version_is_one_with_what_becomes_of_it() -> None:
    told = differences(on_trial().model, ())
    assert [(one.field, one.spec, one.running, one.note) for one in told] == [
        ("spec.model.version", "1.1.0", "1.0.0", "rollout under way: OnTrial")
    ]
    assert [one.note for one in differences(rejected().model, ())] == ["rejected: ErrorRateDoubled"]


@pytest.mark.parametrize(
    ("serving", "field", "told"),
    [
        ({"image": "x:2"}, "spec.serving.image", ("x:2", "registry.example.com/serving:1")),
        (
            {"resources": {"requests": {"cpu": "200m"}}},
            "spec.serving.resources.requests.cpu",
            ("200m", "100m"),
        ),
        (
            {"resources": {"limits": {"memory": "1Gi"}}},
            "spec.serving.resources.limits.memory",
            ("1Gi", "192Mi"),
        ),
        ({"env": [{"name": "THREADS", "value": "s3cret"}]}, "spec.serving.env[THREADS]", ("set", "another")),
        ({"env": [{"name": "MORE", "value": "s3cret"}]}, "spec.serving.env[MORE]", ("set", "nothing")),
        ({"service": {"type": "NodePort"}}, "spec.serving.service.type", ("NodePort", "ClusterIP")),
        ({"service": {"port": 81}}, "spec.serving.service.port", ("81", "80")),
    ],
)
def test_each_field_that_differs_is_named_and_no_value_of_a_variable_is_shown(
    serving: dict[str, Any], field: str, told: tuple[str, str]
) -> None:
    model = healthy().model
    model["spec"]["serving"] = serving
    assert found(model, deployment(), service()) == {field: told}


def test_sizes_are_compared_with_what_is_asked_for_and_what_is_ready() -> None:
    model = healthy().model
    assert found(model, deployment(replicas=9, ready=9)) == {"spec.autoscaling": ("2 to 4 pods", "9 pods")}
    assert found(model, deployment(ready=1)) == {"spec.autoscaling": ("2 pods", "1 ready")}
    model["spec"]["autoscaling"] |= {"external": True}
    assert found(model, deployment(replicas=9, ready=9)) == {}


def test_a_colour_that_has_no_role_and_pods_is_one() -> None:
    assert found(healthy().model, deployment(), deployment("green")) == {"colour green": ("0 pods", "2 pods")}


def test_what_was_edited_since_the_rollout_began_counts_for_the_next_one() -> None:
    model = on_trial().model
    kept = model["status"]["rollout"]["policy"]["rollout"]
    model["spec"]["rollout"] = {**kept, "bake": "30s", "keepWarm": "1h"}
    assert kept["bake"] == "30s"
    told = found(model)
    assert told["spec.rollout.keepWarm"] == ("1h", "2m")
    assert "spec.rollout.bake" not in told
    model["spec"]["rollout"] = {"bake": "30000ms"}
    assert "spec.rollout.bake" not in found(model), "what is only spelled otherwise was not edited"
    model["spec"]["rollout"] = {}
    assert set(found(model)) == {"spec.model.version"}, "what the spec leaves out has its default"


def test_without_the_right_to_see_pods_the_rest_is_compared(stage: Stage) -> None:
    stage.given(on_trial().model).may_not("list deployments")
    code, out, err = stage.run("diff", "diabetes")
    assert (code, "spec.model.version" in out) == (0, True)
    assert "bob may not list deployments.apps" in err


def test_a_hold_waits_for_a_person_once_its_deadline_is_past() -> None:
    scene = blind()
    rollout = scene.model["status"]["rollout"]
    rollout["policy"]["rollout"] |= {"onInconclusive": "Hold", "inconclusiveDeadline": "1m"}
    model = model_of(scene.model)
    assert outcome_of(model, scene.now).state == "Progressing"
    assert outcome_of(model, scene.now + timedelta(minutes=2)).state == "Gated"


def test_a_spec_that_nobody_has_looked_at_is_under_way() -> None:
    spec = ModelDeploymentSpec.parse(healthy().model["spec"]).dump()
    model = document(spec, ModelDeploymentStatus.parse(healthy().model["status"]), generation=9)
    assert outcome_of(model_of(model), healthy().now).state == "Progressing"
