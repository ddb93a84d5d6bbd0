"""A model whose version is told to a registry, and the words that tests of telling it are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from tests.runtime.test_aliases import Pauses, settle
from verdigris.adapters.kube.reading.port import Key
from verdigris.api.status import Failure
from verdigris.app.tags import TagDesk
from verdigris.core.facts.served import Edit

TAG = "verdigris.serving.clinic.diabetes"
REFUSED = Failure(reason="RegistryRefused", message="The registry at x lets the operator change no tag (403).")


@dataclass
class FakeTags:
    """Versions of registered models with one tag, and what was written."""

    held: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    written: list[tuple[str, Edit]] = field(default_factory=list)
    refuses: Failure | None = None
    hides: str = ""
    """A registered model that the login may not read."""
    asked: int = 0

    async def tagged(self, model: str, tag: str) -> Mapping[str, str] | Failure:
        self.asked += 1
        if model == self.hides:
            return REFUSED
        return dict(self.held.get((model, tag), {}))

    async def edit(self, model: str, tag: str, edit: Edit) -> Failure | None:
        if self.refuses is not None:
            return self.refuses
        self.written.append((model, edit))
        held = self.held.setdefault((model, tag), {})
        held.pop(edit.number, None)
        if edit.value is not None:
            held[edit.number] = edit.value
        return None

    def numbers(self, model: str = "diabetes") -> list[str]:
        return sorted(self.held.get((model, TAG), {}))


def asks(stage: Stage, *, report: bool = True, uri: str = "models:/diabetes/1") -> None:
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"] |= {"uri": uri, "follow": {"alias": "champion", "every": "5m", "report": report}}
    stage.api.put(raw)


@dataclass
class Scene:
    """A model whose number 1 serves, and the desk that tells of it."""

    tags: FakeTags
    pauses: Pauses
    desk: TagDesk
    stage: Stage
    woken: list[Key]

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.stage.reconcile()
            await settle()

    async def end_pauses(self, times: int) -> None:
        for _ in range(times):
            await self.pauses.end()
            await self.look(1)


def led_anew(scene: Scene) -> Scene:
    """The same cluster and registry under another leader."""
    pauses, woken = Pauses(), list[Key]()
    desk = TagDesk(scene.tags, woken.append, pause=pauses)
    stage = Stage(tags=desk)
    stage.take_over(scene.stage)
    return Scene(scene.tags, pauses, desk, stage, woken)


async def serving(tags: FakeTags | None = None) -> Scene:
    tags, pauses, woken = tags or FakeTags(), Pauses(), list[Key]()
    desk = TagDesk(tags, woken.append, pause=pauses)
    stage = Stage(tags=desk)
    asks(stage)
    await settled(stage)
    scene = Scene(tags, pauses, desk, stage, woken)
    await scene.look(20)
    return scene
