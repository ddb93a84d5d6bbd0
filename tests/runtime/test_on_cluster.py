"""The operator process on the real API server: it watches, puts drift back, falls silent, hands over."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from dev.cluster import Cluster, ClusterError
from dev.cluster.patience import stretched
from dev.demo.models import decision
from tests.runtime.process import OperatorProcess, until

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).resolve().parents[2] / "crds"
NODE_LABEL = "runtime.example.com/site"
"""Label of a node without a kubelet: the test itself says when its pods are ready."""


class Site:
    """A namespace of the real cluster, and the words that the tests need there."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *args, input=stdin)

    def get(self, *what: str) -> Any:
        return json.loads(self.kubectl("get", *what, "-o", "json"))

    def exists(self, *what: str) -> bool:
        with suppress(ClusterError):
            return bool(self.get(*what))
        return False

    def deploy(self, version: str = "1.0.0", **spec: Any) -> None:
        model = {"version": version, "uri": "https://models.example.com/d.vmodel", "sha256": "a" * 64}
        content = {
            "model": model,
            "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
            "serving": {
                "nodeSelector": {NODE_LABEL: self.namespace},
                "tolerations": [{"operator": "Exists"}],
            },
        }
        manifest = {
            "apiVersion": "verdigris.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "diabetes"},
            "spec": content | spec,
        }
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(manifest))

    def pods_are_placed(self, count: int) -> bool:
        pods = self.get("pods")["items"]
        return len(pods) == count and all("nodeName" in pod["spec"] for pod in pods)

    def make_pods_ready(self) -> None:
        for number, pod in enumerate(self.get("pods")["items"]):
            status = {
                "phase": "Running",
                "podIP": f"10.250.0.{number + 1}",
                "podIPs": [{"ip": f"10.250.0.{number + 1}"}],
                "conditions": [
                    {"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady", "PodScheduled")
                ],
            }
            patch = json.dumps({"status": status})
            self.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=merge", "-p", patch)

    def is_active(self) -> bool:
        status = self.get("mdep", "diabetes").get("status") or {}
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))

    def bring_up(self) -> None:
        """A ModelDeployment whose first version is active."""
        self.deploy()
        until(lambda: self.pods_are_placed(2), "two pods")
        self.make_pods_ready()
        until(self.is_active, "the first version to be active")


@contextmanager
def a_site(cluster: Cluster) -> Iterator[Site]:
    with cluster.alone():
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
    name = f"runtime-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "100"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {NODE_LABEL: name}},
        # No pod of anybody else may come to a node that starts none.
        "spec": {"taints": [{"key": NODE_LABEL, "effect": "NoSchedule"}]},
        "status": {"allocatable": capacity, "capacity": capacity},
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(node))
    try:
        yield Site(cluster, name)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")
        cluster.kubectl("delete", "node", name, "--wait=false")


@pytest.fixture
def site(cluster: Cluster) -> Iterator[Site]:
    with a_site(cluster) as site:
        yield site


@pytest.fixture
def start(site: Site, tmp_path: Path) -> Callable[..., OperatorProcess]:
    """Makes an operator process that looks after the site; a context manager."""
    return lambda **settings: OperatorProcess(site.cluster.kubeconfig, site.namespace, tmp_path, **settings)


def test_a_first_version_becomes_active_and_then_nothing_is_written(
    site: Site, start: Callable[..., OperatorProcess]
) -> None:
    """Law 8, on the real API server with its defaulting: a resync every half second writes nothing at all."""
    with start(resync="500ms") as operator:
        site.bring_up()
        assert operator.get("/healthz") == (200, "ok\n")
        assert operator.get("/readyz") == (200, "ok\n")
        settle(operator)
        written, done = writes(operator), reconciles(operator)
        until(lambda: reconciles(operator) >= done + 8, "eight more reconciles")
        assert writes(operator) == written
        assert "Traceback" not in operator.log
        assert operator.stop() == 0
    assert site.get("lease", "verdigris-operator")["spec"].get("holderIdentity", "") == ""


def test_open_decisions_are_selected_by_the_api_server(site: Site) -> None:
    """A status that has no outcome yet counts as one that is empty, which no document promises."""
    who = json.loads(site.kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"]
    for name, model in (("open", "diabetes"), ("answered", "diabetes"), ("of-another", "other")):
        raw = decision(name, model=model, revision="v1-0", verb="approve", by=who)
        site.kubectl("create", "-f", "-", stdin=json.dumps(raw))
    answer = json.dumps({"status": {"outcome": "Refused", "message": "m", "at": "2026-11-27T10:00:00Z"}})
    site.kubectl("patch", "rdec", "answered", "--subresource=status", "--type=merge", "-p", answer)

    def selected() -> list[str]:
        found = site.get("rdec", "--field-selector=spec.modelDeployment=diabetes,status.outcome=")
        return [raw["metadata"]["name"] for raw in found["items"]]

    until(lambda: selected() == ["open"], "the selection by field", seconds=20)


def writes(operator: OperatorProcess) -> dict[str, float]:
    """How many there were of each kind: one too many is told by its kind."""
    counts = operator.series("verdigris_writes_total")
    return {kind: count for kind, count in counts.items() if 'kind="Lease"' not in kind}


def reconciles(operator: OperatorProcess) -> float:
    return operator.sum("verdigris_controller_runtime_reconcile_total")


def settle(operator: OperatorProcess) -> None:
    """Until three reconciles in a row have written nothing: Kubernetes' own controllers are through by then."""

    def silent() -> bool:
        before, done = writes(operator), reconciles(operator)
        until(lambda: reconciles(operator) >= done + 3, "three reconciles")
        return writes(operator) == before

    until(silent, "silence")


DRIFT: dict[str, tuple[tuple[str, ...], Callable[[Site], bool]]] = {
    "the clients' Service points elsewhere": (
        ("patch", "svc", "diabetes", "--type=merge", "-p", '{"spec":{"selector":{"extra":"label"}}}'),
        lambda site: "extra" not in site.get("svc", "diabetes")["spec"]["selector"],
    ),
    "a Service is gone": (("delete", "svc", "diabetes-green"), lambda site: site.exists("svc", "diabetes-green")),
    "the HPA was edited": (
        ("patch", "hpa", "diabetes-blue", "--type=merge", "-p", '{"spec":{"minReplicas":1}}'),
        lambda site: site.get("hpa", "diabetes-blue")["spec"]["minReplicas"] == 2,
    ),
    "the HPA is gone": (("delete", "hpa", "diabetes-blue"), lambda site: site.exists("hpa", "diabetes-blue")),
    "the firewall was opened": (
        ("patch", "netpol", "diabetes", "--type=merge", "-p", '{"spec":{"ingress":[{}]}}'),
        lambda site: site.get("netpol", "diabetes")["spec"]["ingress"] != [{}],
    ),
    "the Deployment runs something else": (
        ("set", "image", "deployment/diabetes-blue", "*=evil:1"),
        lambda site: "evil:1" not in json.dumps(site.get("deployment", "diabetes-blue")["spec"]),
    ),
    "the Deployment is too small": (
        ("scale", "deployment", "diabetes-blue", "--replicas=0"),
        lambda site: site.get("deployment", "diabetes-blue")["spec"]["replicas"] == 2,
    ),
    "a label is gone": (
        ("label", "svc", "diabetes", "verdigris.dev/model-"),
        lambda site: "verdigris.dev/model" in site.get("svc", "diabetes")["metadata"]["labels"],
    ),
    "the budget is gone": (
        ("delete", "pdb", "--all"),
        lambda site: bool(site.get("pdb")["items"]),
    ),
    "the ServiceMonitor is gone": (
        ("delete", "servicemonitor", "diabetes"),
        lambda site: site.exists("servicemonitor", "diabetes"),
    ),
}


@pytest.fixture(scope="module")
def active(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, OperatorProcess]]:
    """A site whose first version is active, and the operator that looks after it; the resync is ten minutes away."""
    folder = tmp_path_factory.mktemp("operator")
    with a_site(cluster) as site, OperatorProcess(cluster.kubeconfig, site.namespace, folder) as operator:
        site.bring_up()
        yield site, operator


@pytest.mark.parametrize("what", DRIFT)
def test_drift_is_seen_and_put_back(active: tuple[Site, OperatorProcess], what: str) -> None:
    """By the watches alone. Another operator on the cluster may be quicker, but ours must have seen it too."""
    site, operator = active
    command, is_back = DRIFT[what]
    before = quiet(operator)
    site.kubectl(*command)
    until(lambda: events(operator) > before, "the event", seconds=10)
    until(lambda: is_back(site), "the way back", seconds=10)


def events(operator: OperatorProcess) -> float:
    return operator.sum("verdigris_workqueue_adds_total")


def quiet(operator: OperatorProcess) -> float:
    """The number of events so far, once there have been no more for half a second."""
    seen: list[float] = []

    def is_quiet() -> bool:
        seen.append(events(operator))
        return len(seen) > 10 and seen[-10] == seen[-1]

    until(is_quiet, "quiet")
    return seen[-1]


def test_a_standby_takes_over_when_the_leader_stops(site: Site, start: Callable[..., OperatorProcess]) -> None:
    with start() as first:
        until(lambda: first.leads, "the first one to lead")
        with start() as second:
            until(lambda: second.get("/readyz")[0] == 200, "a standby that is ready")
            assert not second.leads
            assert first.stop() == 0
            until(lambda: second.leads, "the handover", seconds=8)
            site.deploy()
            until(lambda: reconciles(second) > 0, "work by the new leader")


def test_a_standby_takes_over_when_the_leader_dies(site: Site, start: Callable[..., OperatorProcess]) -> None:
    quick = {"lease_duration": "4s", "lease_renew_deadline": "3s", "lease_retry_period": "300ms"}
    with start(**quick) as first, start(**quick) as second:
        until(lambda: first.leads or second.leads, "a leader")
        leader, standby = (first, second) if first.leads else (second, first)
        leader.process.kill()
        until(lambda: standby.leads, "the takeover", seconds=15)
        assert site.get("lease", "verdigris-operator")["spec"]["holderIdentity"] == standby.identity


def test_who_loses_the_lease_ends(site: Site, start: Callable[..., OperatorProcess]) -> None:
    with start() as operator:
        until(lambda: operator.leads, "leadership")
        patch = json.dumps({"spec": {"holderIdentity": "somebody else"}})
        site.kubectl("patch", "lease", "verdigris-operator", "--type=merge", "-p", patch)
        assert operator.process.wait(timeout=stretched(15)) == 1
        assert "is held by somebody else now" in operator.log


def test_it_waits_in_words_for_settings_that_make_sense(start: Callable[..., OperatorProcess]) -> None:
    operator = start(workers="many")
    with pytest.raises(AssertionError, match="verdigris cannot start: VERDIGRIS_WORKERS is 'many'"), operator:
        pass
    assert operator.process.returncode == 2
