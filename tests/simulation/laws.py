"""The laws (docs/laws.md), looked after at every change of an object and at every second. A breach is a sentence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.runtime.fake_api import Json
from tests.simulation.controllers import Behaviour
from tests.simulation.objects import color_of, is_ending, is_ready, labels_of
from tests.simulation.step_laws import StepLaws
from verdigris.children.names import COLOR_LABEL, COLORS, MODEL_LABEL, REVISION_LABEL
from verdigris.core.steps.gate import KIND_OF

if TYPE_CHECKING:
    from tests.simulation.world import World

BAD = 0.2
"""A version that fails clients at this rate or a higher one, or answers so many rows otherwise, is bad."""
UNSEEN = {
    "NoEvidence",
    "NoSamples",
    "NotWatched",
    "PrometheusUnreachable",
    "CandidateNotScraped",
    "ClocksDiffer",
    "NotCompared",
    "NotPassedOn",
    "ScrapedTwice",
    "SourceMissing",
    "SourceNotAllowed",
    "SourceNotHealthy",
    "SourceServesOther",
    "SourceUnread",
    "TooFewRequests",
    "TooFewRows",
}
EVIDENCE = {
    *(f"{kind}GateFailed" for kind in KIND_OF.values()),
    "ErrorRateDoubled",
    "ErrorRateTooHigh",
    "ShadowDisagrees",
    *UNSEEN,
}
"""Reasons of a rejection that no good version may earn, unless the spec says when those of what is unseen may."""
STOPS_WITHIN = 25.0
"""Seconds within which a version is asked no more, whatever happens once to the write that says so."""


class Laws:
    """Looks at one world. `broken` has each breach once, with the second of the first time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.broken: dict[str, float] = {}
        self.downtime = False
        """Whether the workload has declared that nobody need answer for a while (strategy Recreate, a deletion)."""
        self._steps = StepLaws(world, self.breach)
        self._were_good: set[str] = set()
        """Versions that were not bad while they were active."""
        self._reached: frozenset[str] = frozenset()
        self._taken_back: set[str] = set()
        """Revisions whose clients were taken away because they were rejected."""
        self._on_trial: str | None = None
        self._asked: Counter[str] = Counter()
        self._out_of_turn: dict[str, float] = {}
        """Since when a revision has been asked that was not on trial."""

    def breach(self, what: str) -> None:
        """A law is broken."""
        self.broken.setdefault(what, self._world.seconds())

    def changed(self, event: str, raw: Json) -> None:
        """An object was made, changed or removed."""
        if event != "DELETED":
            self._steps.changed(raw)
        if raw["kind"] == "Service" and raw["metadata"]["name"] == "diabetes" and event != "DELETED":
            self._moved(raw)
        elif event == "DELETED" and raw["kind"] == "Deployment" and self._world.model and not self.downtime:
            self._removed(raw)
        elif "foreign" in labels_of(raw) and event != "ADDED":
            self.breach(
                f"law 14: {raw['kind']} {raw['metadata']['name']}, which is somebody else's, was {event.lower()}"
            )

    def second(self) -> None:
        """Another second has passed."""
        self._steps.second()
        self._nobody_is_lost()
        self._old_is_kept()
        self._no_bad_version_is_active()
        self._no_good_version_is_rejected()
        self._no_answer_depends_on_a_trial()
        self._asked_while_on_trial()
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

    def _no_bad_version_is_active(self) -> None:
        """Law 3: no evidence promotes nothing, unless somebody has said so. A version may turn bad later."""
        active = self._world.status.get("active")
        if active is None or not self._is_bad(active["version"]) or active["version"] in self._were_good:
            self._were_good |= {active["version"]} if active is not None else set()
            return
        decisions = self._world.server.of("RolloutDecision")
        if not any(d["spec"]["verb"] == "promote" and d["spec"]["revision"] == active["revision"] for d in decisions):
            self.breach(f"law 3: version {active['version']} is bad, and was promoted")

    def _no_good_version_is_rejected(self) -> None:
        """Laws 3 and 17: by evidence that is not there, or that others have caused."""
        declared = "inconclusiveDeadline" in self._world.model.get("spec", {}).get("rollout", {})
        for entry in self._world.status.get("rejected") or ():
            if self._is_bad(entry["version"]) or entry["reason"] not in EVIDENCE - (UNSEEN if declared else set()):
                continue
            self.breach(f"law 3: version {entry['version']} is good, and was rejected: {entry['reason']}")

    def _is_bad(self, version: str) -> bool:
        how = self._world.controllers.behaviours.get(version, Behaviour())
        return how.fails_gates or max(how.fails_clients, how.disagrees) >= BAD

    def _no_answer_depends_on_a_trial(self) -> None:
        """Law 15: while the clients are to stay, the active pods answer, and stand behind what they pass on."""
        rollout, seconds = self._world.rollout or {}, self._world.clients.seconds
        tried = rollout.get("passedOn") or rollout.get("shadowed")
        on_trial = rollout.get("revision") if tried and not rollout.get("wanted") else None
        before, self._on_trial = self._on_trial, on_trial
        if on_trial is None or before != on_trial or not seconds:
            return
        if on_trial in seconds[-1].by:
            self.breach(f"law 15: clients reached revision {on_trial} itself while it was on trial")
        elif seconds[-1].bad:
            self.breach(f"law 15: clients got bad answers while revision {on_trial} was on trial")

    def _asked_while_on_trial(self) -> None:
        """Law 15: who is asked is on trial, and is asked no more soon after it is not."""
        asked, before = self._world.fronts.asked, self._asked
        self._asked = asked.copy()
        rollout = self._world.rollout or {}
        on_trial = rollout.get("revision") if rollout.get("passedOn") else None
        for revision in asked:
            if asked[revision] == before[revision] or revision == on_trial:
                self._out_of_turn.pop(revision, None)
                continue
            since = self._out_of_turn.setdefault(revision, self._world.seconds())
            fault = self._world.one.fault
            allowed = STOPS_WITHIN + (fault.takes if fault is not None else 0.0)
            if self._world.seconds() > since + allowed and not self._world.lasting:
                self.breach(f"law 15: revision {revision} is asked, and is not on trial")

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
