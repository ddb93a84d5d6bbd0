"""Every environment variable that the init step, the server and the gates read, in one place.

| variable | read by | default | meaning |
|---|---|---|---|
| VERDIGRIS_MODEL_PATH | both | /model/model.vmodel | where the artifact is put and read |
| VERDIGRIS_MODEL_SHA256 | both | (empty) | expected SHA-256, 64 hexadecimal digits; empty: unverified |
| VERDIGRIS_MODEL_NAME, _VERSION, _FORMAT | both | (empty) | what the manifest must say; empty: anything |
| VERDIGRIS_TERMINATION_LOG | all | /dev/termination-log | where the reason of a failure, or a verdict, is written |
| VERDIGRIS_MAX_BYTES | all, command line | 536870912 (command line: 2147483648) | largest artifact, in bytes |
| VERDIGRIS_MODEL_URI | fetch | required | where the artifact is; README.md lists the kinds of address |
| VERDIGRIS_FETCH_DEADLINE | fetch, gate | 120 | seconds for the whole fetch, retries included |
| VERDIGRIS_FETCH_STALL | fetch, gate | 10 | seconds without a byte after which an attempt is given up |
| VERDIGRIS_GATE | gate | (empty) | what is asked, one JSON document (docs/gates.md) |
| VERDIGRIS_PORT | server | 8080 | port to listen on, all addresses |
| VERDIGRIS_GRPC_PORT | server | (empty) | port for the protocol over gRPC, all addresses; empty: none |
| VERDIGRIS_TRAFFIC_FILE | server | /etc/verdigris/traffic | "off" in it drains the server |
| VERDIGRIS_SHIELD_FILE | server | /etc/verdigris/shield | which share goes to which version on trial |
| VERDIGRIS_CONCURRENCY | server | 8 | inferences in threads at once: large batches, and all of a slow format |
| VERDIGRIS_QUEUE | server | 64 | inferences that may wait for a thread; further ones get 503 |
| VERDIGRIS_MAX_BODY_MIB | server | 8 | largest body of a request, packed or not, in MiB |
| VERDIGRIS_PAGE | server | off | on: a page at / to look at the model and ask it |
| VERDIGRIS_ACCESS_LOG | server | 0 | share of the requests that are logged, 0 to 1 |
| VERDIGRIS_GRACE | server | 10 | seconds from SIGTERM to the end, however busy; half of it for idle connections |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from verdigris_serving.artifact.verify import Expectation
from verdigris_serving.environment import max_bytes, number
from verdigris_serving.http.listener import DEFAULT_PORT
from verdigris_serving.reasons import Reason, ServingError


@dataclass(frozen=True)
class ModelSettings:
    """What both processes need to know about the model."""

    path: Path
    expected: Expectation
    max_bytes: int

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "ModelSettings":
        """Raises ServingError (SettingsInvalid) naming the variable."""
        return cls(
            path=Path(env.get("VERDIGRIS_MODEL_PATH", "/model/model.vmodel")),
            expected=Expectation(
                sha256=env.get("VERDIGRIS_MODEL_SHA256", "").strip().lower(),
                name=env.get("VERDIGRIS_MODEL_NAME", ""),
                version=env.get("VERDIGRIS_MODEL_VERSION", ""),
                format=env.get("VERDIGRIS_MODEL_FORMAT", ""),
            ),
            max_bytes=max_bytes(env, 512 * 1024 * 1024),
        )


@dataclass(frozen=True)
class FetchSettings:
    """The init step's settings; durations in seconds."""

    model: ModelSettings
    uri: str
    deadline: float
    stall: float

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "FetchSettings":
        """Raises ServingError (SettingsInvalid) naming the variable."""
        uri = env.get("VERDIGRIS_MODEL_URI", "")
        if not uri:
            raise ServingError(Reason.SETTINGS_INVALID, "VERDIGRIS_MODEL_URI is not set: say where the artifact is")
        return cls(
            model=ModelSettings.from_environment(env),
            uri=uri,
            deadline=number(env, "VERDIGRIS_FETCH_DEADLINE", 120, low=0.1, high=86_400),
            stall=number(env, "VERDIGRIS_FETCH_STALL", 10, low=0.1, high=3_600),
        )


@dataclass(frozen=True)
class ServerSettings:
    """The server's settings; ``grace`` in seconds, ``access_log`` a share, ``max_body`` in bytes.

    ``grpc_port`` None: nothing is answered over gRPC.
    """

    model: ModelSettings
    port: int
    grpc_port: int | None
    traffic_file: Path
    shield_file: Path
    concurrency: int
    queue: int
    access_log: float
    grace: float
    max_body: int
    page: bool

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "ServerSettings":
        """Raises ServingError (SettingsInvalid) naming the variable."""
        return cls(
            model=ModelSettings.from_environment(env),
            port=int(number(env, "VERDIGRIS_PORT", DEFAULT_PORT, low=0, high=65_535)),
            shield_file=Path(env.get("VERDIGRIS_SHIELD_FILE", "/etc/verdigris/shield")),
            grpc_port=_optional_port(env, "VERDIGRIS_GRPC_PORT"),
            traffic_file=Path(env.get("VERDIGRIS_TRAFFIC_FILE", "/etc/verdigris/traffic")),
            concurrency=int(number(env, "VERDIGRIS_CONCURRENCY", 8, low=1, high=1_024)),
            queue=int(number(env, "VERDIGRIS_QUEUE", 64, low=0, high=100_000)),
            access_log=number(env, "VERDIGRIS_ACCESS_LOG", 0, low=0, high=1),
            grace=number(env, "VERDIGRIS_GRACE", 10, low=0.1, high=3_600),
            max_body=int(number(env, "VERDIGRIS_MAX_BODY_MIB", 8, low=1, high=1_024) * 2**20),
            page=_switch(env, "VERDIGRIS_PAGE"),
        )


def termination_log(env: Mapping[str, str]) -> str:
    """The path of the termination message; never fails, because it is needed to report the other failures."""
    return env.get("VERDIGRIS_TERMINATION_LOG", "/dev/termination-log")


def _switch(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "") or "off"
    if text not in {"on", "off"}:
        raise ServingError(Reason.SETTINGS_INVALID, f'{name} is "{text}"; it must be on or off')
    return text == "on"


def _optional_port(env: Mapping[str, str], name: str) -> int | None:
    return int(number(env, name, 0, low=0, high=65_535)) if env.get(name) else None
