"""What the API server answered, read strictly: what was asked for, or an error with a sentence (law 11). No I/O here.

Not everything that answers at its address is an API server: a login page, a proxy, an agent between the two may answer
200 with something else, and something else is not "there are none".
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from verdigris.adapters.kube.transport.errors import NotTheApi, Transient
from verdigris.adapters.kube.transport.kinds import Resource

Json = dict[str, Any]

_ADVICE = "check that the address is an API server's and what stands between it and the operator"


def decoded(content: bytes) -> Json:
    """The JSON object of an error's body, or the raw text as its message: proxies answer in plain words."""
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        return {"message": content[:300].decode(errors="replace").strip()}
    return found if isinstance(found, dict) else {"message": str(found)[:300]}


def json_object(what: str, status: int, of_type: str, content: bytes) -> Json:
    """The body of an answer below 400. Raises NotTheApi unless it is a 2xx with a JSON object in it."""
    if not 200 <= status < 300:
        raise NotTheApi(f"{what}: the answer was HTTP {status}, which no API server gives: {_ADVICE}")
    if of_type != "application/json":
        raise NotTheApi(f"{what}: the answer is of type {of_type}, not JSON ({_quoted(content)}): {_ADVICE}")
    try:
        found = json.loads(content)
    except ValueError:
        raise NotTheApi(f"{what}: the answer is no whole JSON ({_quoted(content)}): {_ADVICE}") from None
    if not isinstance(found, dict):
        raise NotTheApi(f"{what}: the answer is no JSON object ({_quoted(content)}): {_ADVICE}")
    return found


def of_kind(answer: Json, what: str, wanted: Collection[str]) -> None:
    """Raises NotTheApi unless the answer says that it is of one of these kinds."""
    kind = answer.get("kind")
    if kind not in wanted or (kind == "Status" and answer.get("status") == "Failure"):
        said = f"of kind {str(kind)[:60]!r}" if kind is not None else "of no kind"
        raise NotTheApi(f"{what}: the answer is {said}, not {' or '.join(sorted(wanted))}: {_ADVICE}")


def an_object(answer: Json, what: str, kind: str, name: str) -> Json:
    """One object of this kind and name. Raises NotTheApi for anything else."""
    of_kind(answer, what, {kind})
    _must_have_name(answer, what)
    if answer["metadata"]["name"] != name:
        raise NotTheApi(f"{what}: the answer is about {str(answer['metadata']['name'])[:80]!r}: {_ADVICE}")
    return answer


def a_page(answer: Json, what: str, resource: Resource) -> tuple[list[Json], str | None]:
    """The objects of one page, kind and apiVersion filled in, and the token of the next page. Raises NotTheApi."""
    of_kind(answer, what, {f"{resource.kind}List"})
    if answer.get("apiVersion") != resource.api_version:
        raise NotTheApi(f"{what}: the answer is of {str(answer.get('apiVersion'))[:60]}: {_ADVICE}")
    items, meta = answer.get("items"), answer.get("metadata")
    if not isinstance(items, list) or not isinstance(meta, Mapping):
        raise NotTheApi(f"{what}: the answer is a list without its items or its metadata: {_ADVICE}")
    for item in items:
        _must_have_name(item, what)
    return [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in items], _next(meta, what)


async def events(chunks: AsyncIterator[bytes], what: str) -> AsyncIterator[Json]:
    """The events of a watch, one a line whatever its length. Raises Transient for one that says ERROR, NotTheApi."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            event = json_object(what, 200, "application/json", line)
            if event.get("type") == "ERROR":
                raise Transient(f"{what}: {_quoted(line)}")
            _must_have_name(event.get("object"), what)
            yield event


def _next(meta: Mapping[str, Any], what: str) -> str | None:
    more = meta.get("continue")
    if more is not None and not isinstance(more, str):
        raise NotTheApi(f"{what}: the answer's token for the next page is no text: {_ADVICE}")
    return more or None


def _must_have_name(raw: Any, what: str) -> None:
    meta = raw.get("metadata") if isinstance(raw, Mapping) else None
    if not isinstance(meta, Mapping) or not isinstance(meta.get("name"), str):
        raise NotTheApi(f"{what}: the answer has an object without a name in it: {_ADVICE}")


def _quoted(content: bytes) -> str:
    """Its beginning, on one line."""
    text = " ".join(content[:200].decode(errors="replace").split())
    return f"it begins with {text[:80]!r}" if text else "it is empty"
