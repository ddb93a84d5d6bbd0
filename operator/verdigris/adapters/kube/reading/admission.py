"""Whether the API server checks who makes a RolloutDecision: the chart's ValidatingAdmissionPolicy and its binding.

`spec.requestedBy` is what somebody wrote. It is true only because the policy compares it with the user of the request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, Protocol

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, NotFound
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.core.facts.answered import open_of
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.trust import GOES_ON

log = logging.getLogger(__name__)

State = Literal["InForce", "Missing", "Unknown", "NotRequired"]
STATES: tuple[State, ...] = ("InForce", "Missing", "Unknown", "NotRequired")

PROOFS = ("object.spec.requestedBy == request.userInfo.username", ".check(object.spec.verb).allowed()")
"""What the policy must demand: that the name is the user's own, and that RBAC lets the user do this."""
FRESH = 1.0
"""Seconds that an answer is used before it is asked for again: a policy that was just removed is missed at once."""
SELDOM = 600.0
"""The same where the operator has no right to ask: somebody may give it one."""


class Reader(Protocol):
    """The part of the client that is needed."""

    async def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any]:
        """One object. Raises NotFound."""


class Guard:
    """Knows whether decisions can be believed. `policy` is the name of policy and binding; None: not required."""

    def __init__(self, reader: Reader, policy: str | None, monotonic: Callable[[], float]) -> None:
        self._reader = reader
        self._policy = policy
        self._monotonic = monotonic
        self._asked_at = float("-inf")
        self._since: datetime | None = None
        self._may_look = True
        self.state: State = "Unknown" if policy else "NotRequired"
        self.sentence: str | None = None
        """What is wrong and what to do; None when nothing is."""

    async def look(self) -> str | None:
        """Why decisions cannot be believed, or None. What cannot be seen is not held against them, but told.

        Raises ApiError when the API server has no answer: then nobody knows, and the reconcile is tried again.
        """
        if self._policy is None:
            return None
        if self._monotonic() - self._asked_at >= (FRESH if self._may_look else SELDOM):
            self.state, self.sentence = await self._find(self._policy)
            self._asked_at = self._monotonic()
        return self.sentence if self.state == "Missing" else None

    async def _find(self, name: str) -> tuple[State, str | None]:
        try:
            policy = await self._reader.get(kinds.ADMISSION_POLICY, None, name)
            binding = await self._reader.get(kinds.ADMISSION_BINDING, None, name)
        except Forbidden:
            self._may_look = False
            return "Unknown", (
                f"the operator may not read the ValidatingAdmissionPolicy {name}, so it cannot tell whether the API "
                "server checks who makes decisions: keep the policy and its binding in place."
            )
        except NotFound as error:
            return "Missing", f"{error}. {_REPAIR.format(name=name)}"
        self._may_look = True
        self._since = max(views.time_of(views.metadata(one)["creationTimestamp"]) for one in (policy, binding))
        gap = _gap(policy.get("spec") or {}, binding.get("spec") or {}, name)
        return ("Missing", f"{gap}. {_REPAIR.format(name=name)}") if gap else ("InForce", None)

    async def vouch(self, observed: Observed) -> Observed:
        """With why the decisions in it cannot be believed, if so. While nobody knows, those that matter wait."""
        if not any(decision.verb in GOES_ON for decision in open_of(observed.decisions, observed.status)):
            return observed
        try:
            unguarded = await self.look()
            since = self._since if self.state == "InForce" else None
            return replace(observed, unguarded=unguarded, vouched_since=since)
        except ApiError as error:
            log.warning("decisions wait, as it cannot be told who made them: %s", error)
            others = tuple(decision for decision in observed.decisions if decision.verb not in GOES_ON)
            return replace(observed, decisions=others)

    async def check(self) -> str | None:
        """What a person who runs the operator should know; like `look`, and what could not be learnt is a sentence."""
        try:
            await self.look()
        except ApiError as error:
            return str(error)
        return self.sentence


_REPAIR = "Put the ValidatingAdmissionPolicy {name} and its binding back: helm upgrade does."


def _gap(policy: Mapping[str, Any], binding: Mapping[str, Any], name: str) -> str | None:
    """What the two leave open, as half a sentence; None when they let nobody decide in another's name."""
    said = [str(one.get("expression") or "") for one in policy.get("validations") or ()]
    matches = policy.get("matchConstraints") or {}
    narrowed = [key for key in ("namespaceSelector", "objectSelector", "excludeResourceRules") if matches.get(key)]
    if not all(any(proof in _plain(one) for one in said) for proof in map(_plain, PROOFS)):
        return f"the ValidatingAdmissionPolicy {name} does not demand that requestedBy is the user and may do this"
    if policy.get("failurePolicy") == "Ignore" or policy.get("matchConditions") or narrowed:
        return f"the ValidatingAdmissionPolicy {name} lets some decisions through unchecked"
    if binding.get("policyName") != name or "Deny" not in (binding.get("validationActions") or ()):
        return f"the ValidatingAdmissionPolicyBinding {name} does not deny what the policy {name} refuses"
    if binding.get("matchResources"):
        return f"the ValidatingAdmissionPolicyBinding {name} covers only some namespaces or objects"
    return None


def _plain(expression: str) -> str:
    return "".join(expression.split())
