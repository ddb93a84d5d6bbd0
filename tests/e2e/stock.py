"""The artifacts of the end-to-end tests: the demo's models, and the same spoiled in every way that can be met."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dev.demo.kube import Kube, Kubectl, Object
from dev.demo.models import Artifact, Models, file_name, train
from dev.demo.scenery import Program, files, namespace, pod, service
from dev.faults import webhook
from dev.faults.objects import registry
from examples.diabetes.patients import FEATURES, HOLDOUT, TARGET, generate
from examples.diabetes.train import DESCRIBED, split, table
from tests.e2e.places import MLFLOW_PORT, NAMESPACE
from verdigris_serving.artifact.archive import read_archive, write_archive
from verdigris_serving.artifact.pack import Format, pack

REGISTRY_NAMESPACE = "e2e-registry"
PORT = 8000
SERVER = Path(__file__).with_name("artifact_server.py")
MLFLOW_SERVER = Path(__file__).with_name("registry_server.py")
FOREST = "2.0.0"
SWAPPED = "1.4.0"
SLOW = "2.1.0"
SLOW_TREES = 500
"""A request takes 500 trees of scikit-learn's some 25 ms of a core, where a linear model takes less than one."""
LARGE = 256 * 1024
"""Bytes of a file from which on it is laid in compressed: a ConfigMap takes 1 MiB in all."""
FOREST_FORMATS: tuple[Format, ...] = ("onnx", "sklearn")


@dataclass(frozen=True)
class Stock:
    """Where the artifacts are, and the clients' request bodies."""

    models: Models

    def artifact(self, version: str, *, file: str | None = None, sha256: str | None = None) -> Artifact:
        """The artifact of that version; or another file, or another checksum, under its name."""
        name = file or file_name(version)
        content = self.models.files.get(name, b"")
        return Artifact(
            version, f"http://artifacts.{NAMESPACE}.svc/{name}", sha256 or hashlib.sha256(content).hexdigest()
        )

    def forest(self, format: Format) -> Artifact:
        """A model that does not fold into weights, as an artifact of that format."""
        return replace(self.artifact(FOREST, file=_forest_file(format)), format=format)

    def slow(self) -> Artifact:
        """A sound model that takes many times as long as the others to answer."""
        return replace(self.artifact(SLOW), format="sklearn")

    def holdout(self) -> dict[str, str]:
        """Held-out rows, as a gate is told of them."""
        found = self.artifact("", file=HOLDOUT)
        return {"uri": found.uri, "sha256": found.sha256, "target": TARGET}

    def swapped(self) -> Artifact:
        """A model that was trained with two columns in each other's place: it answers, and answers wrongly."""
        return self.artifact(SWAPPED)

    def behind(self, trick: str, version: str) -> Artifact:
        """The artifact, with the right checksum, by a path on which the server plays a trick: `cut` sends half of it,
        `hang` says no more after that, `denied` is forbidden."""
        whole = self.artifact(version)
        return replace(whole, uri=whole.uri.replace(".svc/", f".svc/{trick}/"))


def lay_in(cluster: Kubectl, folder: Path) -> Stock:
    """Train the models, spoil some, and serve all of them inside the cluster; beside them a registry that refuses."""
    trained = train(folder)
    good = trained.files[file_name("1.1.0")]
    spoiled = {
        file_name("1.3.0"): _renumbered(good, "1.3.0"),
        file_name(SWAPPED): _swapped(folder),
        "golden.vmodel": _with_wrong_golden_rows(good),
        "garbage.vmodel": b"this is no artifact\n" * 100,
    }
    forests = {
        _forest_file(form): _forest(folder, form, FOREST, RandomForestClassifier(5, max_depth=4, random_state=1))
        for form in FOREST_FORMATS
    }
    stumps = RandomForestClassifier(SLOW_TREES, max_depth=1, random_state=1)
    forests |= {file_name(SLOW): _forest(folder, "sklearn", SLOW, stumps)}
    stock = Stock(Models({**trained.files, **spoiled, **forests}, trained.bodies))
    kube, refusing = Kube(cluster, NAMESPACE), Kube(cluster, REGISTRY_NAMESPACE)
    webhook.clear_away(cluster)
    cluster.kubectl("delete", "namespace", NAMESPACE, REGISTRY_NAMESPACE, "--ignore-not-found")
    kube.apply(namespace(NAMESPACE))
    program = Program("artifacts", ("python3", "-u", "/files/server.py", str(PORT)), files="artifacts")
    contents = dict(_laid_in(*file) for file in stock.models.files.items()) | {"server.py": SERVER.read_bytes()}
    server = pod(program)
    server["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    kube.apply(files("artifacts", contents), server, service("artifacts", PORT), server_side=True)
    kube.apply(*_model_registry())
    refusing.apply(*registry(REGISTRY_NAMESPACE))
    kube.run("wait", "--for=condition=Ready", "pod/artifacts", "pod/mlflow", "--timeout=60s")
    refusing.run("wait", "--for=condition=Ready", "pod/registry", "--timeout=60s")
    return stock


def clear_away(cluster: Kubectl) -> None:
    """Remove what `lay_in` has put on the cluster; does not wait."""
    cluster.kubectl("delete", "namespace", NAMESPACE, REGISTRY_NAMESPACE, "--ignore-not-found", "--wait=false")


def _laid_in(name: str, content: bytes) -> tuple[str, bytes]:
    """A file as the artifact server has it."""
    return (f"{name}.gz", gzip.compress(content, mtime=0)) if len(content) > LARGE else (name, content)


def _model_registry() -> list[Object]:
    """A stand-in for MLflow. Its Service has the pod's port: a NetworkPolicy sees no other."""
    program = Program("mlflow", ("python3", "-u", "/files/server.py", str(MLFLOW_PORT)), files="mlflow")
    made = pod(program)
    made["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": MLFLOW_PORT}, "periodSeconds": 1}
    at = service("mlflow", MLFLOW_PORT)
    at["spec"]["ports"][0]["port"] = MLFLOW_PORT
    return [files("mlflow", {"server.py": MLFLOW_SERVER.read_bytes()}), made, at]


def _forest_file(format: Format) -> str:
    return f"forest-{format}.vmodel"


def _forest(folder: Path, format: Format, version: str, trees: RandomForestClassifier) -> bytes:
    known, unseen = split(generate())
    pipeline = make_pipeline(SimpleImputer(), trees).fit(*table(known))
    rows = [list(patient.row) for patient in unseen[:200]]
    about = {"name": "diabetes", "version": version}
    packed = pack(
        pipeline, folder / f"forest-{version}-{format}.vmodel", features=DESCRIBED, rows=rows, format=format, **about
    )
    return packed.path.read_bytes()


def _swapped(folder: Path) -> bytes:
    known, unseen = split(generate())
    rows, labels = table(known)
    glucose, age = FEATURES.index("glucose"), FEATURES.index("age")
    rows[:, [glucose, age]] = rows[:, [age, glucose]]
    wrong = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(rows, labels)
    golden = [list(patient.row) for patient in unseen[:200]]
    about = {"name": "diabetes", "version": SWAPPED}
    packed = pack(wrong, folder / file_name(SWAPPED), features=DESCRIBED, rows=golden, **about)
    return packed.path.read_bytes()


def _renumbered(artifact: bytes, version: str) -> bytes:
    contents = read_archive(artifact)
    manifest = msgspec.structs.replace(contents.manifest, version=version)
    return write_archive(replace(contents, manifest=manifest))


def _with_wrong_golden_rows(artifact: bytes) -> bytes:
    """The artifact of a model that does not answer as it did when it was packed."""
    contents = read_archive(artifact)
    weights = [msgspec.structs.replace(term, weights=[-w for w in term.weights]) for term in contents.model.terms]
    return write_archive(replace(contents, model=msgspec.structs.replace(contents.model, terms=weights)))
