"""The audit log of an installed chart, on a real volume: it goes on in the operator's next pod, and a copy verifies."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev.cluster import Cluster
from tests.chart.helm import CHART, Helm
from tests.chart.kubectl import Kubectl, eventually
from verdigris.adapters.audit.folder import read
from verdigris.audit.event import WHAT, read_line
from verdigris.audit.note import Signer
from verdigris.auditor.main import main

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

RELEASE = OPERATORS = "audit-test"
MODELS = "audit-test-models"
VOLUME = "audit-test"


@dataclass
class Site:
    """An operator with an audit log on a folder of the node."""

    kubectl: Kubectl
    folder: Path
    signer: Signer

    def log(self) -> list[dict[str, Any]]:
        """The entries that are in the log now."""
        log = self.folder / "log"
        return [read_line(line) or {} for line in read(log).lines] if (log / "checkpoints").exists() else []

    def told(self, model: str = "") -> list[str]:
        """What they tell of a model, or of the operator itself."""
        return [WHAT[event["type"]] for event in self.log() if model in event["subject"]]

    def operator(self) -> str:
        """The name of the operator's pod that is ready; empty while there is none."""
        selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
        ready = "{range .items[?(@.status.containerStatuses[0].ready)]}{.metadata.name} {end}"
        found = self.kubectl.run(
            "get",
            "pods",
            "-n",
            OPERATORS,
            "-l",
            selector,
            "--field-selector=status.phase=Running",
            "-o",
            f"jsonpath={ready}",
        )
        return found.out.strip()

    def apply_model(self, name: str) -> None:
        """A model whose artifact cannot be fetched: its rollout begins all the same."""
        uri = "http://artifacts.invalid/m.vmodel"
        spec = {
            "model": {"version": "1.0.0", "uri": uri, "sha256": "0" * 64},
            "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
        }
        model = {"apiVersion": "verdigris.dev/v1alpha1", "kind": "ModelDeployment", "spec": spec}
        self.kubectl.apply([{**model, "metadata": {"name": name, "namespace": MODELS}}])


@pytest.fixture(scope="module")
def site(helm: Helm, kubectl: Kubectl, cluster: Cluster) -> Iterator[Site]:
    if cluster.provider != "local":
        pytest.skip("the folders of this provider's nodes are not this machine's")
    cluster.load_images()
    # Not pytest's own folder: a parent of that is its owner's alone.
    folder = Path(tempfile.mkdtemp(prefix="verdigris-audit-", dir="/var/tmp"))
    signer = Signer.generate("cluster.example/chart")
    try:
        with _room(kubectl, folder, signer):
            words = ["install", RELEASE, str(CHART), *_where(cluster), "--wait", "--timeout", "120s"]
            audit = {"enabled": True, "volume": {"existingClaim": VOLUME, "accessMode": "ReadWriteOnce"}}
            helm.run(
                *words, values={"watchNamespaces": [MODELS], "replicas": 1, "crds": {"install": False}, "audit": audit}
            )
            yield Site(kubectl, folder, signer)
            helm.run("uninstall", RELEASE, *_where(cluster), "--wait")
    finally:
        shutil.rmtree(folder)


def _where(cluster: Cluster) -> list[str]:
    return ["--namespace", OPERATORS, "--kubeconfig", str(cluster.kubeconfig)]


@contextmanager
def _room(kubectl: Kubectl, folder: Path, signer: Signer) -> Iterator[None]:
    """Two namespaces, the key, and a claim that is bound to the folder."""
    kubectl.run("delete", "namespace", OPERATORS, MODELS, "--ignore-not-found")
    kubectl.run("delete", "persistentvolume", VOLUME, "--ignore-not-found")
    node = kubectl.run("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}").out
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    shared = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeMode": "Filesystem"}
    volume = {
        **shared,
        "capacity": {"storage": "1Gi"},
        "persistentVolumeReclaimPolicy": "Retain",
        "local": {"path": str(folder)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        "claimRef": {"namespace": OPERATORS, "name": VOLUME},
    }
    claim = {**shared, "volumeName": VOLUME, "resources": {"requests": {"storage": "1Gi"}}}
    key = {"audit.key": base64.b64encode(f"{signer}\n".encode()).decode()}
    named = {"name": VOLUME, "namespace": OPERATORS}
    kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one}} for one in (OPERATORS, MODELS)])
    kubectl.apply(
        [
            {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": VOLUME}, "spec": volume},
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named, "spec": claim},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {**named, "name": "verdigris-audit"}, "data": key},
        ]
    )
    yield
    kubectl.run("delete", "namespace", OPERATORS, MODELS, "--wait=false")
    kubectl.run("delete", "persistentvolume", VOLUME, "--wait=false")


def test_the_log_goes_on_in_the_operators_next_pod_and_a_copy_of_it_verifies(site: Site, tmp_path: Path) -> None:
    site.apply_model("first")
    eventually("the first model's rollout is in the log", lambda: "began" in site.told("/first"), seconds=60)
    before, kept = site.operator(), tmp_path / "checkpoints"
    kept.write_bytes((site.folder / "log" / "checkpoints").read_bytes())
    site.kubectl.run("delete", "pod", before, "-n", OPERATORS, "--wait=false")
    eventually("another pod is ready", lambda: site.operator() not in ("", before), seconds=90)
    site.apply_model("second")
    eventually("the next pod writes", lambda: "began" in site.told("/second"), seconds=60)
    site.kubectl.run("delete", "modeldeployment", "second", "-n", MODELS)
    eventually("the second model's end is in the log", lambda: "removed" in site.told("/second"), seconds=60)
    copy, public = tmp_path / "log", tmp_path / "audit.pub"
    public.write_text(f"{site.signer.verifier}\n")

    def verifies() -> bool:
        """A copy that was made in the middle of a write is made again, as the command says."""
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(site.folder / "log", copy)
        return main(["verify", str(copy), "--key", str(public), "--against", str(kept)]) == 0

    eventually("a copy verifies", verifies, seconds=30)
    whats = [WHAT[event["type"]] for event in site.log()]
    assert whats.count("operator") == 2, whats
    assert "gap" not in whats
    (began,) = [event for event in site.log() if WHAT[event["type"]] == "began" and event["subject"].endswith("/first")]
    assert began["data"]["customData"]["version"] == "1.0.0"
