"""Children on a real API server: apply them as the operator does, read them back, compare."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from dev.cluster import Cluster
from dev.cluster.patience import hold_out

Found = TypeVar("Found")


def create(cluster: Cluster, manifest: Mapping[str, Any]) -> Any:
    """The object as it was created."""
    return json.loads(cluster.kubectl("create", "-o", "json", "-f", "-", input=json.dumps(manifest)))


def apply(cluster: Cluster, manifests: Iterable[Mapping[str, Any]], *options: str) -> list[Any]:
    """The objects as they are after a server-side apply, in the order given."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    said = cluster.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--field-manager=verdigris", "-o", "json", "-f", "-"),
        *options,
        input=json.dumps(listed),
    )
    answer = json.loads(said)
    return list(answer["items"]) if answer["kind"] == "List" else [answer]


def read(cluster: Cluster, manifest: Mapping[str, Any]) -> Any:
    """The live object of this kind and name."""
    kind, group = manifest["kind"], manifest["apiVersion"].rpartition("/")[0]
    meta = manifest["metadata"]
    resource = f"{kind}.{group}" if group else kind
    return json.loads(cluster.kubectl("get", resource, meta["name"], "-n", meta["namespace"], "-o", "json"))


def missing(live: Any, desired: Any, path: str = "") -> Iterator[str]:
    """What `desired` says and `live` does not say in the very same words: nothing is normalised."""
    if isinstance(desired, dict) and isinstance(live, dict):
        for key, value in desired.items():
            if key in live:
                yield from missing(live[key], value, f"{path}.{key}")
            else:
                yield f"{path}.{key} is gone, it was {value!r}"
    elif isinstance(desired, list) and isinstance(live, list) and len(live) == len(desired):
        for index, value in enumerate(desired):
            yield from missing(live[index], value, f"{path}[{index}]")
    elif type(live) is not type(desired) or live != desired:
        yield f"{path} is {live!r}, it was {desired!r}"


def eventually(look: Callable[[], Found], seconds: float = 60) -> Found:
    """The first true thing that `look` returns. Raises AssertionError with the last one after `seconds` at this
    machine's pace."""
    began = time.monotonic()
    found = hold_out(look, seconds, every=0.25)
    assert found, f"not so within {time.monotonic() - began:.0f} s; last seen: {found!r}"
    return found
