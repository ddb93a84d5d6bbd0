"""A reconciler on a fake API with the real plan, and the words that its tests are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.runtime.fake_api import FakeApi
from tests.runtime.fake_fields import json_copy
from tests.runtime.raws import KEY, endpoint_slice, parent, pod
from tests.runtime.test_queue import Clock
from verdigris.adapters.kube.reading.admission import Guard
from verdigris.adapters.kube.reading.memory import Memory, Remembered
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.reading.survey import Surveyor
from verdigris.adapters.kube.reading.watches import Filter
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.adapters.kube.transport.kinds import HTTP_ROUTE, MODEL_DEPLOYMENT, ROLLOUT_DECISION, WATCHED
from verdigris.adapters.kube.writing.events import Recorder
from verdigris.adapters.prometheus.port import UsageSource
from verdigris.app.aliases import AliasDesk
from verdigris.app.metrics import Metrics
from verdigris.app.reconcile import Reconciler, Result
from verdigris.app.report import Saw
from verdigris.app.tags import TagDesk
from verdigris.children.names import MODEL_LABEL, Defaults
from verdigris.core.facts.evidence import Evidence, Question, Usage, UsageQuestion


class NoEvidence:
    """A Prometheus that is away."""

    async def gather(self, question: Question) -> Evidence:
        return Evidence(problem=f"nobody answers at {question.address}")

    async def usage(self, question: UsageQuestion) -> Usage:
        return Usage(problem=f"nobody answers at {question.address}")


class Watched(Memory):
    """A memory to which the watches have told everything before a look begins, unless a test says that it is `deaf`."""

    def __init__(self, api: FakeApi, clock: Callable[[], float]) -> None:
        super().__init__(api, clock)
        self.deaf = False
        self.events = Filter(lambda *_: None, self.hear)
        self._api = api
        self._told: dict[str, dict[str, Any]] = {}

    def recall(self, key: Key) -> Remembered | None:
        self.deliver()
        return super().recall(key)

    def deliver(self) -> None:
        """Tell what has changed since the last time, as far as it is watched; a deaf watch loses it."""
        self._api.notice()
        before, now = self._told, {}
        for raw in filter(is_watched, self._api.objects.values()):
            known = before.get(raw["metadata"]["uid"])
            # Copying all of a large cluster at each look would take longer than the looks.
            now[raw["metadata"]["uid"]] = known if known and _version(known) == _version(raw) else json_copy(raw)
        self._told = now
        if self.deaf:
            return
        for uid in before.keys() - now.keys():
            self.events.take("DELETED", before[uid])
        for uid, raw in now.items():
            if uid not in before:
                self.events.take("ADDED", raw)
            elif _version(before[uid]) != _version(raw):
                self.events.take("MODIFIED", raw)


def _version(raw: Mapping[str, Any]) -> str:
    return str(raw["metadata"]["resourceVersion"])


def is_watched(raw: Mapping[str, Any]) -> bool:
    """By kind, and by the label that the watches select by: what loses it is gone for them."""
    if raw["kind"] == HTTP_ROUTE.kind:
        return True
    labeled = MODEL_LABEL in (raw["metadata"].get("labels") or {})
    return raw["kind"] in (MODEL_DEPLOYMENT.kind, ROLLOUT_DECISION.kind) or (
        labeled and raw["kind"] in {resource.kind for resource in WATCHED}
    )


class Stage:
    """A reconciler on a fake API, and a clock that only tests move."""

    def __init__(
        self,
        usage: UsageSource | None = None,
        *,
        policy: str | None = None,
        on_gone: Callable[[Key], None] = lambda _: None,
        aliases: AliasDesk | None = None,
        tags: TagDesk | None = None,
        saw: Saw | None = None,
    ) -> None:
        self.api = FakeApi()
        self.api.put(parent())
        self.now = datetime(2026, 11, 23, 10, tzinfo=UTC)
        self.metrics = Metrics(lambda: self.now)
        self.memory = Watched(self.api, self.seconds)
        self.reconciler = Reconciler(
            client=self.api,  # type: ignore[arg-type]
            evidence=NoEvidence(),
            usage=usage or NoEvidence(),
            recorder=Recorder(self.api, Clock(), lambda: self.now, "host"),
            metrics=self.metrics,
            defaults=Defaults("verdigris/serving:0.1.0", "http://prometheus"),
            memory=self.memory,
            surveyor=Surveyor(self.api, self.seconds, lambda: self.now),
            guard=Guard(self.api, policy, self.seconds),
            now=lambda: self.now,
            on_gone=on_gone,
            aliases=aliases,
            tags=tags,
            saw=saw,
        )

    def seconds(self) -> float:
        """The clock as a monotonic one."""
        return self.now.timestamp()

    def to(self, seconds: float) -> None:
        """Move the clock to this time, never back, and a microsecond on: what is due then is due."""
        self.now = max(self.now, datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=1))

    def take_over(self, other: Stage) -> None:
        """Lead where the other stage has led: the same cluster, and nothing of what it had in memory."""
        self.api.objects.clear()
        self.api.objects.update(other.api.objects)
        self.now = other.now

    async def reconcile(self, times: int = 1) -> Result:
        result = Result()
        for _ in range(times):
            result = await self.reconciler.reconcile(KEY)
            self.now += timedelta(seconds=1)
        return result

    def let_pods_start(self) -> None:
        """Do what the Deployment and EndpointSlice controllers would."""
        raw = self.api.at("Deployment", KEY.namespace, "diabetes-blue")
        revision = raw["spec"]["template"]["metadata"]["labels"]["verdigris.dev/revision"]
        for number in range(raw["spec"]["replicas"]):
            self.api.put(pod(f"p{number}", revision=revision))
        self.api.put(endpoint_slice("diabetes-blue", *[True] * raw["spec"]["replicas"]))

    def condition(self, kind: str) -> tuple[str, str]:
        conditions = self.api.at("ModelDeployment", *KEY)["status"]["conditions"]
        return next((c["status"], c["reason"]) for c in conditions if c["type"] == kind)

    def message(self, kind: str) -> str:
        conditions = self.api.at("ModelDeployment", *KEY)["status"]["conditions"]
        return next(str(c["message"]) for c in conditions if c["type"] == kind)

    def refuse(self, kind: str, error: ApiError) -> None:
        self.api.fault = lambda verb, called, _: error if called == kind and verb not in ("get", "list") else None

    @property
    def told(self) -> set[str]:
        return {raw["reason"] for (kind, _, _), raw in self.api.objects.items() if kind == "Event"}


async def settled(stage: Stage) -> None:
    await stage.reconcile()
    stage.let_pods_start()
    await stage.reconcile(6)
    assert stage.condition("Ready") == ("True", "Active")
