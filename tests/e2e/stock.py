"""The artifacts of the end-to-end tests: the demo's models, and the same spoiled in every way that can be met."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dev.demo.kube import Kube, Kubectl
from dev.demo.models import Artifact, Models, file_name, train
from dev.demo.scenery import Program, files, namespace, pod, service
from dev.faults.objects import registry
from examples.diabetes.patients import FEATURES, HOLDOUT, TARGET, generate
from examples.diabetes.train import DESCRIBED, split, table
from verdigris_serving.artifact.archive import read_archive, write_archive
from verdigris_serving.artifact.pack import Format, pack

NAMESPACE = "e2e-artifacts"
REGISTRY_NAMESPACE = "e2e-registry"
PORT = 8000
SERVER = Path(__file__).with_name("artifact_server.py")
FOREST = "2.0.0"
SWAPPED = "1.4.0"
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
    forests = {_forest_file(form): _forest(folder, form) for form in FOREST_FORMATS}
    stock = Stock(Models({**trained.files, **spoiled, **forests}, trained.bodies))
    kube, refusing = Kube(cluster, NAMESPACE), Kube(cluster, REGISTRY_NAMESPACE)
    cluster.kubectl("delete", "namespace", NAMESPACE, REGISTRY_NAMESPACE, "--ignore-not-found")
    kube.apply(namespace(NAMESPACE))
    program = Program("artifacts", ("python3", "-u", "/files/server.py", str(PORT)), files="artifacts")
    contents = {**stock.models.files, "server.py": SERVER.read_bytes()}
    server = pod(program)
    server["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    kube.apply(files("artifacts", contents), server, service("artifacts", PORT), server_side=True)
    refusing.apply(*registry(REGISTRY_NAMESPACE))
    kube.run("wait", "--for=condition=Ready", "pod/artifacts", "--timeout=60s")
    refusing.run("wait", "--for=condition=Ready", "pod/registry", "--timeout=60s")
    return stock


def clear_away(cluster: Kubectl) -> None:
    """Remove what `lay_in` has put on the cluster; does not wait."""
    cluster.kubectl("delete", "namespace", NAMESPACE, REGISTRY_NAMESPACE, "--ignore-not-found", "--wait=false")


def _forest_file(format: Format) -> str:
    return f"forest-{format}.vmodel"


def _forest(folder: Path, format: Format) -> bytes:
    known, unseen = split(generate())
    pipeline = make_pipeline(SimpleImputer(), RandomForestClassifier(5, max_depth=4, random_state=1)).fit(*table(known))
    rows = [list(patient.row) for patient in unseen[:200]]
    about = {"name": "diabetes", "version": FOREST}
    packed = pack(pipeline, folder / _forest_file(format), features=DESCRIBED, rows=rows, format=format, **about)
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
