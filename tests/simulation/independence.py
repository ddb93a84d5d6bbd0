"""Path independence: whatever went before, a spec ends as it does where it is the only one that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.runtime import virtual
from tests.runtime.fake_api import Json
from tests.simulation.edits import BY_NAME, Edit, as_asked, rejected
from tests.simulation.ends import differences, end_of
from tests.simulation.parts import Workload
from tests.simulation.world import World
from verdigris.children.names import APPLIED_ANNOTATION, KIND

_OF_THE_PAST = (KIND, "RolloutDecision", "ControllerRevision")
_OF_ACTIVE = ("version", "revision", "minReplicas", "maxReplicas")


def essence_of(world: World) -> Json:
    """The end of a run without what tells of the way to it: no colours by name, nothing of what went before."""
    active = world.status["active"]
    other = "green" if active["color"] == "blue" else "blue"
    end = {name: part for name, part in end_of(world.server).items() if name.split()[0] not in _OF_THE_PAST}
    for part in end.values():
        if isinstance(part, dict) and "metadata" in part:
            part["metadata"]["annotations"].pop(APPLIED_ANNOTATION, None)
    end["Pods"] = [pod for pod in end["Pods"] if "None" not in pod.split()[1]]
    text = re.sub(rf"\b{active['color']}\b", "active", json.dumps(end))
    essence: Json = json.loads(re.sub(rf"\b{other}\b", "other", text))
    essence["active"] = {name: active.get(name) for name in _OF_ACTIVE}
    essence["rejected"] = world.model["spec"]["model"]["version"] in rejected(world)
    return essence


def asked_for(world: World, edit: Edit) -> Json:
    """What came of an edit, for `differs` to look at: also from a process that has ended by then."""
    behaves = {version: vars(how) for version, how in world.controllers.behaviours.items()}
    return {"edit": edit.name, "spec": world.model["spec"], "behaves": behaves, "essence": essence_of(world)}


class Independence:
    """Plays each spec once, directly, and compares."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._direct: dict[str, Json] = {}

    def alone(self, asked: Mapping[str, Any]) -> Json:
        """The end where this spec was asked for alone."""
        about = json.dumps([asked["spec"], asked["behaves"]], sort_keys=True)
        if about not in self._direct:
            self._direct[about] = virtual.run(self._play(asked))
        return self._direct[about]

    def differs(self, asked: Mapping[str, Any]) -> list[str]:
        """One sentence for each thing that is not as it is where this spec was asked for alone."""
        direct = self.alone(asked)
        if direct["rejected"] != asked["essence"]["rejected"]:
            return [f"rejected is {asked['essence']['rejected']}, asked for alone it is {direct['rejected']}"]
        if direct["rejected"] and direct["active"] != asked["essence"]["active"]:
            # Which version stays depends on which was active, as it should.
            return []
        return [f"asked for alone: {what}" for what in differences(direct, asked["essence"])]

    async def _play(self, asked: Mapping[str, Any]) -> Json:
        world, edit = World(), BY_NAME[asked["edit"]]
        world.begin()
        try:
            await self._workload.prepare(world)
            for version, how in asked["behaves"].items():
                world.behave(version, **how)
            world.laws.downtime = edit.downtime
            world.apply(asked["spec"])
            await as_asked(world, edit)
            return essence_of(world)
        finally:
            world.end()
