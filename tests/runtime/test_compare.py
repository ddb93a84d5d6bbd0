"""When a live object is what we want: what the API server spells otherwise is no difference, what people do is."""

from __future__ import annotations

from typing import Any

import pytest

from verdigris.adapters.kube.writing.compare import difference, with_applied_hash

RESOURCES = {"resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}}}


def pod(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "server", **container}]}}


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({"a": 1}, {"a": 1, "theirs": 2}),
        ({"a": {"b": "x"}}, {"a": {"b": "x", "defaulted": True}}),
        ({"a": []}, {}),
        ({"a": {}}, {}),
        ({"a": None, "d": "", "initialDelaySeconds": 0}, {}),
        (pod(**RESOURCES), pod(resources={"requests": {"cpu": "500m", "memory": "1Gi"}})),
        (pod(env=[{"name": "A", "value": "1"}]), pod(env=[{"name": "THEIRS"}, {"name": "A", "value": "1"}])),
        (pod(), {"spec": {"containers": [{"name": "sidecar"}, {"name": "server"}]}}),
        (pod(ports=[{"containerPort": 8080}]), pod(ports=[{"containerPort": 8080, "protocol": "TCP"}])),
        (
            {"spec": {"ports": [{"port": 80}]}},
            {"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30000}]}},
        ),
        ({"spec": {"podSelector": {}}}, {"spec": {"podSelector": {}}}),
        (
            {"spec": {"metrics": [{"object": {"target": {"type": "Value", "value": "1000m"}}}]}},
            {"spec": {"metrics": [{"object": {"target": {"type": "Value", "value": "1"}}}]}},
        ),
    ],
)
def test_it_is_what_we_want(desired: Any, live: Any) -> None:
    assert difference(desired, live) is None


@pytest.mark.parametrize(
    ("desired", "live", "where"),
    [
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": 1}, {}, "a"),
        ({"a": 1}, {"a": "1"}, "a"),
        ({"a": True}, {"a": 1}, "a"),
        ({"a": False}, {}, "a"),
        ({"a": 0}, {}, "a"),
        ({"nodeSelector": {"disk": "", "zone": "a"}}, {"nodeSelector": {"zone": "a"}}, "nodeSelector.disk"),
        ({"a": [{"key": "k"}]}, {"a": [{"key": "k", "seconds": 0}]}, "a[0].seconds"),
        ({"a": {"b": 1}}, {"a": "text"}, "a"),
        ({"a": ["x", "y"]}, {"a": ["x", "y", "theirs"]}, "a"),
        ({"a": []}, {"a": ["theirs"]}, "a"),
        ({"a": ["x"]}, {"a": "x"}, "a"),
        (pod(image="a"), pod(image="b"), "spec.containers[0].image"),
        (pod(), {"spec": {"containers": [{"name": "other"}]}}, "spec.containers[0]"),
        (
            pod(**RESOURCES),
            pod(resources={"requests": {"cpu": "1", "memory": "1Gi"}}),
            "spec.containers[0].resources.requests.cpu",
        ),
        (
            pod(env=[{"name": "A", "value": "0.5"}]),
            pod(env=[{"name": "A", "value": "500m"}]),
            "spec.containers[0].env[0].value",
        ),
        ({"spec": {"selector": {"app": "a"}}}, {"spec": {"selector": {"app": "a", "x": "theirs"}}}, "spec.selector.x"),
        (
            {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
            {"spec": {"podSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [1]}}},
            "spec.podSelector.matchExpressions",
        ),
        ({"spec": {"podSelector": {}}}, {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}, "spec.podSelector"),
        (
            {"volumes": [{"name": "model", "emptyDir": {}}]},
            {"volumes": [{"name": "model", "hostPath": {"path": "/"}}]},
            "volumes[0].emptyDir",
        ),
        ({"spec": {"ports": [{"port": 80}]}}, {"spec": {"ports": [{"port": 81, "protocol": "TCP"}]}}, "spec.ports[0]"),
        (
            {"spec": {"ingress": [{"ports": [{"port": 80}]}]}},
            {"spec": {"ingress": [{"ports": [{"port": 80}, {"port": 22}]}]}},
            "spec.ingress[0].ports",
        ),
        ({"spec": {"metrics": [{"type": "a"}]}}, {"spec": {"metrics": [{"type": "a"}, {"type": "b"}]}}, "spec.metrics"),
    ],
)
def test_it_differs_and_says_where(desired: Any, live: Any, where: str) -> None:
    assert difference(desired, live) == where


def test_the_hash_changes_with_the_manifest_so_that_what_is_no_longer_wanted_is_noticed() -> None:
    before = with_applied_hash({"metadata": {"name": "a"}, "spec": {"x": 1, "y": 2}})
    after = with_applied_hash({"metadata": {"name": "a"}, "spec": {"x": 1}})
    assert difference({"spec": after["spec"]}, before) is None
    assert difference(after, before) == "metadata.annotations.verdigris.dev/applied"


def test_the_hash_leaves_other_annotations_and_the_given_manifest_alone() -> None:
    manifest = {"metadata": {"name": "a", "annotations": {"x": "y"}}}
    hashed = with_applied_hash(manifest)
    assert hashed["metadata"]["annotations"]["x"] == "y"
    assert manifest == {"metadata": {"name": "a", "annotations": {"x": "y"}}}
    assert with_applied_hash(manifest) == hashed
