"""MLflow's registry by its REST API: one GET for an alias, which answers with the version and its tags."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp

from verdigris.api.status import Failure
from verdigris.core.facts.followed import SHA256_TAG, VERSION_TAG, Alias, Registered, RegistryView
from verdigris.core.words import clip, one_line

_PATH = "/api/2.0/mlflow/registered-models/alias"
_MOST_BYTES = 1024 * 1024
_LONGEST_TAG = 128
"""Characters: neither a checksum nor a version has more."""


class Papers(Protocol):
    """What is shown with a request."""

    @property
    def headers(self) -> dict[str, str]:
        """A token, or a user's name and password."""

    @property
    def trust(self) -> ssl.SSLContext | bool:
        """What the server's certificate is checked by."""


class MlflowRegistry:
    """A Registry. `papers` gives what is shown to an address: read anew each time, as a Secret may change.

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
        papers = self._papers(self._address)
        url = f"{self._address}{_PATH}?{urlencode({'name': alias.model, 'alias': alias.name})}"
        try:
            async with self._session.get(
                url,
                headers=papers.headers,
                ssl=papers.trust,
                timeout=aiohttp.ClientTimeout(total=self._timeout.total_seconds()),
                # Whoever redirects is not the registry, and is not to get our token.
                allow_redirects=False,
            ) as response:
                content = await response.content.read(_MOST_BYTES)
                status = response.status
        except TimeoutError:
            return self._failed("RegistryUnreachable", f"did not answer within {self._timeout.total_seconds():g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._failed("RegistryUnreachable", f"cannot be reached ({one_line(str(error))})")
        return self._understood(alias, status, _object(content))

    def _understood(self, alias: Alias, status: int, said: Mapping[str, Any]) -> RegistryView:
        if status in (401, 403):
            secret = "the Secret that registry.auth.secretName names in the values of the operator's chart"
            return self._failed("RegistryRefused", f"refuses the operator ({status}): look at {secret}")
        if status in (400, 404) and "error_code" in said:
            # MLflow calls an alias that is not there a bad request, and a model that is not there not found.
            words = one_line(str(said.get("message") or said["error_code"]))
            return self._failed("AliasMissing", f"has no {alias}: {words}")
        found = said.get("model_version")
        if status != 200 or not isinstance(found, dict) or not str(found.get("version", "")).isdigit():
            return self._failed("RegistryUnreachable", f"gave an answer ({status}) that is none of MLflow's")
        state = found.get("status") or "READY"
        if state != "READY":
            return self._failed("AliasMissing", f"has {alias} on a version that is {one_line(str(state))}, not READY")
        return RegistryView(Registered(str(found["version"])[:16], _tag(found, VERSION_TAG), _tag(found, SHA256_TAG)))

    def _failed(self, reason: str, what: str) -> RegistryView:
        return RegistryView(problem=Failure(reason=reason, message=clip(f"The registry at {self._address} {what}.")))


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _tag(found: Mapping[str, Any], key: str) -> str:
    """The value of a tag; empty when there is none."""
    tags = found.get("tags")
    entries = [one for one in tags if isinstance(one, dict)] if isinstance(tags, list) else []
    value = next((one.get("value") for one in entries if one.get("key") == key), "")
    return str(value or "").strip()[:_LONGEST_TAG]
