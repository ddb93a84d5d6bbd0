"""Models as the operator's own plan leaves them in the simulated cluster, as documents of the API server."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache, wraps
from pathlib import Path
from typing import Any, NamedTuple

from tests.rollout.parts import START, Version, spec
from tests.rollout.world import World, serving
from verdigris.api.status import ModelDeploymentStatus
from verdigris.children.names import COLOR_LABEL, MODEL_LABEL, REVISION_LABEL
from verdigris.cli.model.pods import pod_of
from verdigris.cli.model.read import model_of
from verdigris.cli.views.tree import Picture
from verdigris.core.facts.observed import PodView


class Scene(NamedTuple):
    """A ModelDeployment document, its pods' documents, and the time."""

    model: dict[str, Any]
    pods: list[dict[str, Any]]
    now: datetime

    @property
    def picture(self) -> Picture:
        """As the command line reads it."""
        return Picture(model_of(self.model), tuple(pod_of(one) for one in self.pods))


def scene(world: World) -> Scene:
    """What is in the cluster now."""
    return Scene(model(world), [pod(view) for view in world.observe().pods], world.now)


def model(world: World) -> dict[str, Any]:
    """The ModelDeployment."""
    return document(world.spec.dump(), world.status, world.generation)


def document(spec: dict[str, Any], status: ModelDeploymentStatus, generation: int = 1) -> dict[str, Any]:
    """A ModelDeployment with this status, of the tests' usual name."""
    meta = {"name": "diabetes", "namespace": "clinic", "uid": "uid-1", "generation": generation}
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {**meta, "creationTimestamp": stamp(START), "resourceVersion": "7"},
        "spec": spec,
        "status": status.dump(),
    }


def stamp(at: datetime) -> str:
    """As the API server writes a time."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(view: PodView) -> dict[str, Any]:
    """A pod that the operator would see so."""
    ready = {"type": "Ready", "status": "True" if view.ready else "False"}
    waiting = {} if view.ready else {"state": {"waiting": {"reason": "ContainerCreating"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": view.name,
            "namespace": "clinic",
            "creationTimestamp": stamp(view.created),
            "labels": {MODEL_LABEL: "diabetes", COLOR_LABEL: view.color, REVISION_LABEL: view.revision},
        },
        "spec": {"nodeName": view.node},
        "status": {"phase": "Running", "conditions": [ready], "containerStatuses": [{"name": "server", **waiting}]},
    }


def rolling_out(behaviour: Version | None = None, **rollout: Any) -> World:
    """Version 1.1.0 has been applied beside 1.0.0, which serves."""
    world = serving("1.0.0")
    world.versions["1.1.0"] = behaviour or Version()
    return world.apply(spec("1.1.0", rollout={"shield": True, **rollout}))


def until(world: World, so: Callable[[ModelDeploymentStatus], bool]) -> World:
    """Let time pass until it is so."""
    for _ in range(600):
        if so(world.status):
            return world
        world.run(1)
    raise AssertionError(f"it never came: {world.status.rollout}")


def at(stage: str) -> Callable[[ModelDeploymentStatus], bool]:
    """Whether the rollout is there."""
    return lambda status: status.rollout is not None and status.rollout.stage == stage


def over(status: ModelDeploymentStatus) -> bool:
    """Whether the last rollout has ended."""
    return status.rollout is None and bool(status.history)


def once(make: Callable[[], Scene]) -> Callable[[], Scene]:
    """The same scene at each call, made once; each caller has a copy of its own to change."""
    made = cache(make)

    @wraps(make)
    def copied() -> Scene:
        return copy.deepcopy(made())

    return copied


@once
def healthy() -> Scene:
    """One version serves."""
    return scene(serving("1.0.0"))


@once
def on_trial() -> Scene:
    """Canary's second weight, with some requests seen."""
    world = until(rolling_out(strategy="Canary"), lambda s: s.rollout is not None and s.rollout.passed_on == 1000)
    return scene(world.run(8))


@once
def waiting() -> Scene:
    """It waits for somebody's approval."""
    return scene(until(rolling_out(approval="Required"), at("AwaitingApproval")).run(3))


@once
def rejected() -> Scene:
    """It failed half of its requests, and was taken back."""
    world = until(rolling_out(Version(error_rate=0.5)), lambda s: bool(s.rejected) and s.rollout is None)
    return scene(world.run(2))


@once
def blind() -> Scene:
    """Prometheus went away in the midst of a trial."""
    world = until(rolling_out(), at("OnTrial")).run(5)
    world.prometheus_down = True
    return scene(world.run(10))


@once
def promoted() -> Scene:
    """It was good, and the version before is warm."""
    return scene(until(rolling_out(), lambda s: s.active is not None and s.active.version == "1.1.0").run(2))


def crowded(base: Scene, number: int = 500, unwell: int = 3) -> Scene:
    """The same model with many pods, a few of which do not get an image."""
    blue = next(one for one in base.pods if one["metadata"]["labels"][COLOR_LABEL] == "blue")
    pods = [_copy(blue, place) for place in range(number)]
    for one in pods[:unwell]:
        one["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image registry.example.com/model:2"}
        one["status"]["containerStatuses"] = [{"name": "server", "restartCount": 2, "state": {"waiting": waiting}}]
    return base._replace(pods=pods)


def _copy(one: dict[str, Any], place: int) -> dict[str, Any]:
    meta = {**one["metadata"], "name": f"diabetes-blue-5c8-{place:05}"}
    return {**one, "metadata": meta, "status": {**one["status"]}}


SCENES: dict[str, Callable[[], Scene]] = {
    "healthy": healthy,
    "on_trial": on_trial,
    "waiting": waiting,
    "rejected": rejected,
    "blind": blind,
    "promoted": promoted,
    "crowd": lambda: crowded(on_trial()),
}
RECORDED = Path(__file__).with_name("recorded")
"""The same scenes as files, for the golden pictures: a change of the plan must not change how things look."""


def recorded(name: str) -> Scene:
    """A scene as it was when it was recorded."""
    if name == "crowd":
        return crowded(recorded("on_trial"))
    kept = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return Scene(kept["model"], kept["pods"], datetime.fromisoformat(kept["now"]))


def record() -> None:
    """Write the files anew."""
    RECORDED.mkdir(exist_ok=True)
    for name, make in SCENES.items():
        if name != "crowd":
            one = make()
            kept = {"now": one.now.isoformat(), "model": one.model, "pods": one.pods}
            (RECORDED / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def later(one: Scene, seconds: float) -> datetime:
    """So much after the scene."""
    return one.now + timedelta(seconds=seconds)


def names(things: Iterable[dict[str, Any]]) -> list[str]:
    """Of some objects."""
    return [str(one["metadata"]["name"]) for one in things]


if __name__ == "__main__":
    record()
