"""The laws (docs/laws.md), looked after at every change of an object and at every second. A breach is a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.runtime.fake_api import Json
from tests.simulation.objects import color_of, is_ending, is_ready, labels_of
from verdigris.children.names import COLOR_LABEL, COLORS, MODEL_LABEL, REVISION_LABEL

if TYPE_CHECKING:
    from tests.simulation.world import World


class Laws:
    """Looks at one world. `broken` has each breach once, with the second of the first time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.broken: dict[str, float] = {}
        self.downtime = False
        """Whether the workload has declared that nobody need answer for a while (strategy Recreate, a deletion)."""
        self._reached: frozenset[str] = frozenset()
        self._taken_back: set[str] = set()
        """Revisions whose clients were taken away because they were rejected."""

    def breach(self, what: str) -> None:
        """A law is broken."""
        self.broken.setdefault(what, self._world.seconds())

    def changed(self, event: str, raw: Json) -> None:
        """An object was made, changed or removed."""
        if raw["kind"] == "Service" and raw["metadata"]["name"] == "diabetes" and event != "DELETED":
            self._moved(raw)
        elif event == "DELETED" and raw["kind"] == "Deployment" and self._world.model and not self.downtime:
            self._removed(raw)
        elif raw["metadata"]["namespace"] == "clinic" and "foreign" in labels_of(raw) and event != "ADDED":
            self.breach(
                f"law 14: {raw['kind']} {raw['metadata']['name']}, which is somebody else's, was {event.lower()}"
            )

    def second(self) -> None:
        """Another second has passed."""
        self._nobody_is_lost()
        self._old_is_kept()
        self._a_rejected_version_has_no_clients()

    def sent(self, moves: list[tuple[str, Json]]) -> None:
        """Law 13, of all that a process has sent to move clients."""
        for name, body in moves:
            if name == "diabetes" and (set(body) - {"metadata"} != {"spec"} or set(body["spec"]) != {"selector"}):
                self.breach(
                    f"law 13: more than the selector was written with a move of clients: {sorted(body['spec'])}"
                )

    def _moved(self, service: Json) -> None:
        """Laws 2 and 6, at the very move."""
        color = (service["spec"].get("selector") or {}).get(COLOR_LABEL)
        reached = frozenset(COLORS if color is None else (color,))
        before, self._reached = self._reached, reached
        if reached == before or not before:
            return
        if not self._ready(reached) and self._ready(before) and not self.downtime:
            self.breach(f"law 2: clients were moved to {_named(reached)}, where nobody is ready, from pods that are")
        for revision in self._revisions(reached - before) & self._rejected():
            self.breach(f"law 6: clients were moved to revision {revision}, which was rejected")

    def _removed(self, deployment: Json) -> None:
        color = labels_of(deployment).get(COLOR_LABEL)
        if color in self._reached:
            self.breach(f"law 10: the Deployment of {color} was removed while its colour had the clients")

    def _nobody_is_lost(self) -> None:
        seconds = self._world.clients.seconds
        if seconds and seconds[-1].lost and not self.downtime and self._world.active and self._has_served():
            self.breach("law 2: requests were lost")

    def _has_served(self) -> bool:
        return any(second.served for second in self._world.clients.seconds)

    def _old_is_kept(self) -> None:
        """While a candidate has all the clients, the active colour stands behind it (laws 1 and 2)."""
        rollout, active = self._world.rollout, self._world.status.get("active")
        if rollout is None or active is None or self.downtime or rollout.get("sizes"):
            return
        if self._reached == {rollout["color"]} and not self._ready(frozenset({active["color"]})):
            self.breach(
                f"law 1: there is nothing to go back to: no pod of {active['color']} is ready in {rollout['stage']}"
            )

    def _a_rejected_version_has_no_clients(self) -> None:
        """Law 6: some seconds after its clients were taken back a rejected version has none, ever again."""
        rejected = self._rejected()
        for revision in self._revisions(self._reached) & self._taken_back & rejected:
            self.breach(f"law 6: revision {revision} was rejected, and has clients again")
        self._taken_back |= rejected - self._revisions(self._reached)
        self._taken_back &= rejected

    def _rejected(self) -> set[str]:
        return {entry["revision"] for entry in self._world.status.get("rejected") or ()}

    def _ready(self, colors: frozenset[str]) -> int:
        return sum(is_ready(pod) and not is_ending(pod) for pod in self._pods(colors))

    def _revisions(self, colors: frozenset[str]) -> set[str]:
        return {labels_of(p)[REVISION_LABEL] for p in self._pods(colors) if is_ready(p) and not is_ending(p)}

    def _pods(self, colors: frozenset[str]) -> list[Json]:
        pods = self._world.server.of("Pod")
        return [pod for pod in pods if MODEL_LABEL in labels_of(pod) and color_of(pod) in colors]


def _named(colors: frozenset[str]) -> str:
    return " and ".join(sorted(colors))
