"""The pod template: what the init step and the server are told, and what changes when the spec changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.resources.samples import DEFAULTS, FULL, MINIMAL, OWNER, REVISION, SPECS, spec
from verdigris.api.schema.quantity import amount_of
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.children import pod_template
from verdigris.children.names import COLOR_LABEL, PRE_STOP_SECONDS, REVISION_LABEL, Defaults
from verdigris_serving.artifact.verify import Expectation
from verdigris_serving.settings import FetchSettings, ServerSettings


def _pod(raw: Any) -> Any:
    return pod_template.build(OWNER, spec(raw), REVISION, DEFAULTS)["spec"]


def _env(container: Any) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


def _own(pod: Any) -> tuple[Any, Any]:
    """The fetch step and the server, without the sidecars before them."""
    return pod["initContainers"][-1], pod["containers"][0]


def _with_uri(uri: str) -> Any:
    return _pod({"model": {"version": "1.0.0", "uri": uri, "allowUnverified": True}})


def test_the_template_knows_its_revision_but_not_its_colour() -> None:
    labels = pod_template.build(OWNER, spec(MINIMAL), REVISION, DEFAULTS)["metadata"]["labels"]

    assert labels[REVISION_LABEL] == REVISION
    assert COLOR_LABEL not in labels


def test_both_steps_are_told_the_same_model() -> None:
    pod = _pod(MINIMAL)
    fetch, server = _env(pod["initContainers"][0]), _env(pod["containers"][0])

    assert fetch["VERDIGRIS_MODEL_URI"] == MINIMAL["model"]["uri"]
    for name in ("SHA256", "NAME", "VERSION", "FORMAT", "PATH"):
        assert fetch[f"VERDIGRIS_MODEL_{name}"] == server[f"VERDIGRIS_MODEL_{name}"]
    assert (server["VERDIGRIS_MODEL_NAME"], server["VERDIGRIS_CONCURRENCY"]) == ("diabetes", "8")


@given(SPECS)
def test_both_steps_get_the_users_environment_after_ours(parsed: ModelDeploymentSpec) -> None:
    users = {variable.name: variable.value for variable in parsed.serving.env}
    pod = pod_template.build(OWNER, parsed, REVISION, DEFAULTS)["spec"]

    for container in _own(pod):
        names = [variable["name"] for variable in container["env"]]
        assert len(names) == len(set(names))
        assert names[len(names) - len(users) :] == list(users)
        assert users.items() <= _env(container).items()


def test_a_claim_is_mounted_read_only_into_the_fetch_step_alone() -> None:
    pod = _with_uri("pvc://artifacts/models/a%20b.vmodel")
    (fetch,), (server,) = pod["initContainers"], pod["containers"]

    assert _env(fetch)["VERDIGRIS_MODEL_URI"] == "file:///artifact/models/a%20b.vmodel"
    assert {"name": "artifact", "mountPath": "/artifact", "readOnly": True} in fetch["volumeMounts"]
    assert "artifact" not in {mount["name"] for mount in server["volumeMounts"]}
    claim = {"name": "artifact", "persistentVolumeClaim": {"claimName": "artifacts", "readOnly": True}}
    assert claim in pod["volumes"]


@pytest.mark.parametrize("uri", ["https://a.example/x", "file:///opt/x"])
def test_without_a_claim_nothing_more_is_mounted(uri: str) -> None:
    pod = _with_uri(uri)

    assert _env(pod["initContainers"][0])["VERDIGRIS_MODEL_URI"] == uri
    assert [volume["name"] for volume in pod["volumes"]] == ["model", "traffic", "tmp"]


@given(SPECS)
def test_every_mount_has_its_volume(parsed: ModelDeploymentSpec) -> None:
    pod = pod_template.build(OWNER, parsed, REVISION, DEFAULTS)["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}

    for container in (*pod["initContainers"], *pod["containers"]):
        assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes


def test_the_server_sees_the_traffic_annotation_as_a_file() -> None:
    pod = _pod(MINIMAL)
    (source,) = [volume["downwardAPI"] for volume in pod["volumes"] if volume["name"] == "traffic"]

    assert source["items"][0]["fieldRef"]["fieldPath"] == "metadata.annotations['verdigris.dev/traffic']"
    assert _env(pod["containers"][0])["VERDIGRIS_TRAFFIC_FILE"] == "/etc/verdigris/traffic"


def test_the_init_step_costs_what_the_server_costs_and_no_more() -> None:
    pod = _pod(FULL)

    assert pod["initContainers"][0]["resources"] == pod["containers"][0]["resources"]
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}


@given(SPECS)
def test_the_serving_image_understands_what_it_is_told(parsed: ModelDeploymentSpec) -> None:
    pod = pod_template.build(OWNER, parsed, REVISION, DEFAULTS)["spec"]
    fetch, server = _own(pod)

    fetching = FetchSettings.from_environment(_env(fetch))
    serving = ServerSettings.from_environment(_env(server))

    assert fetching.model == serving.model
    assert serving.port == server["ports"][0]["containerPort"]
    assert serving.concurrency == parsed.serving.concurrency
    wanted = Expectation(parsed.model.sha256 or "", parsed.model.name or OWNER.name, parsed.model.version, "linear")
    assert fetching.model.expected == wanted


def test_a_pod_goes_on_answering_while_endpoints_forget_it_and_then_has_time_to_finish() -> None:
    pod = _pod(MINIMAL)
    serving = ServerSettings.from_environment(_env(pod["containers"][0]))

    assert pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] == PRE_STOP_SECONDS
    assert pod["terminationGracePeriodSeconds"] > PRE_STOP_SECONDS + serving.grace


def test_the_largest_artifact_fits_its_volume() -> None:
    pod = _pod(MINIMAL)
    fetching = FetchSettings.from_environment(_env(pod["initContainers"][0]))
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "model"]

    assert fetching.model.max_bytes < amount_of(volume["emptyDir"]["sizeLimit"])


def test_the_image_is_the_users_or_else_the_operators() -> None:
    for raw, image in ((MINIMAL, "verdigris/serving:0.1.0"), (FULL, "clinic.example.com/serving:7")):
        pod = _pod(raw)
        assert {pod["initContainers"][0]["image"], pod["containers"][0]["image"]} == {image}


@pytest.mark.parametrize(
    ("model", "image"),
    [
        ({}, "default"),
        ({"format": "linear"}, "default"),
        ({"format": "onnx"}, "with-onnx"),
        ({"format": "sklearn"}, "with-sklearn"),
    ],
)
def test_the_operators_image_is_the_one_for_the_format(model: dict[str, str], image: str) -> None:
    defaults = Defaults("default", format_images={"onnx": "with-onnx", "sklearn": "with-sklearn"})
    parsed = spec({"model": {**MINIMAL["model"], **model}})
    pod = pod_template.build(OWNER, parsed, REVISION, defaults)["spec"]

    assert {pod["initContainers"][0]["image"], pod["containers"][0]["image"]} == {image}


def test_an_image_of_the_users_serves_whatever_format() -> None:
    defaults = Defaults("default", format_images={"onnx": "with-onnx"})
    parsed = spec({"model": {**MINIMAL["model"], "format": "onnx"}, "serving": {"image": "mine:1"}})
    pod = pod_template.build(OWNER, parsed, REVISION, defaults)["spec"]

    assert {pod["initContainers"][0]["image"], pod["containers"][0]["image"]} == {"mine:1"}


def test_only_the_fetch_step_holds_the_keys_to_the_store() -> None:
    pod = _pod({"model": {**MINIMAL["model"], "credentialsSecret": "store-keys"}})

    (fetch,), (server,) = pod["initContainers"], pod["containers"]
    assert fetch["envFrom"] == [{"secretRef": {"name": "store-keys", "optional": False}}]
    assert "envFrom" not in server
    assert "envFrom" not in _pod(MINIMAL)["initContainers"][0]


def test_the_server_is_told_what_is_younger_than_it_only_where_it_is_no_default() -> None:
    def told(serving: dict[str, Any]) -> dict[str, str]:
        (server,) = _pod({**MINIMAL, "serving": serving})["containers"]
        return {variable["name"]: variable.get("value", "") for variable in server["env"]}

    assert told({"maxBodyMiB": 64})["VERDIGRIS_MAX_BODY_MIB"] == "64"
    assert told({"page": True})["VERDIGRIS_PAGE"] == "on"
    assert told({"grpc": True, "image": "serving-grpc"})["VERDIGRIS_GRPC_PORT"] == "8081"
    assert told({"maxBodyMiB": 8, "page": False, "grpc": False}) == told({})
    assert not {"VERDIGRIS_MAX_BODY_MIB", "VERDIGRIS_PAGE", "VERDIGRIS_GRPC_PORT"} & set(told({}))


def test_the_server_reads_both_annotations_where_it_looks_for_them() -> None:
    pod = _pod(MINIMAL)
    (server,) = pod["containers"]
    (mount,) = (mount for mount in server["volumeMounts"] if mount["name"] == "traffic")
    settings = ServerSettings.from_environment(_env(server))
    items = {item["path"]: item["fieldRef"]["fieldPath"] for item in pod["volumes"][1]["downwardAPI"]["items"]}

    assert items == {name: f"metadata.annotations['verdigris.dev/{name}']" for name in ("traffic", "shield")}
    for name, file in (("traffic", settings.traffic_file), ("shield", settings.shield_file)):
        assert str(file) == f"{mount['mountPath']}/{name}"
        assert pod_template.shows(pod, f"verdigris.dev/{name}")
    assert not pod_template.shows({"volumes": [pod["volumes"][0]]}, "verdigris.dev/shield")


def test_addresses_of_stores_are_found_in_what_the_fetch_step_is_told() -> None:
    told = [
        {"name": "AWS_ENDPOINT_URL", "value": "http://minio.stores:9000"},
        {"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow:5000"},
        {"name": "AZURE_STORAGE_ENDPOINT"},
        {"name": "PROXY", "value": "http://elsewhere"},
    ]
    parsed = spec({**MINIMAL, "serving": {"env": told}})
    template = pod_template.build(OWNER, parsed, REVISION, DEFAULTS)

    found = pod_template.stores(pod_template.environment(template))
    assert found == {"http://minio.stores:9000", "http://mlflow:5000"}


def test_each_colour_and_revision_spreads_over_the_nodes_by_itself() -> None:
    (spread,) = _pod(MINIMAL)["topologySpreadConstraints"]

    assert spread["matchLabelKeys"] == [COLOR_LABEL, REVISION_LABEL]
    assert not set(spread["matchLabelKeys"]) & set(spread["labelSelector"]["matchLabels"])
