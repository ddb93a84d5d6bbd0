"""The servers, one small class each behind one port: how it is started, asked, and read."""

from __future__ import annotations

import json
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.install import PEERS, program
from benchmarks.serving.material import NAME, VERSION, Probabilities, Row
from dev.cluster.settings import REPOSITORY
from dev.cluster.shell import run
from verdigris_serving.artifact.pack import Packed

_INFER = f"/v2/models/{NAME}/infer"
SHIELD_FILE = "shield"
"""In the folder of a server of ours: what it is told to pass on."""


@dataclass(frozen=True)
class Launch:
    """How to start a server: its command, and what is added to the environment."""

    argv: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)


class Server(ABC):
    """A server that speaks the Open Inference Protocol, unless it overrides how it is asked."""

    name: str
    ready_path = "/v2/health/ready"
    infer_path = _INFER
    computes = True
    """Whether its answer depends on what it is asked."""

    @abstractmethod
    def launch(self, folder: Path, port: int, spare: Sequence[int]) -> Launch:
        """The command that makes it listen on that port of 127.0.0.1.

        `folder` is its own and the working directory; `spare` are two more free ports.
        """

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What is installed in its environment, of what matters here: package -> version."""

    def body(self, rows: Sequence[Row]) -> bytes:
        """The request that asks for the probabilities of these rows."""
        return json.dumps({"inputs": [_tensor(rows)]}).encode()

    def probabilities(self, answer: bytes) -> Probabilities:
        """One [p0, p1] a row. Raises KeyError, ValueError or TypeError when the answer has none."""
        outputs = {output["name"]: output for output in json.loads(answer)["outputs"]}
        data = outputs["probabilities" if "probabilities" in outputs else "predict_proba"]["data"]
        return [list(pair) for pair in zip(data[::2], data[1::2], strict=True)]


class Verdigris(Server):
    """Our own server, in an environment with exactly what its image has. Each answer holds the labels as well."""

    def __init__(self, python: Path, packed: Packed, name: str = "verdigris") -> None:
        self.name = name
        self._python = python
        self._packed = packed

    def launch(self, folder: Path, port: int, spare: Sequence[int]) -> Launch:  # noqa: ARG002
        """With every check that a pod makes: checksum, identity, golden rows."""
        env = {
            "PYTHONPATH": str(REPOSITORY / "serving"),
            "VERDIGRIS_MODEL_PATH": str(self._packed.path),
            "VERDIGRIS_MODEL_SHA256": self._packed.sha256,
            "VERDIGRIS_MODEL_NAME": NAME,
            "VERDIGRIS_MODEL_VERSION": VERSION,
            "VERDIGRIS_PORT": str(port),
            "VERDIGRIS_TERMINATION_LOG": str(folder / "termination"),
            "VERDIGRIS_TRAFFIC_FILE": str(folder / "traffic"),
            "VERDIGRIS_SHIELD_FILE": str(folder / SHIELD_FILE),
        }
        (folder / "traffic").write_text("on\n")
        (folder / "termination").touch()
        return Launch([self._python, "-m", "verdigris_serving.server"], env)

    def versions(self) -> dict[str, str]:
        """Everything that the image has."""
        return installed(self._python)


class MLServer(Server):
    """MLServer with its own scikit-learn runtime; metrics and gRPC as by default, debug off as its guide says."""

    name = "mlserver"
    ready_path = f"/v2/models/{NAME}/ready"

    def __init__(self, python: Path, model: Path, parallel_workers: int = 0) -> None:
        self._python = python
        self._model = model
        self.parallel_workers = parallel_workers

    def launch(self, folder: Path, port: int, spare: Sequence[int]) -> Launch:
        """Two files of settings in the folder, as in its examples."""
        settings = {
            "debug": False,
            "host": "127.0.0.1",
            "http_port": port,
            "grpc_port": spare[0],
            "metrics_port": spare[1],
            "parallel_workers": self.parallel_workers,
        }
        model = {
            "name": NAME,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(self._model), "version": VERSION},
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps(model))
        return Launch([self._python.with_name("mlserver"), "start", "."])

    def body(self, rows: Sequence[Row]) -> bytes:
        """Its runtime answers labels only, unless it is asked for the probabilities."""
        return json.dumps({"inputs": [_tensor(rows)], "outputs": [{"name": "predict_proba"}]}).encode()

    def versions(self) -> dict[str, str]:
        """Of its environment."""
        names = ("mlserver", "mlserver-sklearn", "scikit-learn", "fastapi", "uvicorn", "uvloop")
        return installed(self._python, names)


class KServe(Server):
    """KServe's SDK with a custom model (peers/kserve_model.py); gRPC and the log line a request are off."""

    name = "kserve"
    ready_path = f"/v2/models/{NAME}/ready"

    def __init__(self, python: Path, model: Path) -> None:
        self._python = python
        self._model = model

    def launch(self, folder: Path, port: int, spare: Sequence[int]) -> Launch:  # noqa: ARG002
        """The command of its documentation."""
        return Launch([self._python, PEERS / "kserve_model.py", "--http_port", str(port), self._model])

    def versions(self) -> dict[str, str]:
        """Of its environment."""
        return installed(self._python, ("kserve", "scikit-learn", "fastapi", "uvicorn", "uvloop"))


class BentoML(Server):
    """A BentoML service (peers/bentoml_service.py) with its metrics; the access log is off."""

    name = "bentoml"
    ready_path = "/readyz"
    infer_path = "/probabilities"

    def __init__(self, python: Path, model: Path) -> None:
        self._python = python
        self._model = model

    def launch(self, folder: Path, port: int, spare: Sequence[int]) -> Launch:  # noqa: ARG002
        """`bentoml serve` of the service's source; its home is the folder, and it tells nobody."""
        config = folder / "configuration.yaml"
        config.write_text("services:\n  logging:\n    access:\n      enabled: false\n")
        env = {
            "BENTOML_CONFIG": str(config),
            "BENTOML_HOME": str(folder / "home"),
            "BENTOML_DO_NOT_TRACK": "True",
            "MODEL_PATH": str(self._model),
        }
        command: list[str | Path] = [
            self._python.with_name("bentoml"),
            "serve",
            "--working-dir",
            PEERS,
            "--host",
            "127.0.0.1",
        ]
        return Launch([*command, "--port", str(port), "bentoml_service:Diabetes"], env)

    def body(self, rows: Sequence[Row]) -> bytes:
        """Its own protocol: arguments by name."""
        return json.dumps({"rows": [list(row) for row in rows]}).encode()

    def probabilities(self, answer: bytes) -> Probabilities:
        """The array as it is."""
        return [[float(value) for value in pair] for pair in json.loads(answer)]

    def versions(self) -> dict[str, str]:
        """Of its environment."""
        return installed(self._python, ("bentoml", "scikit-learn", "starlette", "uvicorn", "uvloop"))


class Nginx(Server):
    """The limit: one worker of nginx that answers every request with the same bytes and computes nothing."""

    name = "nginx"
    ready_path = "/ready"
    infer_path = "/"
    computes = False

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def launch(self, folder: Path, port: int, spare: Sequence[int]) -> Launch:  # noqa: ARG002
        """Its whole configuration in the folder."""
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, answer=self._answer.decode()))
        return Launch([program("nginx"), "-p", folder, "-c", config, "-e", folder / "error.log"])

    def versions(self) -> dict[str, str]:
        """Its own."""
        said = subprocess.run([program("nginx"), "-v"], capture_output=True, text=True, check=True).stderr
        found = re.search(r"nginx/([\d.]+)", said)
        return {"nginx": found[1] if found else said.strip()}


def installed(python: Path, names: Sequence[str] = ()) -> dict[str, str]:
    """The versions of those packages in an environment, or of all, and Python's own."""
    code = "import importlib.metadata as m, json, platform; print(json.dumps({'python': platform.python_version()} | "
    found: dict[str, str] = json.loads(run([python, "-c", code + "{d.name: d.version for d in m.distributions()}))"]))
    return {name: version for name, version in found.items() if not names or name in ("python", *names)}


def _tensor(rows: Sequence[Row]) -> dict[str, object]:
    data = [value for row in rows for value in row]
    return {"name": "features", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": data}


_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 '{answer}'; }}
    }}
}}
"""
