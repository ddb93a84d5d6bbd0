"""Faults of a new version. Each must end its rollout, with the active version untouched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dev.demo.models import Artifact
from dev.faults import objects
from dev.faults.image import FAULTY
from dev.faults.objects import REGISTRY
from dev.faults.scenario import Fault, Scene, Spec, Stock, good

FINALIZER = "verdigris.dev/held"
SOON: Spec = {"rollout": {"progressDeadline": "20s"}}
LATER: Spec = {"rollout": {"progressDeadline": "40s"}}
"""For what might pass: it is waited for as long as this. Longer where the pod has to start before it shows."""
NOW: Spec = {"rollout": {"onInsufficientCapacity": "Abort"}}
"""For a lack of room that is not waited for."""
ROOM = {"requests": {"cpu": "25m", "memory": "32Mi"}}


def _image(name: str) -> Spec:
    return {"serving": {"image": name}}


def _faulty(fault: str, memory: str = "64Mi") -> Spec:
    resources = {**ROOM, "limits": {"memory": memory}}
    return {"serving": {"image": FAULTY, "env": [{"name": "FAULT", "value": fault}], "resources": resources}}


def _asking(resource: str, amount: str) -> Spec:
    return {"serving": {"resources": {"requests": {resource: amount}, "limits": {resource: amount}}}}


def _lies(stock: Stock) -> Artifact:
    return stock.artifact("1.1.0", sha256="0" * 64)


def _absent(stock: Stock) -> Artifact:
    return stock.artifact("1.1.0", file="nowhere.vmodel")


def _trick(name: str) -> Any:
    return lambda stock: stock.behind(name, "1.1.0")


def _at(uri: str) -> Any:
    return lambda stock: replace(good(stock), uri=uri)


def _full(resource: str) -> Any:
    """A quota that has no room beside the two active pods (and the clients, and a little)."""

    def prepare(scene: Scene) -> None:
        used = len(scene.kube.list("pods", "verdigris.dev/model"))
        others = len(scene.kube.list("pods")) - used
        hard = {"pods": str(used + others)} if resource == "pods" else {resource: f"{25 * used + 100 * others + 10}m"}
        scene.kube.apply(objects.quota(hard))

    return prepare


def _narrow(scene: Scene) -> None:
    scene.kube.apply(objects.memory_range("256Mi"))


def _unbound(scene: Scene) -> None:
    scene.kube.apply(objects.unbound_claim("models"))


def _volume(scene: Scene) -> str:
    return f"broken-{scene.namespace}"


def _broken(scene: Scene) -> None:
    scene.kube.apply(*objects.broken_volume(_volume(scene), "models", scene.namespace))


def _remove_volume(scene: Scene) -> None:
    scene.kube.delete("persistentvolume", _volume(scene), "--wait=false")


def hold(scene: Scene, pod: str) -> None:
    """Put a finalizer on a pod: it cannot go until somebody takes that off."""
    scene.kube.run("patch", "pod", pod, "--type=merge", "-p", f'{{"metadata":{{"finalizers":["{FINALIZER}"]}}}}')


def let_go(scene: Scene) -> None:
    """Take the finalizers off."""
    for pod in scene.kube.list("pods"):
        if FINALIZER in pod["metadata"].get("finalizers", ()):
            name = pod["metadata"]["name"]
            scene.kube.run("patch", "pod", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


IMAGES = (
    Fault(
        "image that is not in its registry",
        *("ImagePull", "Failed", "ImageNotFound", rf"{REGISTRY}/team/absent:1\.0"),
        spec=_image(f"{REGISTRY}/team/absent:1.0"),
    ),
    Fault(
        "registry that wants a password",
        *("ImagePull", "Failed", "ImagePullUnauthorized", "(?i)credential|imagePullSec"),
        spec=_image(f"{REGISTRY}/private/model:1.0"),
    ),
    Fault(
        "registry that nobody knows",
        *("ImagePull", "Failed", "ImageRegistryUnreachable", r"registry\.invalid"),
        spec={**_image("registry.invalid/team/model:1.0"), **SOON},
        within=90,
    ),
    Fault(
        "image name with capitals",
        *(None, "Refused", "Invalid", r"must be a container image"),
        spec=_image("registry.example/Team/Model:1.0"),
    ),
    Fault(
        "checksum in the place of an image name",
        *("InvalidImageName", "Failed", "InvalidImageName", "0123456789abcdef0123456789abcdef"),
        spec=_image("0123456789abcdef" * 4),
    ),
)

CONFIGURATION = (
    Fault(
        "missing Secret",
        *("ConfigError", "Failed", "CreateContainerConfigError", "store-key"),
        artifact=good,
        spec={"model": {"credentialsSecret": "store-key"}},
    ),
    Fault(
        "claim that is not there",
        *("Unschedulable", "Failed", "Unschedulable", 'persistentvolumeclaim "models"'),
        artifact=_at("pvc://models/diabetes.vmodel"),
        spec=SOON,
    ),
    Fault(
        "claim that nothing meets",
        *("Unschedulable", "Failed", "Unschedulable", "unbound.*PersistentVolumeClaim"),
        artifact=_at("pvc://models/diabetes.vmodel"),
        spec=SOON,
        prepare=_unbound,
    ),
    Fault(
        "volume that cannot be mounted",
        *("Creating", "Failed", "FailedMount", "(?s)nowhere/.*is not a directory"),
        artifact=_at("pvc://models/diabetes.vmodel"),
        spec=SOON,
        prepare=_broken,
        relieve=_remove_volume,
        within=90,
    ),
)

ARTIFACTS = (
    Fault("artifact that is not there", *("InitFailing", "Failed", "ArtifactNotFound", "404"), artifact=_absent),
    Fault("artifact that is another", *("InitFailing", "Failed", "ChecksumMismatch", "0" * 64), artifact=_lies),
    Fault(
        "artifact that breaks off",
        *("InitFailing", "Failed", "ArtifactTruncated", "Upload the artifact again"),
        artifact=_trick("cut"),
    ),
    Fault(
        "artifact that is forbidden",
        *("InitFailing", "Failed", "ArtifactUnreachable", "403"),
        artifact=_trick("denied"),
        spec=SOON,
        within=180,
    ),
    Fault(
        "artifact server that hangs",
        *("InitFailing", "Failed", "Initializing|ArtifactUnreachable"),
        "(?i)fetch|artifact|init",
        artifact=_trick("hang"),
        spec=SOON,
        within=120,
    ),
    Fault(
        "init step that never ends",
        *("InitFailing", "Failed", "Initializing", "(?i)fetch|init"),
        spec={**_faulty("fetch-hangs"), **SOON},
        within=120,
    ),
    Fault(
        "init step that exits",
        *("InitFailing", "Failed", "CrashLoopBackOff", "the bucket of models has been"),
        spec=_faulty("fetch-exits"),
        within=120,
    ),
)

RUNNING = (
    Fault(
        "image of another program",
        *("InitFailing", "Failed", "CrashLoopBackOff", "verdigris_serving"),
        spec=_image("verdigris/operator:0.1.0"),
        within=120,
    ),
    Fault(
        "server that exits",
        *("CrashLoop", "Failed", "CrashLoopBackOff", "(?s)code 7.*embedding of 31999"),
        spec=_faulty("exits"),
        within=120,
    ),
    Fault(
        "memory limit too small",
        *("OutOfMemory", "Failed", "OOMKilled", "64Mi"),
        spec=_faulty("grows"),
        within=120,
    ),
    Fault(
        "server that does not answer",
        *("NeverReady", "Failed", "NeverReady", "(?i)health/ready|probe"),
        spec={**_faulty("deaf"), **LATER},
        within=90,
    ),
    Fault(
        "server that is never ready",
        *("NeverReady", "Failed", "NeverReady", "503"),
        spec={**_faulty("unready"), **LATER},
        within=90,
    ),
    Fault(
        "server that ignores SIGTERM and is never ready",
        *("NeverReady", "Failed", "NeverReady", "503"),
        spec={**_faulty("stubborn"), **LATER},
        within=90,
    ),
)

PLACES = (
    Fault(
        "more processors than any node has",
        *("Unschedulable", "Failed", "Unschedulable|InsufficientCapacity", "(?i)cpu"),
        spec={**_asking("cpu", "100"), **SOON},
    ),
    Fault(
        "more memory than any node has",
        *("Unschedulable", "Failed", "Unschedulable|InsufficientCapacity", "(?i)memory"),
        spec={**_asking("memory", "10Ti"), **SOON},
    ),
    Fault(
        "label that no node has",
        *("Unschedulable", "Failed", "Unschedulable", "(?i)selector|affinity|label"),
        spec={"serving": {"nodeSelector": {"example.com/pool": "gpu"}}, **SOON},
    ),
    Fault(
        "quota of pods used up",
        *("QuotaExceeded", "Failed", "QuotaExceeded", "(?s)full.*pods|pods.*full"),
        prepare=_full("pods"),
        spec=NOW,
        within=30,
    ),
    Fault(
        "quota of processors used up",
        *("QuotaExceeded", "Failed", "QuotaExceeded", r"(?s)full.*requests\.cpu|requests\.cpu.*full"),
        prepare=_full("requests.cpu"),
        spec=NOW,
        within=30,
    ),
    Fault(
        "more memory than a LimitRange allows",
        *("QuotaExceeded", "Failed", "QuotaExceeded|LimitRangeExceeded|FailedCreate|LimitExceeded", "256Mi"),
        prepare=_narrow,
        spec={**_asking("memory", "512Mi"), **SOON},
        within=60,
    ),
    Fault(
        "finalizer on a pod of a bad version",
        *("Terminating", "Failed", "ImageNotFound", "absent"),
        spec=_image(f"{REGISTRY}/team/absent:1.0"),
        worsen=hold,
        relieve=let_go,
    ),
)

CANDIDATES = (*IMAGES, *CONFIGURATION, *ARTIFACTS, *RUNNING, *PLACES)
