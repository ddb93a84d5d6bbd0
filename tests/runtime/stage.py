"""A reconciler on a fake API with the real plan, and the words that its tests are written in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, endpoint_slice, parent, pod
from tests.runtime.test_queue import Clock
from verdigris.cluster.errors import ApiError
from verdigris.cluster.events import Recorder
from verdigris.cluster.metrics import Metrics
from verdigris.cluster.reconcile import Reconciler, Result
from verdigris.cluster.survey import Surveyor
from verdigris.evidence.port import UsageSource
from verdigris.resources.names import Defaults
from verdigris.rollout.evidence import Evidence, Question, Usage, UsageQuestion


class NoEvidence:
    """A Prometheus that is away."""

    async def gather(self, question: Question) -> Evidence:
        return Evidence(problem=f"nobody answers at {question.address}")

    async def usage(self, question: UsageQuestion) -> Usage:
        return Usage(problem=f"nobody answers at {question.address}")


class Stage:
    """A reconciler on a fake API, and a clock that only tests move."""

    def __init__(self, usage: UsageSource | None = None) -> None:
        self.api = FakeApi()
        self.api.put(parent())
        self.now = datetime(2026, 11, 23, 10, tzinfo=UTC)
        self.metrics = Metrics(lambda: self.now)
        self.reconciler = Reconciler(
            client=self.api,  # type: ignore[arg-type]
            evidence=NoEvidence(),
            usage=usage or NoEvidence(),
            recorder=Recorder(self.api, Clock(), lambda: self.now, "host"),
            metrics=self.metrics,
            defaults=Defaults("verdigris/serving:0.1.0", "http://prometheus"),
            surveyor=Surveyor(self.api, self.seconds, lambda: self.now),
            now=lambda: self.now,
        )

    def seconds(self) -> float:
        """The clock as a monotonic one."""
        return self.now.timestamp()

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
