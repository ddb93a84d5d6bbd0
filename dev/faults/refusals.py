"""PURE: which of the operator's writes an admission webhook refuses, from the request that the API server sends it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Verb = Literal["CREATE", "UPDATE", "DELETE"]

SIDE: tuple[str, ...] = (
    "horizontalpodautoscalers",
    "poddisruptionbudgets",
    "networkpolicies",
    "serviceaccounts",
    "servicemonitors",
    "prometheusrules",
    "pods",
)
"""Side objects, and the annotation of pods: no promotion and no rollback may depend on any one of these writes."""
PACED: tuple[str, ...] = ("deployments", "deployments/scale")
"""Nothing begins without a Deployment, so it is refused now and then only."""
STATUSES: tuple[int, ...] = (403, 404, 409, 422, 429, 500)
"""A webhook may answer with any of these, and the API server passes it on. A 404 does not mean nothing is there."""


@dataclass(frozen=True)
class Write:
    """One write, as the API server asks about it before it carries it out."""

    verb: Verb
    resource: str
    """In the plural, with its subresource, for example `deployments/scale`."""
    name: str
    moves_traffic: bool = False
    """Whether it changes the selector of a Service."""


@dataclass(frozen=True)
class Plan:
    """What is refused while it is in force. The default refuses nothing."""

    side: float = 0.0
    """Share of the writes to side objects, 0 to 1; also of other writes to Services and of deletions of snapshots."""
    paced: float = 0.0
    """Share of the writes to Deployments, 0 to 1."""
    for_ever: frozenset[str] = frozenset()
    """Resources of which every write is refused."""
    moves_for: float = 0.0
    """Seconds for which each move of traffic is refused, from the first attempt at it."""


@dataclass(frozen=True)
class Refusal:
    """The answer: an HTTP status and a sentence."""

    status: int
    message: str


class Judge:
    """Draws the lots. The same seed and the same writes in the same order give the same refusals."""

    def __init__(self, seed: int, plan: Plan = Plan()) -> None:
        self._lots = random.Random(seed)
        self._first_move: float | None = None
        self.plan = plan

    def follow(self, plan: Plan) -> None:
        """Refuse by this plan from now on; a move of traffic has not been tried under it yet."""
        self.plan, self._first_move = plan, None

    def refusal(self, write: Write, now: float) -> Refusal | None:
        """Why this write is refused, or None. `now` is in seconds of any clock that only goes forward."""
        if write.moves_traffic:
            return self._held_move(write, now)
        if write.resource in self.plan.for_ever:
            return Refusal(422, f"{write.resource} {write.name} is refused for ever, as the scenario asks.")
        if self._lots.random() >= self._share(write):
            return None
        return Refusal(self._lots.choice(STATUSES), f"{write.resource} {write.name} is refused this time, by lot.")

    def _held_move(self, write: Write, now: float) -> Refusal | None:
        if self._first_move is None:
            self._first_move = now
        if now - self._first_move >= self.plan.moves_for:
            # The next move is held anew.
            self._first_move = None
            return None
        message = f"The selector of service {write.name} may not be changed for {self.plan.moves_for:g} s."
        return Refusal(403, message)

    def _share(self, write: Write) -> float:
        if write.resource in PACED:
            return self.plan.paced
        if write.resource == "controllerrevisions" and write.verb != "DELETE":
            # Without its snapshot no rollout begins: that write is not a side matter.
            return 0.0
        return self.plan.side


def parse(request: Mapping[str, Any]) -> Write:
    """The write that the `request` of an AdmissionReview is about."""
    parts = (request["resource"]["resource"], request.get("subResource"))
    resource = "/".join(part for part in parts if part)
    # A new Service has no clients yet: only a changed selector moves any.
    moves = (
        resource == "services"
        and request["operation"] == "UPDATE"
        and _selector(request, "object") != _selector(request, "oldObject")
    )
    return Write(request["operation"], resource, request.get("name") or "", moves)


def _selector(request: Mapping[str, Any], which: str) -> object:
    return ((request.get(which) or {}).get("spec") or {}).get("selector")


REFUSER = "verdigris.dev/refuser"
"""Label of every such configuration: one that a program has left, which was killed, refuses all and goes by this."""


def configuration(name: str, *, namespace: str, user: str, url: str, authority: str) -> dict[str, Any]:
    """The ValidatingWebhookConfiguration: asks `url` about the writes of `user` in one namespace, and of nobody else.

    `authority` is the certificate that vouches for the server, PEM in base64. Without an answer the write is refused.
    """
    rules = [
        _rule("autoscaling", ["horizontalpodautoscalers"]),
        _rule("policy", ["poddisruptionbudgets"]),
        _rule("networking.k8s.io", ["networkpolicies"]),
        _rule("monitoring.coreos.com", ["servicemonitors", "prometheusrules"]),
        _rule("", ["serviceaccounts", "services", "pods"]),
        _rule("apps", ["deployments", "deployments/scale", "controllerrevisions"]),
    ]
    webhook = {
        "name": "refuser.verdigris.dev",
        "clientConfig": {"url": url, "caBundle": authority},
        "rules": rules,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        # Nobody else's write may wait for a program that a test has started.
        "matchConditions": [{"name": "the-operator", "expression": f"request.userInfo.username == '{user}'"}],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name, "labels": {REFUSER: ""}},
        "webhooks": [webhook],
    }


def _rule(group: str, resources: list[str]) -> dict[str, Any]:
    operations = ["CREATE", "UPDATE", "DELETE"]
    return {"apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": resources}
