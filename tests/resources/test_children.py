"""What holds for all children, whatever the spec: found by labels, gone with their owner, told only what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from tests.resources.samples import FULL, MINIMAL, OWNER, SPECS, children, spec
from verdigris.api.schema.fields import spell_duration
from verdigris.api.spec import HpaMetric, ModelDeploymentSpec
from verdigris.api.spec.autoscaling import ScalingBehavior
from verdigris.children import deployment, hpa, meta, pdb, service, service_monitor
from verdigris.children.names import COLOR_LABEL, COLORS, MODEL_LABEL

_MEANT_EMPTY = {"namespaceSelector", "resources"}


def _empties(value: Any, path: str = "") -> Iterator[str]:
    """Paths of what the API server would not keep: null, "", {} and []."""
    if value is None or value == "" or (value in ({}, []) and path.rsplit(".", 1)[-1] not in _MEANT_EMPTY):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _empties(inner, f"{path}.{key}")


def _matches(labels: dict[str, str], selector: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@given(SPECS)
def test_nothing_is_said_that_the_api_server_would_drop(parsed: ModelDeploymentSpec) -> None:
    said = children(OWNER, parsed)
    said.pop("controller_revision")  # its data is kept byte for byte
    empty_values_of_maps = (".annotations.", ".nodeSelector.")

    found = [
        f"{child}{path}"
        for child, manifest in said.items()
        for path in _empties(manifest)
        if not any(part in path for part in empty_values_of_maps)
    ]

    assert found == []


@given(SPECS)
def test_every_child_is_found_by_its_labels_and_goes_with_its_owner(parsed: ModelDeploymentSpec) -> None:
    for manifest in children(OWNER, parsed).values():
        metadata = manifest["metadata"]
        assert metadata["namespace"] == OWNER.namespace
        assert metadata["labels"][MODEL_LABEL] == OWNER.name
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "verdigris"
        (reference,) = metadata["ownerReferences"]
        assert (reference["uid"], reference["controller"]) == (OWNER.uid, True)


def test_children_of_one_kind_have_different_names() -> None:
    made = children(OWNER, spec(MINIMAL)).values()

    assert len({(child["kind"], child["metadata"]["name"]) for child in made}) == len(made)


@pytest.mark.parametrize("color", COLORS)
def test_everything_of_a_colour_picks_the_pods_of_that_colour_only(color: Any) -> None:
    made = children(OWNER, spec(MINIMAL))
    pods = {c: made[f"deployment_{c}"]["spec"]["template"]["metadata"]["labels"] for c in COLORS}
    selectors = [
        made[f"deployment_{color}"]["spec"]["selector"]["matchLabels"],
        made[f"pdb_{color}"]["spec"]["selector"]["matchLabels"],
        made[f"service_{color}"]["spec"]["selector"],
        service.clients(OWNER, spec(MINIMAL).serving.service, color)["spec"]["selector"],
    ]

    for selector in selectors:
        assert [c for c in COLORS if _matches(pods[c], selector)] == [color]
    assert _matches(pods[color], made["network_policy"]["spec"]["podSelector"]["matchLabels"])


def test_the_service_monitor_takes_the_colour_services_and_leaves_the_clients_one() -> None:
    made = children(OWNER, spec(FULL))
    selector = made["service_monitor"]["spec"]["selector"]
    assert selector["matchExpressions"] == [{"key": COLOR_LABEL, "operator": "Exists"}]

    scraped = [
        name
        for name, manifest in made.items()
        if manifest["kind"] == "Service"
        and _matches(manifest["metadata"]["labels"], selector["matchLabels"])
        and COLOR_LABEL in manifest["metadata"]["labels"]
    ]

    assert scraped == ["service_blue", "service_green"]


def test_the_users_monitor_labels_cannot_hide_the_child_from_us() -> None:
    parsed = spec({**MINIMAL, "monitoring": {"serviceMonitor": {"labels": {MODEL_LABEL: "other", "team": "a"}}}})

    labels = service_monitor.build(OWNER, parsed.monitoring, "5s")["metadata"]["labels"]

    assert labels == {**meta.labels(OWNER), "team": "a"}


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("5s", "5s"), ("90s", "1m30s"), ("30s1m", "1m30s"), ("1m500ms", "1m500ms"), ("300000ms", "5m"), ("0s", "0s")],
)
def test_an_interval_is_spelled_as_prometheus_wants_it(written: str, wanted: str) -> None:
    assert spell_duration(written) == wanted


def test_a_deployment_leaves_its_size_to_others() -> None:
    made = children(OWNER, spec(FULL))

    assert "replicas" not in made["deployment_blue"]["spec"]


def test_building_a_deployment_leaves_the_snapshot_as_it_was() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {}}

    blue = deployment.build(OWNER, "blue", template, "v1-a")

    assert blue["spec"]["template"]["metadata"]["labels"] == {"a": "b", COLOR_LABEL: "blue"}
    assert template == {"metadata": {"labels": {"a": "b"}}, "spec": {}}


def test_an_hpa_goes_by_cpu_unless_the_user_says_otherwise() -> None:
    default = hpa.build(OWNER, "blue", 3, 10)["spec"]
    assert (default["minReplicas"], default["maxReplicas"]) == (3, 10)
    assert default["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    assert default["scaleTargetRef"]["name"] == "diabetes-blue"


def test_beside_sidecars_only_the_servers_cpu_counts() -> None:
    (metric,) = hpa.build(OWNER, "blue", 3, 10, with_sidecars=True)["spec"]["metrics"]
    target = {"type": "Utilization", "averageUtilization": 70}
    assert metric == {
        "type": "ContainerResource",
        "containerResource": {"name": "cpu", "container": "server", "target": target},
    }


def test_a_direction_of_scaling_that_the_user_states_takes_the_place_of_ours() -> None:
    default = hpa.build(OWNER, "blue", 1, 2)["spec"]["behavior"]
    policy = {"type": "Pods", "value": 4, "periodSeconds": 15}

    up = _behavior({"scaleUp": {"policies": [policy], "selectPolicy": "Min"}})
    down = _behavior({"scaleDown": {"selectPolicy": "Disabled"}})

    assert up == {**default, "scaleUp": {"policies": [policy], "selectPolicy": "Min"}}
    assert down == {"scaleDown": {"selectPolicy": "Disabled"}}
    assert _behavior({"scaleDown": {}}) == default


def _behavior(raw: Any) -> Any:
    return hpa.build(OWNER, "blue", 1, 2, behavior=ScalingBehavior.parse(raw))["spec"]["behavior"]


def _hpa_metric(**source: Any) -> Any:
    (metric,) = hpa.build(OWNER, "blue", 1, 2, [HpaMetric.parse(source)])["spec"]["metrics"]
    return metric


def test_a_metric_of_the_users_own_is_passed_on_with_its_amounts_spelled_as_they_are_kept() -> None:
    passed = _hpa_metric(type="Object", object={"metric": {"name": "x"}, "target": {"type": "Value", "value": "2000m"}})

    assert passed == {"type": "Object", "object": {"metric": {"name": "x"}, "target": {"type": "Value", "value": "2"}}}


@pytest.mark.parametrize("pods", [{"target": {"averageValue": "many"}}, {"metric": {"name": "x"}}])
def test_what_an_hpa_cannot_read_is_left_for_the_api_server_to_refuse(pods: Any) -> None:
    assert _hpa_metric(type="Pods", pods=pods) == {"type": "Pods", "pods": pods}


def test_a_broken_candidate_does_not_block_the_drain_of_a_node() -> None:
    blue, green = pdb.build(OWNER, "blue")["spec"], pdb.build(OWNER, "green")["spec"]

    assert blue["selector"] != green["selector"], "one budget over both would count the candidate's unready pods"
    assert blue["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert blue["maxUnavailable"] == 1
