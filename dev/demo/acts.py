"""The acts of the demo: what a person does, what is waited for, and what is kept for the figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from dev.demo.figures import Act
from dev.demo.kube import Kube, whoami
from dev.demo.models import decision, model_deployment
from dev.demo.observer import Observer, WaitedInVainError
from dev.demo.setting import NAME, Setting
from dev.demo.spared import Spared
from dev.demo.timeline import READY, Timeline

READY_WITHIN, PROMOTED_WITHIN, ROLLED_BACK_WITHIN = 120.0, 120.0, 120.0
"""Seconds after which an act is given up."""
BASELINE = 15.0
"""Seconds for which clients use the first version before anything changes: whoever is compared needs a past."""
AFTERMATH = 5.0
"""Seconds that an act goes on after its end, so that what comes late is seen."""

SPEC: dict[str, Any] = {
    "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
    "rollout": {"bake": "20s", "progressDeadline": "60s", "keepWarm": "10m"},
    "analysis": {"interval": "1s"},
    "monitoring": {"serviceMonitor": {"interval": "5s"}},
}
"""Everything of the demo's ModelDeployment but the model."""


@dataclass(frozen=True)
class Show:
    """What the acts work with."""

    kube: Kube
    setting: Setting
    observer: Observer
    timeline: Timeline

    def apply(self, version: str, *, shield: bool = False) -> None:
        """`kubectl apply` that version; the manifest is left beside the report for whoever wants to read it."""
        rollout = SPEC["rollout"] if shield else {**SPEC["rollout"], "shield": False}
        manifest = model_deployment(NAME, self.setting.artifact(version), **{**SPEC, "rollout": rollout})
        path = self.setting.out / f"diabetes-{version}.yaml"
        path.write_text(yaml.safe_dump(manifest, sort_keys=False))
        self.kube.run("apply", "-f", str(path))

    def retry(self, run: int) -> None:
        """Ask for one more try of the version that was rejected last, as a person would: by a RolloutDecision."""
        rejected = self.observer.status["rejected"][-1]["revision"]
        self.kube.create(decision(f"retry-{run}", model=NAME, revision=rejected, verb="retry", by=whoami(self.kube)))


def first_version(show: Show, version: str) -> None:
    """The first version: nothing to compare with, nothing to lose. Raises WaitedInVainError."""
    show.timeline.act(f"kubectl apply: diabetes {version}, the first version", time.time())
    show.apply(version)
    if not show.observer.watch(f"{version} to be active", lambda: show.observer.active == version, READY_WITHIN):
        raise WaitedInVainError(f"version {version} did not become active within {READY_WITHIN:.0f} s")


def clients_start(show: Show, start: Callable[[], None], seconds: float = BASELINE) -> None:
    """The clients start, and nothing changes for a while. Raises WaitedInVainError when no request is answered."""
    start()
    observer = show.observer
    if not observer.watch("the first answer to a client", lambda: bool(observer.requests), READY_WITHIN):
        raise WaitedInVainError(f"no client got an answer within {READY_WITHIN:.0f} s: kubectl -n demo logs clients")
    observer.pass_time(seconds)


def good_version(show: Show, version: str) -> Act:
    """A good version is applied and promoted."""
    begin = _begin(show, f"kubectl apply: diabetes {version}, a good version")
    show.apply(version)
    observer = show.observer
    observer.watch(
        f"{version} to be promoted",
        lambda: observer.active == version and not observer.status.get("rollout"),
        PROMOTED_WITHIN,
    )
    return _end(show, "promotion", version, begin)


def bad_version(
    show: Show, version: str, title: str, begin_it: Callable[[], None], spared: Spared | None = None
) -> tuple[Act, bool]:
    """A bad version is begun in some way; the act, and whether it was rolled back. `spared` is read meanwhile."""
    begin = _begin(show, title)
    begin_it()
    observer = show.observer

    def rolled_back() -> bool:
        rollout, active = observer.status.get("rollout"), observer.status.get("active")
        if spared is not None and rollout and active:
            spared.read(active["revision"], rollout["revision"])
        return _decided(observer) >= begin and not rollout

    done = observer.watch(f"{version} to be rolled back", rolled_back, ROLLED_BACK_WITHIN)
    return _end(show, "rollback", version, begin), done


def _begin(show: Show, title: str) -> float:
    begin = time.time()
    show.observer.new_act()
    show.timeline.act(title, begin)
    return begin


def _end(show: Show, name: str, version: str, begin: float) -> Act:
    observer = show.observer
    observer.pass_time(AFTERMATH)
    back = observer.status.get("lastRollback") or {}
    decided = _decided(observer) if _decided(observer) >= begin else None
    return Act(
        name=name,
        version=version,
        begin=begin,
        end=time.time(),
        pods_created=observer.pods_created.get(version),
        ready=next((at for at, what in observer.marks if what == READY), None),
        decided=decided,
        restored=_unix(back.get("trafficRestoredAt")) if decided else None,
        marks=tuple(observer.marks),
    )


def _decided(observer: Observer) -> float:
    return _unix((observer.status.get("lastRollback") or {}).get("decidedAt")) or 0.0


def _unix(time_text: str | None) -> float | None:
    return datetime.fromisoformat(time_text).timestamp() if time_text else None
