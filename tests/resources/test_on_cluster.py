"""What a real API server, real controllers and a real Prometheus make of the children."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from dev.cluster import Cluster
from tests.resources.live import apply, create, eventually, missing, read
from tests.resources.samples import DEFAULTS, FULL, MINIMAL, OWNER, REVISION, SPECS, children, snapshot, spec
from tests.resources.test_quantity import RESOURCE_SPELLINGS, SPELLINGS
from verdigris.adapters.kube.writing.compare import difference
from verdigris.api.schema.quantity import amount_of
from verdigris.api.spec import HpaMetric, ModelDeploymentSpec
from verdigris.children import controller_revision, hpa, pod_template, service
from verdigris.children.meta import Manifest
from verdigris.children.names import COLOR_LABEL, COLORS, MODEL_LABEL, Owner

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Home:
    """A namespace at the restricted level, and an object in it that stands in for the ModelDeployment.

    The stand-in is a ConfigMap, so that an operator that runs on the same cluster has no part in this.
    """

    cluster: Cluster
    owner: Owner

    def adopted(self, manifest: Manifest) -> Manifest:
        """The child, owned by the stand-in: the garbage collector deletes what has an owner that is not there."""
        (reference,) = manifest["metadata"]["ownerReferences"]
        stand_in = {**reference, "apiVersion": "v1", "kind": "ConfigMap"}
        return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [stand_in]}}

    def children(self, parsed: ModelDeploymentSpec) -> list[Manifest]:
        return [self.adopted(child) for child in children(self.owner, parsed).values()]


@pytest.fixture
def home(cluster: Cluster) -> Iterator[Home]:
    name = f"children-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    create(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    stand_in = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": OWNER.name, "namespace": name}}
    uid = create(cluster, stand_in)["metadata"]["uid"]
    yield Home(cluster, replace(OWNER, namespace=name, uid=uid))
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("raw", [MINIMAL, FULL], ids=["minimal", "full"])
def test_what_is_applied_is_what_is_kept_and_a_second_time_writes_nothing(home: Home, raw: Any) -> None:
    wanted = home.children(spec(raw))

    for child, live in zip(wanted, apply(home.cluster, wanted), strict=True):
        assert list(missing(live, child)) == [], child["kind"]
        assert difference(child, live) is None

    for child in wanted:
        # Controllers write statuses in between; a builder that is not canonical writes every time.
        eventually(partial(_applying_again_changes_nothing, home, child), 20)


def _applying_again_changes_nothing(home: Home, child: Manifest) -> bool:
    before = read(home.cluster, child)["metadata"]["resourceVersion"]
    (after,) = apply(home.cluster, [child])
    return bool(after["metadata"]["resourceVersion"] == before)


@given(parsed=SPECS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_spec_the_api_server_takes_the_children_word_for_word(
    home: Home, parsed: ModelDeploymentSpec
) -> None:
    wanted = home.children(parsed)

    answers = apply(home.cluster, wanted, "--dry-run=server")

    for child, live in zip(wanted, answers, strict=True):
        assert list(missing(live, child)) == [], child["kind"]


def test_requests_and_limits_are_spelled_as_the_api_server_spells_them(home: Home) -> None:
    limits = [
        {"type": f"example.com/t{number}", "max": {"cpu": written}}
        for number, (written, _) in enumerate(RESOURCE_SPELLINGS)
    ]
    meta = {"name": "spelling", "namespace": home.owner.namespace}

    (live,) = apply(
        home.cluster, [{"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": {"limits": limits}}]
    )

    assert [limit["max"]["cpu"] for limit in live["spec"]["limits"]] == [kept for _, kept in RESOURCE_SPELLINGS]


def test_amounts_in_metrics_are_spelled_as_the_api_server_spells_them(home: Home) -> None:
    amounts = [(str(written), kept) for written, kept in SPELLINGS if not kept.startswith(("-", "0"))]
    metrics = [
        HpaMetric.parse(
            {"type": "External", "external": {"metric": {"name": f"m{number}"}, "target": _target(written)}}
        )
        for number, (written, _) in enumerate(amounts)
    ]
    wanted = home.adopted(hpa.build(home.owner, "blue", 1, 2, metrics))

    (live,) = apply(home.cluster, [wanted])

    # In an order of their own, by value: no matter how an amount is spelled, it is written the same way.
    found = {metric["external"]["metric"]["name"]: metric["external"]["target"] for metric in live["spec"]["metrics"]}
    assert {name: amount_of(target["averageValue"]) for name, target in found.items()} == {
        f"m{number}": amount_of(kept) for number, (_, kept) in enumerate(amounts)
    }
    assert list(missing(live, wanted)) == []


def _target(amount: str) -> dict[str, str]:
    return {"type": "AverageValue", "averageValue": amount}


@pytest.mark.parametrize("raw", [MINIMAL, FULL], ids=["minimal", "full"])
def test_a_pod_passes_the_restricted_pod_security_level(home: Home, raw: Any) -> None:
    template = pod_template.build(home.owner, spec(raw), REVISION, DEFAULTS)
    meta = {**template["metadata"], "name": "probe", "namespace": home.owner.namespace}
    apply(home.cluster, [child for child in home.children(spec(raw)) if child["kind"] == "ServiceAccount"])

    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
    assert apply(home.cluster, [pod], "--dry-run=server")

    pod["spec"] = {**template["spec"], "hostNetwork": True}
    with pytest.raises(Exception, match="violates PodSecurity"):
        apply(home.cluster, [pod], "--dry-run=server")


def test_both_colours_get_pods_and_the_owner_takes_every_child_along(home: Home) -> None:
    wanted = home.children(spec(MINIMAL))
    apply(home.cluster, wanted)

    assert eventually(lambda: {pod["metadata"]["labels"][COLOR_LABEL] for pod in _pods(home)} == set(COLORS))

    home.cluster.kubectl("delete", "configmap", home.owner.name, "-n", home.owner.namespace)
    eventually(lambda: not _left_over(home, wanted))


def _pods(home: Home) -> list[Any]:
    selector = f"{MODEL_LABEL}={home.owner.name}"
    said = home.cluster.kubectl("get", "pods", "-n", home.owner.namespace, "-l", selector, "-o", "json")
    return list(json.loads(said)["items"])


def _left_over(home: Home, wanted: list[Manifest]) -> list[str]:
    kinds = sorted({f"{c['kind']}.{c['apiVersion'].rpartition('/')[0]}".rstrip(".") for c in wanted})
    selector = f"{MODEL_LABEL}={home.owner.name}"
    listed = home.cluster.kubectl("get", ",".join(kinds), "-n", home.owner.namespace, "-l", selector, "-o", "name")
    return listed.split()


def test_the_clients_service_keeps_its_ip_whatever_else_changes(home: Home) -> None:
    addresses = set()
    for kind, color, port in (
        ("LoadBalancer", "blue", 80),
        ("ClusterIP", "green", 8000),
        ("NodePort", "green", 8000),
        ("ClusterIP", "blue", 80),
    ):
        clients = spec({**MINIMAL, "serving": {"service": {"type": kind, "port": port}}}).serving.service
        wanted = home.adopted(service.clients(home.owner, clients, color))  # type: ignore[arg-type]
        (live,) = apply(home.cluster, [wanted])
        assert list(missing(live, wanted)) == []
        addresses.add(live["spec"]["clusterIP"])

    assert len(addresses) == 1


def test_a_snapshot_comes_back_as_it_went_in_and_cannot_be_changed(home: Home) -> None:
    kept = snapshot(home.owner, spec(MINIMAL))
    manifest = home.adopted(controller_revision.build(home.owner, kept))
    (live,) = apply(home.cluster, [manifest])

    back = controller_revision.parse(live)

    assert back == replace(kept, created=back.created)
    assert back.created is not None
    with pytest.raises(Exception, match=r"data: Invalid value: .*field is immutable"):
        apply(home.cluster, [{**manifest, "data": {**manifest["data"], "version": "9.9.9"}}])


def test_prometheus_sees_each_pod_once_with_its_model_colour_and_revision(home: Home) -> None:
    apply(home.cluster, home.children(spec(MINIMAL)))
    address = home.cluster.kubectl(
        "get", "service", "prometheus", "-n", "monitoring", "-o", "jsonpath={.spec.clusterIP}"
    )

    # A Prometheus that others configured may take its three minutes to look at a new ServiceMonitor, and takes up the
    # pods as their endpoints appear: what counts is where it settles.
    eventually(lambda: Seen(targets=_targets(address, home), pods=_expected(home)), 240)


@dataclass(frozen=True)
class Seen:
    """What Prometheus scrapes beside what runs, each as sorted (pod, model, color, revision). True: the same, in both
    colours."""

    targets: list[tuple[str, str, str, str]]
    pods: list[tuple[str, str, str, str]]

    def __bool__(self) -> bool:
        return self.targets == self.pods and {color for _, _, color, _ in self.pods} == set(COLORS)


def _expected(home: Home) -> list[tuple[str, str, str, str]]:
    pods = [pod["metadata"] for pod in _pods(home)]
    return sorted((pod["name"], OWNER.name, str(pod["labels"][COLOR_LABEL]), REVISION) for pod in pods)


def _targets(address: str, home: Home) -> list[tuple[str, str, str, str]]:
    with urllib.request.urlopen(f"http://{address}:9090/api/v1/targets?state=active", timeout=5) as answer:
        targets = json.load(answer)["data"]["activeTargets"]
    labels = [target["labels"] for target in targets if target["labels"].get("namespace") == home.owner.namespace]
    return sorted((own["pod"], own["model"], own["color"], own["revision"]) for own in labels)
