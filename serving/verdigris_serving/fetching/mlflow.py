"""MLflow's model registry: ``models:/NAME/VERSION`` and ``models:/NAME@ALIAS``, by its REST API alone.

A registered version names a folder; that folder must hold one ``.vmodel``. It comes through the tracking server, which
hands out what it keeps (``mlflow-artifacts:/``), or from where the folder is: an https address or a bucket.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from verdigris_serving.fetching.http_source import HttpOpener, HttpRequest, read_json
from verdigris_serving.fetching.port import Log, Opener, Resume, Source, safe_uri
from verdigris_serving.reasons import Reason, ServingError

_MODEL = re.compile(r"models:/+([^/@:]+)(?:/([0-9]+)|@([\w-]+))", re.ASCII)
Elsewhere = Callable[[str], Opener]
NamesIn = Callable[[str, float], list[str]]
_BUCKETS = frozenset({"s3", "gs", "az"})
_ELSEWHERE = _BUCKETS | {"http", "https"}
_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_REFUSED = (
    "Put MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
    "into the Secret that spec.model.credentialsSecret names, and check its right to read the model."
)
_NO_VERSION = "Check the name, the version or alias in spec.model.uri, and that it is registered there."
_FOLDER = "Log one .vmodel file into the folder that the version was registered from, and nothing else that ends so."


class MlflowOpener:
    """A version of a registered model.

    ``elsewhere`` opens an address that is not the tracking server's; ``names_in`` lists a folder of a bucket, waiting
    so many seconds at most. What an alias means is asked once a fetch, so that a fetch that goes on after a break
    cannot change to another version.
    """

    def __init__(self, uri: str, env: Mapping[str, str], log: Log, *, elsewhere: Elsewhere, names_in: NamesIn) -> None:
        found = _MODEL.fullmatch(uri)
        if found is None:
            message = f"{safe_uri(uri)} is no model of MLflow's: write models:/NAME/VERSION or models:/NAME@ALIAS."
            raise ServingError(Reason.ARTIFACT_UNREACHABLE, message)
        self._name, self._version, self._alias = unquote(found[1]), found[2] or "", found[3] or ""
        self._server = (env.get("VERDIGRIS_MLFLOW_URL") or env.get("MLFLOW_TRACKING_URI") or "").rstrip("/")
        if not self._server.startswith(("http://", "https://")):
            raise ServingError(
                Reason.ARTIFACT_UNREACHABLE,
                f"{safe_uri(uri)} needs a tracking server: give its http or https address as MLFLOW_TRACKING_URI in "
                "spec.serving.env or in the Secret that spec.model.credentialsSecret names.",
            )
        self._authorization = _authorization(env)
        self._log = log
        self._elsewhere, self._names_in = elsewhere, names_in
        self._artifact: Opener | None = None

    def open(self, timeout: float, resume: Resume | None) -> Source:
        """Find the file, once, and open it."""
        if self._artifact is None:
            self._artifact = self._find(timeout)
        return self._artifact.open(timeout, resume)

    def _find(self, timeout: float) -> Opener:
        version = self._version
        if self._alias:
            asked = {"name": self._name, "alias": self._alias}
            answer = self._ask(f"{_API}/registered-models/alias?{urlencode(asked)}", timeout)
            version = _text(answer, "model_version", "version")
            self._log(f"models:/{self._name}@{self._alias} is version {version} now")
        asked = {"name": self._name, "version": version}
        state = _text(self._ask(f"{_API}/model-versions/get?{urlencode(asked)}", timeout), "model_version", "status")
        if state not in {"READY", ""}:
            message = f"models:/{self._name}/{version} is {state} in MLflow, not READY. Register it again."
            raise ServingError(Reason.ARTIFACT_NOT_FOUND, message)
        answer = self._ask(f"{_API}/model-versions/get-download-uri?{urlencode(asked)}", timeout)
        return self._file_of(_text(answer, "artifact_uri").rstrip("/"), f"models:/{self._name}/{version}", timeout)

    def _file_of(self, folder: str, model: str, timeout: float) -> Opener:
        parts = urlsplit(folder)
        if parts.scheme == "http" and self._server.startswith("https://"):
            message = f"{model} is at {safe_uri(folder)}, which is unprotected where its tracking server is not."
            raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{message} Register it from an https address.")
        if folder.endswith(".vmodel") and parts.scheme in _ELSEWHERE:
            return self._elsewhere(folder)
        if parts.scheme in _BUCKETS:
            name = _only_vmodel(self._names_in(folder, timeout), model)
            return self._elsewhere(f"{folder}/{name}")
        if parts.scheme == "mlflow-artifacts":
            base, path = self._server + _ARTIFACTS, unquote(parts.path.lstrip("/"))
        elif _ARTIFACTS in parts.path and parts.scheme in {"http", "https"}:
            before, _, path = folder.partition(_ARTIFACTS)
            base, path = before + _ARTIFACTS, unquote(path.lstrip("/"))
        else:
            message = (
                f"{model} is at {safe_uri(folder)}, whose files cannot be listed from here. Let the tracking server "
                "hand out artifacts (--serve-artifacts), or register the version from the address of the .vmodel file."
            )
            raise ServingError(Reason.ARTIFACT_UNREACHABLE, message)
        name = _only_vmodel(self._listed(f"{base}?{urlencode({'path': path})}", timeout), model)
        return HttpOpener(self._request(f"{base}/{quote(f'{path}/{name}')}"))

    def _listed(self, listing: str, timeout: float) -> list[str]:
        answer = read_json(self._request(listing), timeout)
        files = answer.get("files", []) if isinstance(answer, dict) else []
        paths = [str(file.get("path", "")) for file in files if isinstance(file, dict) and not file.get("is_dir")]
        return [path.rpartition("/")[2] for path in paths]

    def _ask(self, path: str, timeout: float) -> Any:
        return read_json(self._request(self._server + path), timeout)

    def _request(self, uri: str) -> HttpRequest:
        # Only to the server that the credentials are for.
        ours = uri.startswith(self._server + "/")
        return HttpRequest(
            uri,
            authorization=self._authorization if ours else "",
            # An alias that is not there is a bad request to MLflow.
            missing=frozenset({400, 404, 410}),
            if_missing=_NO_VERSION,
            if_refused=_REFUSED,
        )


def _only_vmodel(names: list[str], model: str) -> str:
    """The one artifact among these files. Raises ServingError when there is none, or more than one."""
    found = [name for name in names if name.endswith(".vmodel")]
    if len(found) != 1:
        message = f"the folder of {model} holds {len(found)} .vmodel files and must hold one. {_FOLDER}"
        raise ServingError(Reason.ARTIFACT_NOT_FOUND, message)
    return found[0]


def _authorization(env: Mapping[str, str]) -> str:
    """The Authorization header that MLflow's own client would send for these variables."""
    user, password = env.get("MLFLOW_TRACKING_USERNAME", ""), env.get("MLFLOW_TRACKING_PASSWORD", "")
    if user and password:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    token = env.get("MLFLOW_TRACKING_TOKEN", "")
    return f"Bearer {token}" if token else ""


def _text(answer: Any, *path: str) -> str:
    """The text at this path of an answer. Raises ServingError when there is none."""
    for step in path:
        answer = answer.get(step) if isinstance(answer, dict) else None
    if not isinstance(answer, str):
        message = (
            f"the tracking server's answer has no {'.'.join(path)}: is MLFLOW_TRACKING_URI that of an MLflow server?"
        )
        raise ServingError(Reason.ARTIFACT_UNREACHABLE, message)
    return answer
