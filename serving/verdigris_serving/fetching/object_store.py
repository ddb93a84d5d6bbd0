"""Buckets: ``s3://BUCKET/KEY``, ``gs://BUCKET/KEY`` and ``az://CONTAINER/KEY``, by obstore, one small compiled client.

Credentials come by the clouds' usual environment variables, which obstore reads itself; no value of one is repeated
anywhere. Nothing asks a node's metadata service: the network policy of a model's pods does not let it be reached.
"""

import http.client
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import AzureStore, GCSStore, S3Store

from verdigris_serving.artifact.limits import OWN_THREADS
from verdigris_serving.fetching.port import Resume, Retry, Source
from verdigris_serving.reasons import Reason, ServingError

_T = TypeVar("_T")

_RETRIED_STATUS = frozenset({408, 425, 429})
_BUCKET = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]{0,254}")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]+)</Code>")
#: The first one is the client's own; what is no fault of the network is Unknown to it.
_KIND = re.compile(r"kind: (Timeout|Connect|Request|Interrupted|Decode|Unknown)\b")
_HEADER = re.compile(r"([A-Za-z-]+) [Hh]eader missing from response")
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(?:Other\(\s*OtherError\(\s*)?(\w+)")
_NO_AUTHORITIES = "No CA certificates were loaded"
_SECRET = "the Secret that spec.model.credentialsSecret names"


@dataclass(frozen=True)
class _Cloud:
    """One kind of object store: ``any_of`` are variables of which one at least must be set, ``all_of`` all."""

    store: Any
    any_of: tuple[str, ...]
    all_of: tuple[str, ...]
    endpoints: tuple[str, ...]
    allow_http: str
    advice: str


_CLOUDS: Mapping[str, _Cloud] = {
    "s3": _Cloud(
        S3Store,
        (
            "AWS_ACCESS_KEY_ID",
            "AWS_SKIP_SIGNATURE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        (),
        ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        "AWS_ALLOW_HTTP",
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (for a public bucket AWS_SKIP_SIGNATURE=true)",
    ),
    "gs": _Cloud(
        GCSStore,
        (
            "GOOGLE_SERVICE_ACCOUNT_KEY",
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_PATH",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_BEARER_TOKEN",
            "GOOGLE_SKIP_SIGNATURE",
        ),
        (),
        ("GOOGLE_BASE_URL",),
        "GOOGLE_ALLOW_HTTP",
        "GOOGLE_SERVICE_ACCOUNT_KEY, the JSON of a service account (for a public bucket GOOGLE_SKIP_SIGNATURE=true)",
    ),
    "az": _Cloud(
        AzureStore,
        (
            "AZURE_STORAGE_ACCOUNT_KEY",
            "AZURE_STORAGE_ACCESS_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_STORAGE_SAS_KEY",
            "AZURE_STORAGE_TOKEN",
            "AZURE_CLIENT_SECRET",
            "AZURE_STORAGE_CLIENT_SECRET",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_SKIP_SIGNATURE",
        ),
        ("AZURE_STORAGE_ACCOUNT_NAME",),
        ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        "AZURE_ALLOW_HTTP",
        "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN "
        "(for a public container AZURE_SKIP_SIGNATURE=true)",
    ),
}


class ObjectStoreOpener:
    """An object of a bucket; the key is taken as it is written, without decoding."""

    def __init__(self, uri: str, env: Mapping[str, str]) -> None:
        scheme, _, rest = uri.partition("://")
        self._cloud = _CLOUDS[scheme.lower()]
        self._bucket, _, self._key = rest.partition("/")
        self._where = f"{scheme}://{self._bucket}/{self._key}"
        if not _BUCKET.fullmatch(self._bucket) or {"", ".", ".."} & set(self._key.split("/")):
            raise ServingError(
                Reason.ARTIFACT_UNREACHABLE,
                f"spec.model.uri must name a bucket and a key: write {scheme}://BUCKET/KEY.",
            )
        self._check_credentials(env)
        endpoints = (env.get(name, "") for name in self._cloud.endpoints)
        # Without encryption only where somebody wrote so.
        self._allow_http = env.get(self._cloud.allow_http, "").lower() in {"1", "true"} or any(
            endpoint.lower().startswith("http://") for endpoint in endpoints
        )

    def _check_credentials(self, env: Mapping[str, str]) -> None:
        cloud = self._cloud
        if any(env.get(name) for name in cloud.any_of) and all(env.get(name) for name in cloud.all_of):
            return
        raise ServingError(
            Reason.ARTIFACT_UNREACHABLE, f"{self._where} needs credentials: put {cloud.advice} into {_SECRET}."
        )

    def open(self, timeout: float, resume: Resume | None) -> Source:
        """Ask for the object, or for the rest of the very version that was begun."""
        options: obstore.GetOptions = {}
        if resume:
            options = {"range": {"offset": resume.offset}, "if_match": resume.validator}
        found = self._ask(lambda: obstore.get(self._store(timeout), self._key, options=options), timeout)
        offset, length = found.range[0], found.meta["size"]
        reader = _Reader(found.stream(min_chunk_size=1), timeout)
        return Source(self._where, reader, length, offset=offset, validator=found.meta["e_tag"] or "")

    def names(self, timeout: float) -> list[str]:
        """The names of the objects in the folder that the address is of. Raises like ``open``."""
        found = self._ask(lambda: obstore.list_with_delimiter(self._store(timeout), self._key), timeout)
        return [str(item["path"]).rpartition("/")[2] for item in found["objects"]]

    def _ask(self, call: Callable[[], _T], timeout: float) -> _T:
        try:
            return _aside(call, timeout)
        except (BaseError, OSError, ValueError) as error:
            # Without the cause: a trace would print the client's words.
            raise self._failure(error, timeout) from None

    def _store(self, timeout: float) -> Any:
        limit = timedelta(seconds=timeout)
        return self._cloud.store(
            self._bucket,
            # No limit on the whole answer: the loop has the deadline, and the largest silence is awaited here.
            client_options={
                "allow_http": self._allow_http,
                "connect_timeout": limit,
                "read_timeout": limit,
                "timeout": timedelta(days=1),
            },
            # The loop tries again, and tells why.
            retry_config={"max_retries": 0, "retry_timeout": limit},
        )

    def _failure(self, error: Exception, timeout: float) -> Exception:
        """What is wrong, in words of our own: the client's repeat addresses with signatures in them."""
        text = str(error)
        status = int(found[1]) if (found := _STATUS.search(text)) else 0
        if isinstance(error, PreconditionError) or status == 416:
            message = f"{self._where} was replaced while it was fetched"
            return Retry(Reason.ARTIFACT_UNREACHABLE, message, start_over=True)
        if isinstance(error, FileNotFoundError):
            status = 404
        if status:
            code = f" ({found[1]})" if (found := _CODE.search(text)) else ""
            return self._refusal(status, code)
        if isinstance(error, TimeoutError):
            text = "kind: Timeout"
        return self._silence(text, timeout)

    def _refusal(self, status: int, code: str) -> Exception:
        """What an answer that is no success means; ``code`` is the store's own word for it."""
        where, advice = self._where, self._cloud.advice
        if status == 404:
            thing = "bucket or container" if code in {" (NoSuchBucket)", " (ContainerNotFound)"} else "object"
            message = f"{where}: the store has no such {thing}{code}. Check spec.model.uri, or publish the artifact."
            return ServingError(Reason.ARTIFACT_NOT_FOUND, message)
        if status in {401, 403}:
            message = f"{where}: the store refused the credentials{code}. Check {advice} in {_SECRET}, and its right"
            return ServingError(Reason.ARTIFACT_UNREACHABLE, f"{message} to read the object.")
        said = f"{where}: the store answered {status}{code}"
        if status >= 500 or status in _RETRIED_STATUS:
            return Retry(Reason.ARTIFACT_UNREACHABLE, said)
        return ServingError(Reason.ARTIFACT_UNREACHABLE, f"{said}. Check the region, the endpoint and spec.model.uri.")

    def _silence(self, text: str, timeout: float) -> Exception:
        """What it means that no answer came, from the client's description of it."""
        where, cloud = self._where, self._cloud
        if found := _CERTIFICATE.search(text):
            message = f"{where}: the store's certificate is not trusted ({found[1]}). Add its authority to the image"
            return ServingError(Reason.ARTIFACT_UNREACHABLE, f"{message}, or set SSL_CERT_FILE.")
        if _NO_AUTHORITIES in text:
            message = f"{where}: this image knows no certificate authorities"
            advice = "Install ca-certificates in it, or set SSL_CERT_FILE"
            return ServingError(Reason.ARTIFACT_UNREACHABLE, f"{message}. {advice}.")
        if found := _HEADER.search(text):
            message = f"{where}: the store's answer has no {found[1]}, which every such store sends. Is it one?"
            return ServingError(Reason.ARTIFACT_UNREACHABLE, message)
        kind = found[1] if (found := _KIND.search(text)) else "Unknown"
        if kind == "Timeout":
            return Retry(Reason.ARTIFACT_UNREACHABLE, f"{where}: the store did not answer within {timeout:.2g} s")
        if kind != "Unknown":
            names = " or ".join(cloud.endpoints)
            message = f"{where}: the store cannot be reached. Check {names}, and the network policies"
            return Retry(Reason.ARTIFACT_UNREACHABLE, message)
        message = f"{where} cannot be asked for. Check {cloud.advice} in {_SECRET}, the endpoint, and spec.model.uri."
        return ServingError(Reason.ARTIFACT_UNREACHABLE, message)


class _Reader:
    """The stream of an object, read like a file."""

    def __init__(self, stream: Iterator[Any], timeout: float) -> None:
        self._stream: Iterator[Any] | None = stream
        self._timeout = timeout

    def read1(self, _size: int, /) -> bytes:
        """What has come, some kilobytes."""
        stream = self._stream
        assert stream is not None
        try:
            return _aside(lambda: bytes(next(stream, b"")), self._timeout)
        except BaseError as error:
            if (kind := _KIND.search(str(error))) and kind[1] == "Timeout":
                raise TimeoutError from None
            raise http.client.IncompleteRead(b"") from None

    def close(self) -> None:
        """Forget the stream, and with it the connection."""
        self._stream = None


def _aside(call: Callable[[], _T], timeout: float) -> _T:
    """What a call of the client yields. Raises what it raises, and TimeoutError when it takes longer.

    In a thread, because the client waits without looking for signals. Its asynchronous half would look, but it takes
    8 ms for every chunk (measured: 40 MB/s where this has 1 GB/s).
    """
    done: Future[_T] = Future()

    def work() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=work, name=f"{OWN_THREADS}fetch", daemon=True).start()
    return done.result(timeout)
