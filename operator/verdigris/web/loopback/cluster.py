"""The cluster as the caller of kubectl may see it. Each method runs kubectl and waits: a request has its own thread."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from verdigris.cli import asking
from verdigris.cli.documents import Documents
from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Asked, Document, Kubectl
from verdigris.cli.model import checks
from verdigris.cli.model.reading import part, parts
from verdigris.cli.names import DECISIONS, OPERATOR_LABELS
from verdigris.cli.refusals import NotFound, Refused, Unreachable
from verdigris.web.port import Away, Denied, Fleet, Key, Look, Missing, Right, Trouble
from verdigris.web.store import Store
from verdigris.web.timeline import Measured, Span, questions, read

FRESH = 10.0
"""Seconds for which an answer about rights is believed."""
_KEPT = 2000
_KINDS = {"pods": "pods", "children": "deployments,services", "decisions": DECISIONS}
_PURPOSES = {"pods": "to show its pods", "children": "to compare them", "decisions": "to show who decided what"}


class KubectlCluster:
    """A `port.Cluster` for one person. `kubectl` has no namespace of its own; `told`: what the list leaves out."""

    def __init__(
        self,
        kubectl: Kubectl,
        store: Store,
        person: str,
        told: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kubectl = kubectl
        self._store = store
        self._told = told
        self._clock = clock
        self._lock = threading.Lock()
        self._rights: dict[Right, tuple[float, bool]] = {}
        self._prometheus: tuple[str, Mapping[str, str]] | None = None
        self.person = person

    async def fleet(self) -> Fleet:
        """All models that the watch has told of."""
        return Fleet(self._store.models(lambda _: True), (*self._told, *self._old()))

    async def look(self, key: Key) -> Look:
        """The model as the watch has it, and the rest as it is now."""
        model = self._store.get(key)
        if model is None:
            raise Missing(f"There is no model {key.name} in namespace {key.namespace}, or you may not see it.")
        answers = self._kubectl.documents([_of_model(what, key) for what in _KINDS])
        seen = dict(zip(_KINDS, answers))
        unseen = {what: str(one) for what, one in seen.items() if isinstance(one, CliError)}

        def items(what: str) -> tuple[Document, ...] | None:
            one = seen[what]
            return None if isinstance(one, CliError) else tuple(parts(one, "items"))

        return Look(
            model=model,
            pods=items("pods"),
            children=items("children"),
            decisions=items("decisions"),
            unseen=unseen,
            seen=self._store.seen(key),
            told=self._old(),
        )

    async def may(self, rights: Sequence[Right]) -> Sequence[bool]:
        """Asked of the API server, all that are not known in one kubectl."""
        now = self._clock()
        with self._lock:
            known = {one: may for one, (at, may) in self._rights.items() if now - at < FRESH}
        wanted = [one for one in dict.fromkeys(rights) if one not in known]
        if wanted:
            fresh = dict(zip(wanted, self._reviewed(wanted)))
            known.update(fresh)
            with self._lock:
                if len(self._rights) > _KEPT:
                    self._rights.clear()
                self._rights.update({one: (now, may) for one, may in fresh.items()})
        return [known[one] for one in rights]

    def _reviewed(self, rights: Sequence[Right]) -> list[bool]:
        reviews = [_review(one) for one in rights]
        listed = {"apiVersion": "v1", "kind": "List", "items": reviews}
        asked = Asked(("create", "-f", "-", "-o", "json"), "to know what you may decide", json.dumps(listed))
        answer = self._kubectl.attempts([asked])[0]
        if isinstance(answer, CliError):
            # Who may not even ask may decide nothing, as far as the page knows.
            return [False] * len(rights)
        # What was created is shown one after the other.
        read = Documents()
        found = [one for line in answer.splitlines(keepends=True) for one in read.feed(line)]
        allowed = [part(one, "status").get("allowed") is True for one in found]
        return allowed if len(allowed) == len(rights) else [False] * len(rights)

    async def measured(self, key: Key, span: Span) -> Measured:
        """By the API server's proxy, where the operator's Prometheus is a Service of the cluster."""
        try:
            base, matchers = self._address()
        except CliError as error:
            return Measured(problem=str(error))
        times = {"start": span.begin, "end": span.end, "step": span.step}
        asked = {
            name: asking.raw(f"{base}/query_range?{urlencode({'query': query, **times})}", "to ask Prometheus")
            for name, query in questions(key.namespace, key.name, span, matchers).items()
        }
        answers = self._kubectl.documents(list(asked.values()))
        try:
            found = {name: read(_document(one)) for name, one in zip(asked, answers)}
        except (CliError, ValueError) as error:
            return Measured(problem=str(error))
        return Measured(found["requests"], found["errors"])

    def _address(self) -> tuple[str, Mapping[str, str]]:
        """The path of the operator's own Prometheus, and the labels of every series there.

        Raises CliError with the sentence why there is none.
        """
        if self._prometheus is not None:
            return self._prometheus
        asked = asking.labelled("deployments", OPERATOR_LABELS, "to find the operator's Prometheus", everywhere=True)
        found = parts(_document(self._kubectl.documents([asked])[0]), "items")
        address = checks.setting(found[0], "VERDIGRIS_PROMETHEUS_ADDRESS") if found else ""
        if not address:
            raise CliError("the operator, or its setting prometheus.address, was not found in this cluster.")
        base = checks.behind_the_api(address, "/api/v1")
        if base is None:
            raise CliError(f"{address} is outside of the cluster, so the API server cannot pass questions on to it.")
        told = checks.setting(found[0], "VERDIGRIS_PROMETHEUS_MATCHERS")
        self._prometheus = base, dict(one.split("=", 1) for one in told.split(",") if "=" in one)
        return self._prometheus

    async def decide(self, document: Mapping[str, Any]) -> None:
        """By kubectl create, as the caller."""
        try:
            self._kubectl.document(asking.created(document, "to decide about a version", dry_run=False))
        except CliError as error:
            raise trouble(error) from error

    async def changed(self, since: int, key: Key | None, seconds: float) -> int:
        """Blocks this request's own thread."""
        return self._store.wait(since, visible(key), seconds)

    def _old(self) -> tuple[str, ...]:
        return (f"Not up to date: {self._store.away}",) if self._store.away else ()


def visible(key: Key | None) -> Callable[[Key], bool]:
    """Whether a change is one of this model (None: of any)."""
    if key is None:
        return lambda _: True
    return lambda one: one.namespace == key.namespace and one.name in (key.name, "")


def trouble(error: CliError) -> Trouble:
    """The same, in the words of the port."""
    kinds: tuple[tuple[type[CliError], type[Trouble]], ...] = (
        (Refused, Denied),
        (NotFound, Missing),
        (Unreachable, Away),
    )
    return next((ours for theirs, ours in kinds if isinstance(error, theirs)), Trouble)(str(error))


def _of_model(what: str, key: Key) -> Asked:
    where = f"--namespace={key.namespace}"
    asked = asking.everything(_KINDS[what], _PURPOSES[what])
    if what != "decisions":
        asked = asking.of_model(_KINDS[what], key.name, _PURPOSES[what])
    return Asked((*asked.arguments, where), asked.purpose)


def _review(right: Right) -> Mapping[str, Any]:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


def _document(answer: Document | CliError) -> Document:
    if isinstance(answer, CliError):
        raise answer
    return answer
