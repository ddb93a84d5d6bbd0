"""The data and the artifacts that a gate judges on, fetched by the init step's own sources and verified."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from verdigris_serving.artifact.limits import bounded_time
from verdigris_serving.artifact.verify import Expectation, check_sha256, load_verified
from verdigris_serving.environment import max_bytes, number
from verdigris_serving.fetching.port import safe_uri
from verdigris_serving.fetching.stream import Limits, download
from verdigris_serving.gate.config import Artifact, Data
from verdigris_serving.gate.refusals import NotNow, Refusal
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.reasons import Reason, ServingError

_log = logging.getLogger("verdigris.gate")
#: What may pass by itself, after the tries of one fetch.
_PASSING = frozenset({Reason.ARTIFACT_UNREACHABLE, Reason.ARTIFACT_TRUNCATED})


class Fetcher:
    """Puts files into ``folder``; ``env`` has credentials and the limits of a fetch (``settings.py``)."""

    def __init__(self, folder: Path, env: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._env = env
        self._deadline = number(env, "VERDIGRIS_FETCH_DEADLINE", 120, low=0.1, high=86_400)
        self._stall = number(env, "VERDIGRIS_FETCH_STALL", 10, low=0.1, high=3_600)
        self._largest = max_bytes(env, 512 * 1024 * 1024)

    def model(self, artifact: Artifact, what: str = "model") -> LoadedModel:
        """The artifact, verified and loaded as the server does. Raises Refusal, NotNow."""
        path = self._folder / f"{what}.vmodel"
        expected = Expectation(artifact.sha256, artifact.name, artifact.version, artifact.format)
        try:
            self._download(artifact.uri, path, artifact.sha256, self._largest)
            with bounded_time(os.devnull):
                return load_verified(path, expected, max_bytes=self._largest)
        except ServingError as failure:
            raise _refused(failure, f"the {what}", what) from failure

    def data(self, data: Data) -> Path:
        """The data's file, its checksum verified before anything reads a row. Raises Refusal, NotNow."""
        path = self._folder / "data.csv"
        try:
            actual = self._download(data.uri, path, "", data.max_bytes)
            check_sha256(actual, data.sha256, where=safe_uri(data.uri))
        except ServingError as failure:
            path.unlink(missing_ok=True)
            if failure.reason is Reason.ARTIFACT_TOO_LARGE:
                told = f"the data: {safe_uri(data.uri)} is larger than {data.max_bytes:,} bytes"
                raise Refusal("DataTooLarge", f"{told}: draw fewer rows at random, or raise data.maxBytes") from failure
            raise _refused(failure, "the data", "data") from failure
        return path

    def _download(self, uri: str, path: Path, sha256: str, most: int) -> str:
        limits = Limits(self._deadline, self._stall, most)
        return download(uri, path, sha256=sha256, limits=limits, log=_log.warning, env=self._env)


def _refused(failure: ServingError, what: str, place: str) -> Refusal:
    """The fetcher's own sentence; where it advises on the spec's model it is this document's field that is meant."""
    reason = str(failure.reason).replace("Artifact", "Data") if place == "data" else str(failure.reason)
    kind = NotNow if failure.reason in _PASSING else Refusal
    return kind(reason, f"{what}: {failure.message.replace('spec.model.', f'{place}.')}")
