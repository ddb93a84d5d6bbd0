"""Which source an address belongs to. A source is imported when an address needs it, and not before."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from verdigris_serving.fetching.file_source import FileOpener
from verdigris_serving.fetching.http_source import HttpOpener, HttpRequest
from verdigris_serving.fetching.mlflow import MlflowOpener
from verdigris_serving.fetching.oci import OciOpener
from verdigris_serving.fetching.port import Log, Opener, safe_uri
from verdigris_serving.reasons import Reason, ServingError

if TYPE_CHECKING:
    from verdigris_serving.fetching.object_store import ObjectStoreOpener


def opener_of(uri: str, env: Mapping[str, str], log: Log) -> Opener:
    """The source of ``uri``; ``env`` holds its credentials. Raises ServingError for a kind that nobody here knows."""
    scheme = uri.partition(":")[0].lower()
    if scheme == "file":
        return FileOpener(uri)
    if scheme in {"http", "https"}:
        return HttpOpener(HttpRequest(uri))
    if scheme == "oci":
        return OciOpener(uri, env)
    if scheme == "models":
        return MlflowOpener(
            uri,
            env,
            log,
            elsewhere=lambda address: opener_of(address, env, log),
            names_in=lambda folder, timeout: _bucket(folder, env).names(timeout),
        )
    if scheme in {"s3", "gs", "az"}:
        return _bucket(uri, env)
    raise ServingError(
        Reason.ARTIFACT_UNREACHABLE,
        f"{safe_uri(uri)}: this image fetches https://, http://, s3://, gs://, az://, oci://, models:/ and file:// "
        "(a mounted volume), not this. Correct spec.model.uri.",
    )


def _bucket(uri: str, env: Mapping[str, str]) -> "ObjectStoreOpener":
    # A compiled client: 15 ms and some megabytes that other addresses do not pay for.
    from verdigris_serving.fetching.object_store import ObjectStoreOpener  # noqa: PLC0415

    return ObjectStoreOpener(uri, env)
