"""The API server as plain dicts: a thin client on aiohttp. Every call has a time limit and fails with a sentence."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import aiohttp

from verdigris.adapters.kube.transport import answers, kinds
from verdigris.adapters.kube.transport.connection import Connection
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, Invalid, Unreachable, from_answer
from verdigris.adapters.kube.transport.kinds import Resource, resource_of
from verdigris.children.names import MANAGER

Json = dict[str, Any]
Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""An object, or the operations of a JSON patch."""

PAGE = 500
TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=4)
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_EDIT = "application/json-patch+json"
_JSON = "application/json"


class Client:
    """Reads and writes Kubernetes objects. Raises only `transport.errors.ApiError` and its kinds.

    Nothing is retried here: a reconcile that fails is repeated as a whole, with what is true by then. An answer that is
    not what was asked for is an error, whatever its status says (law 11).
    `on_write` is called with the kind after each write that the server has carried out.
    """

    def __init__(self, connection: Connection, on_write: Callable[[str], None] | None = None) -> None:
        self._server = connection.server
        self._session = connection.session()
        self._on_write = on_write

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """One object; namespace None for what lives in none. Raises NotFound."""
        about = _about(resource, namespace, name)
        answer = await self._request("GET", resource.path(namespace, name), about)
        return answers.an_object(answer, f"reading {about}", resource.kind, name)

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> list[Json]:
        """All objects of a namespace (None: of all namespaces) with these labels, kind and apiVersion filled in.

        `fields` is a field selector. Raises NotFound when the API server does not know the kind.
        """
        return [raw async for page in self.pages(resource, namespace, labels, fields=fields) for raw in page]

    async def pages(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> AsyncIterator[Sequence[Json]]:
        """Like `list`, page by page, for what is too much to hold at once. Raises NotFound."""
        path, about = resource.path(namespace), f"{resource.plural} in {namespace or 'all namespaces'}"
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        query = {"limit": str(PAGE)} | {key: words for key, words in selectors.items() if words}
        while True:
            answer = await self._request("GET", path, about, query=query)
            items, more = answers.a_page(answer, f"reading {about}", resource)
            yield items
            if not more:
                return
            query = query | {"continue": more}

    async def watch(self, resource: Resource, namespace: str | None, seconds: int) -> AsyncIterator[Json]:
        """What is there (as ADDED) and each change of it, as watch events, until the server ends it after `seconds`.

        An event of type ERROR is raised as Transient: begin again.
        """
        what = f"watching {resource.plural} in {namespace or 'all namespaces'}"
        query = {"watch": "true", "timeoutSeconds": str(seconds)}
        timeout = aiohttp.ClientTimeout(sock_connect=4, sock_read=seconds + 30)
        try:
            async with self._session.get(
                self._server + resource.path(namespace), params=query, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise from_answer(what, response.status, answers.decoded(await response.read()), None)
                async for event in answers.events(response.content.iter_any(), what):
                    yield event
        except TimeoutError as error:
            raise Unreachable(f"{what}: the API server says nothing any more") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{what}: the API server cannot be reached ({error})") from error

    async def review(self, resource: Resource, body: Mapping[str, Any]) -> Json:
        """Ask the API server about somebody (a TokenReview, a SubjectAccessReview); the answer is its status."""
        about = f"a {resource.kind}"
        answer = await self._request("POST", resource.path(), about, body=body)
        answers.of_kind(answer, f"creating {about}", {resource.kind})
        status = answer.get("status")
        return status if isinstance(status, dict) else {}

    async def knows(self, resource: Resource) -> bool:
        """Whether the API server serves this kind at all."""
        group = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.api_version}"
        try:
            served = await self._request("GET", group, f"the API {resource.api_version}")
        except ApiError as error:
            if error.reason == "NotFound":
                return False
            raise
        answers.of_kind(served, f"reading the API {resource.api_version}", {"APIResourceList"})
        return any(entry.get("name") == resource.plural for entry in served.get("resources") or ())

    async def until_known(self, resource: Resource, every: float) -> None:
        """Wait until the API server serves this kind, which is asked `every` so many seconds."""
        while True:
            with suppress(ApiError):
                if await self.knows(resource):
                    return
            await asyncio.sleep(every)

    async def allows(
        self, user: str, groups: Sequence[str], verb: str, resource: Resource, key: tuple[str, str]
    ) -> bool:
        """Whether that user, in these groups, may do this to the object `key` (namespace, name). Changes nothing."""
        namespace, name = key
        asked = {
            "namespace": namespace,
            "verb": verb,
            "group": resource.group,
            "resource": resource.plural,
            "name": name,
        }
        kind = kinds.LOCAL_ACCESS_REVIEW
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"namespace": namespace},
            "spec": {"user": user, "groups": list(groups), "resourceAttributes": asked},
        }
        about = _about(kind, namespace, None)
        answer = await self._request("POST", kind.path(namespace), about, body=body)
        answers.of_kind(answer, f"creating {about}", {kind.kind})
        return (answer.get("status") or {}).get("allowed") is True

    async def apply(self, manifest: Mapping[str, Any], manager: str = MANAGER) -> Json:
        """Server-side apply with force: what we set is ours. Returns the object as it is then."""
        resource = resource_of(manifest["apiVersion"], manifest["kind"])
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        query = {"fieldManager": manager, "force": "true"}
        return await self._write("PATCH", resource, namespace, name, body=manifest, content_type=_APPLY, query=query)

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Json:
        """Raises AlreadyExists."""
        return await self._write("POST", resource, namespace, None, body=body, query={"fieldManager": MANAGER})

    async def replace(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> Json:
        """PUT. Raises Conflict when `metadata.resourceVersion` in the body is no longer the newest."""
        return await self._write("PUT", resource, namespace, name, body=body, query={"fieldManager": MANAGER})

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: str | None = None,
        manager: str = MANAGER,
    ) -> Json:
        """JSON merge patch. A `metadata.resourceVersion` or `metadata.uid` in it is a precondition (Conflict)."""
        return await self._write(
            "PATCH",
            resource,
            namespace,
            name,
            body=body,
            content_type=_MERGE,
            query={"fieldManager": manager},
            subresource=subresource,
        )

    async def edit(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        manager: str = MANAGER,
    ) -> Json:
        """JSON patch (RFC 6902). Its `test` operations are preconditions (Conflict)."""
        try:
            return await self._write(
                "PATCH",
                resource,
                namespace,
                name,
                body=operations,
                content_type=_EDIT,
                query={"fieldManager": manager},
            )
        except Invalid as error:
            if error.fields:
                raise
            # The API server does not say which test failed, only that the object is none that the patch fits.
            raise Conflict(f"{error}: it is not as it was read") from error

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, grace: int | None = None
    ) -> None:
        """Delete exactly the object with this UID, its dependents in the background. Raises NotFound, Conflict.

        `grace` is the grace period in seconds; None leaves the object's own, 0 removes a pod without its kubelet.
        """
        options: Json = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        } | ({} if grace is None else {"gracePeriodSeconds": grace})
        await self._write("DELETE", resource, namespace, name, body=options)

    async def evict(self, namespace: str, pod: str, uid: str) -> None:
        """Ask for the eviction of exactly the pod with this UID. Raises NotFound, Conflict, Transient (a PDB)."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        await self._write("POST", kinds.POD, namespace, pod, body=body, subresource="eviction")

    async def _write(
        self,
        method: str,
        resource: Resource,
        namespace: str,
        name: str | None,
        *,
        body: Body,
        content_type: str = _JSON,
        query: Mapping[str, str] | None = None,
        subresource: str | None = None,
    ) -> Json:
        about = _about(resource, namespace, name) + (f" ({subresource})" if subresource else "")
        path = resource.path(namespace, name, subresource)
        answer = await self._request(method, path, about, query=query, body=body, content_type=content_type)
        answers.of_kind(answer, f"{_VERBS[method]} {about}", _written_kinds(method, resource, subresource))
        if self._on_write is not None:
            self._on_write(resource.kind)
        return answer

    async def _request(
        self,
        method: str,
        path: str,
        about: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = _JSON,
    ) -> Json:
        what = f"{_VERBS[method]} {about}"
        try:
            async with self._session.request(
                method,
                self._server + path,
                params=query,
                data=None if body is None else encoded(body),
                headers={"Content-Type": content_type, "Accept": _JSON},
                timeout=TIMEOUT,
                # Whoever redirects is no API server, and is not to get our token.
                allow_redirects=False,
            ) as response:
                content = await response.read()
                status, retry_after = response.status, response.headers.get("Retry-After")
                of_type = response.content_type
        except TimeoutError as error:
            raise Unreachable(f"{what}: the API server did not answer within {TIMEOUT.total} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{what}: the API server cannot be reached ({error})") from error
        if status >= 400:
            raise from_answer(what, status, answers.decoded(content), _seconds(retry_after))
        return answers.json_object(what, status, of_type, content)


_VERBS = {"GET": "reading", "POST": "creating", "PUT": "replacing", "PATCH": "writing", "DELETE": "deleting"}


def _about(resource: Resource, namespace: str | None, name: str | None) -> str:
    if namespace is None:
        return f"{resource.kind} {name}"
    return f"{resource.kind} {namespace}/{name}" if name is not None else f"a {resource.kind} in {namespace}"


def _written_kinds(method: str, resource: Resource, subresource: str | None) -> set[str]:
    """What the API server answers a write with: the object, or a word on how it went."""
    if subresource == "scale":
        return {"Scale"}
    if subresource == "eviction":
        return {"Status", "Eviction"}
    return {resource.kind, "Status"} if method == "DELETE" else {resource.kind}


_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def encoded(body: Body) -> bytes:
    """The body as UTF-8 that is JSON and YAML at once: server-side apply is read as YAML.

    YAML knows no pairs of escapes for what is beyond 16 bits (an emoji), so such characters stand as they are; it takes
    no control characters and folds line separators, so those are escaped. Half a pair is no character: U+FFFD instead.
    """
    text = _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(body, ensure_ascii=False))
    return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdigit() else None
