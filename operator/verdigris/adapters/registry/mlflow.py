"""MLflow's registry by its REST API: an alias, which answers with the version and its tags, and one tag of versions."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Protocol

import aiohttp

from verdigris.api.status import Failure
from verdigris.core.facts.followed import SHA256_TAG, VERSION_TAG, Alias, Registered, RegistryView
from verdigris.core.facts.served import Edit
from verdigris.core.words import clip, one_line, sentence

_API = "/api/2.0/mlflow"
_MOST_BYTES = 1024 * 1024
_LONGEST_TAG = 128
"""Characters: neither a checksum nor a version has more."""
_MOST_VERSIONS = 100
"""Versions with the tag that are read at once; more are none of our doing, and are seen once these have lost it."""
_LONGEST_WORDS = 300
"""Characters of the registry's own words in a sentence of ours: what follows them is to have its place, too."""
_NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
_LOOK_AT_ADDRESS = (
    "look whether registry.address in the values of the operator's chart is MLflow itself, with no page before it"
)


class Papers(Protocol):
    """What is shown with a request."""

    @property
    def headers(self) -> dict[str, str]:
        """A token, or a user's name and password."""

    @property
    def trust(self) -> ssl.SSLContext | bool:
        """What the server's certificate is checked by."""


@dataclass(frozen=True)
class _Said:
    """An answer: its HTTP status, and its JSON object. A page for people to log in at is none."""

    status: int
    content: Mapping[str, Any]
    is_object: bool

    @property
    def code(self) -> str:
        """MLflow's name for what is wrong; empty when nothing is, or when the answer is not MLflow's."""
        return self._words("error_code")

    @property
    def error(self) -> str:
        """MLflow's own words; empty when these are not MLflow's."""
        return self._words("message") or self.code

    def _words(self, key: str) -> str:
        return clip(one_line(str(self.content.get(key) or "")[: 2 * _LONGEST_WORDS]), _LONGEST_WORDS)


class _TooLong(Exception):
    """The answer has more bytes than are read."""


class MlflowRegistry:
    """A Registry, and its Tags. `papers` gives what is shown to an address: read each time, as a Secret may change.

    Args:
        session: shared; not closed here.
        address: base URL of the tracking server.
        timeout: for one question in all.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: str,
        papers: Callable[[str], Papers],
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._session = session
        self._address = address.rstrip("/")
        self._papers = papers
        self._timeout = timeout

    async def look_up(self, alias: Alias) -> RegistryView:
        """See `Registry`."""
        said = await self._ask("GET", "registered-models/alias", {"name": alias.model, "alias": alias.name})
        if isinstance(said, Failure):
            return RegistryView(problem=said)
        # MLflow calls an alias that is not there a bad parameter, and a model that is not there not found.
        if said.code in ("INVALID_PARAMETER_VALUE", _NOT_THERE):
            return RegistryView(problem=self._failed("AliasMissing", f"has no {alias}: {said.error}"))
        found = said.content.get("model_version")
        if said.status != 200 or not isinstance(found, dict) or not str(found.get("version", "")).isdigit():
            return RegistryView(problem=self._strange(said))
        state = found.get("status") or "READY"
        if state != "READY":
            what = f"has {alias} on a version that is {one_line(str(state))}, not READY"
            return RegistryView(problem=self._failed("AliasMissing", what))
        version, sha256 = (_tags(found).get(key, "").strip()[:_LONGEST_TAG] for key in (VERSION_TAG, SHA256_TAG))
        return RegistryView(Registered(str(found["version"])[:16], version, sha256))

    async def tagged(self, model: str, tag: str) -> Mapping[str, str] | Failure:
        """See `Tags`."""
        # A string of a filter has no escape: it is quoted by what is not in it.
        quote = '"' if "'" in model else "'"
        chosen = f"name={quote}{model}{quote} AND tags.`{tag}` LIKE '%'"
        said = await self._ask("GET", "model-versions/search", {"filter": chosen, "max_results": str(_MOST_VERSIONS)})
        if isinstance(said, Failure):
            return said
        if (problem := self._problem(said, model)) is not None:
            return problem
        return dict(_having(tag, model, said.content.get("model_versions") or []))

    async def edit(self, model: str, tag: str, edit: Edit) -> Failure | None:
        """See `Tags`."""
        named = {"name": model, "version": edit.number, "key": tag}
        if edit.value is None:
            said = await self._ask("DELETE", "model-versions/delete-tag", named)
        else:
            said = await self._ask("POST", "model-versions/set-tag", {**named, "value": edit.value})
        if isinstance(said, Failure):
            return said
        # A page of somebody in between says 404, too.
        is_gone = edit.value is None and said.code == _NOT_THERE
        return None if is_gone else self._problem(said, f"version {edit.number} of {model}")

    async def _ask(
        self, method: Literal["GET", "POST", "DELETE"], path: str, words: Mapping[str, str]
    ) -> _Said | Failure:
        """One request with its answer. A GET has the words in its query, any other method in a JSON object."""
        papers = self._papers(self._address)
        stated: dict[str, Any] = {"params": words} if method == "GET" else {"json": dict(words)}
        try:
            async with self._session.request(
                method,
                f"{self._address}{_API}/{path}",
                headers=papers.headers,
                ssl=papers.trust,
                timeout=aiohttp.ClientTimeout(total=self._timeout.total_seconds()),
                # Whoever redirects is not the registry, and is not to get our token.
                allow_redirects=False,
                **stated,
            ) as response:
                found = _object(await _body(response))
                said = _Said(response.status, found or {}, found is not None)
        except _TooLong:
            how = f"shorten the descriptions and tags of the versions that are asked about, or {_LOOK_AT_ADDRESS}"
            what = f"gave an answer of more than {_MOST_BYTES // 1024} KiB, which is not read: {how}"
            return self._failed("RegistryUnreachable", what)
        except TimeoutError:
            return self._failed("RegistryUnreachable", f"did not answer within {self._timeout.total_seconds():g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._failed("RegistryUnreachable", f"cannot be reached ({one_line(str(error))})")
        if said.status in (401, 403):
            secret = "the Secret that registry.auth.secretName names in the values of the operator's chart"
            what = "lets the operator change no tag" if method != "GET" else "refuses the operator"
            return self._failed("RegistryRefused", f"{what} ({said.status}): look at {secret}")
        return said

    def _problem(self, said: _Said, what: str) -> Failure | None:
        if said.code == _NOT_THERE:
            return self._failed("ModelMissing", f"has no {what} to tag: {said.error}")
        return None if said.status == 200 and said.is_object else self._strange(said)

    def _strange(self, said: _Said) -> Failure:
        """Why there is no answer to what was asked: in MLflow's words, where it says so itself."""
        if said.code:
            what = f"answered {said.status}, {said.code}: {said.error}"
        else:
            what = f"gave an answer ({said.status}) that is none of MLflow's: {_LOOK_AT_ADDRESS}"
        return self._failed("RegistryUnreachable", what)

    def _failed(self, reason: str, what: str) -> Failure:
        return Failure(reason=reason, message=clip(sentence(f"The registry at {self._address} {what}")))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The whole body. Raises _TooLong for one of which no more is read."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > _MOST_BYTES:
            raise _TooLong
    return bytes(body)


def _object(content: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _having(tag: str, model: str, versions: object) -> Iterator[tuple[str, str]]:
    """The versions of the model that have the tag, whatever else the server has found."""
    for found in versions if isinstance(versions, list) else []:
        if not isinstance(found, dict) or found.get("name") != model or not str(found.get("version", "")).isdigit():
            continue
        if tag in (tags := _tags(found)):
            yield str(found["version"]), tags[tag]


def _tags(found: Mapping[str, Any]) -> Mapping[str, str]:
    """The tags of a version. One that is there may be empty."""
    tags = found.get("tags")
    entries = [one for one in tags if isinstance(one, dict)] if isinstance(tags, list) else []
    return {str(one.get("key")): str(one.get("value") or "") for one in entries}
