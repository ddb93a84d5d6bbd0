"""The other environment that a step `from` asks: first whether its namespace has agreed, and only then how it does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from pydantic import ValidationError

from verdigris.adapters.kube.reading import unseen, views
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, NotFound
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.api.spec import FromStep
from verdigris.api.status import ActiveStatus, Condition
from verdigris.children.names import Owner, account_name
from verdigris.core.facts.source import PROMOTE_FROM, SourceView, asked_source

_EVERYBODY = ("system:serviceaccounts", "system:authenticated")


class Asker(Protocol):
    """What is needed of the client."""

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """One object. Raises NotFound."""

    async def allows(
        self, user: str, groups: Sequence[str], verb: str, resource: Resource, key: tuple[str, str]
    ) -> bool:
        """Whether that user may do this to the object (namespace, name)."""


async def look_at_source(asker: Asker, picture: Picture) -> Picture:
    """The picture with the other environment, where the step under way asks one. Raises nothing.

    Nothing of a namespace is read that has not agreed: whoever may write a spec here learns no more of it than that.
    """
    observed = picture.observed
    asked = asked_source(observed.spec, observed.status)
    if asked is None:
        return picture
    try:
        async with asyncio.timeout(unseen.PATIENCE):
            found = await _look(asker, asked, observed.owner)
    except TimeoutError:
        found = SourceView("Unread", f"the API server did not answer within {unseen.PATIENCE:g} s")
    except Forbidden as error:
        found = SourceView("NoRight", str(error))
    except ApiError as error:
        found = SourceView("Unread", str(error))
    return replace(picture, observed=replace(observed, source=found))


async def _look(asker: Asker, asked: FromStep, owner: Owner) -> SourceView:
    key = (asked.namespace, asked.name or owner.name)
    if asked.namespace != owner.namespace:
        user = f"system:serviceaccount:{owner.namespace}:{account_name(owner.name)}"
        groups = (f"system:serviceaccounts:{owner.namespace}", *_EVERYBODY)
        if not await asker.allows(user, groups, PROMOTE_FROM, kinds.MODEL_DEPLOYMENT, key):
            return SourceView("NotAllowed")
    try:
        return source_view(await asker.get(kinds.MODEL_DEPLOYMENT, *key))
    except NotFound:
        return SourceView("Missing")


def source_view(raw: Mapping[str, Any]) -> SourceView:
    """The ModelDeployment as its own status has it. What that says in words that are not known counts as unread."""
    meta, status = views.metadata(raw), raw.get("status") or {}
    told = next((one for one in status.get("conditions") or () if one.get("type") == "Available"), None)
    try:
        active = ActiveStatus.parse(status["active"]) if status.get("active") else None
        available = Condition.parse(told) if told is not None else None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        return SourceView("Unread", f"its status is not as this operator knows it ({fault['msg']})")
    return SourceView(
        "Seen",
        active=active,
        available=available,
        current=status.get("observedGeneration") == meta.get("generation"),
        leaving=views.is_leaving(raw),
    )
