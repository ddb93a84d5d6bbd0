"""The fake API server, with what a cluster around it needs: watches, graceful ends, owners' garbage, and the past."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from tests.runtime.fake_api import FakeApi, Json
from tests.runtime.fake_fields import json_copy, updated

Ref = tuple[str, str, str]
"""Kind, namespace, name."""
Listener = Callable[[str, Json], None]
"""Told of each change: ADDED, MODIFIED or DELETED, and the object as it is then (not to be changed)."""

STAMP = "%Y-%m-%dT%H:%M:%SZ"


class Server(FakeApi):
    """Objects change by calls alone, never by hand. `now` is the one clock of the simulation."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.listeners: list[Listener] = []
        self.changes = 0
        self.changed_at: dict[str, datetime] = {}
        """When an object of a kind changed last."""
        self._past: defaultdict[Ref, list[tuple[datetime, Json | None]]] = defaultdict(list)

    def notice(self) -> None:
        """Nothing changes by hand here, and comparing all objects at each call takes longer than the call."""

    def shown(self, raw: Json) -> Json:
        """The object itself: copies of all that is read took a tenth of a run. `changed_by_readers` looks after it."""
        return raw

    def changed_by_readers(self) -> list[Ref]:
        """What somebody has changed in an answer, and so in the server itself. Nobody may."""
        return [ref for ref, raw in self.objects.items() if raw != self._known[ref]]

    def put(self, raw: Json) -> Json:  # type: ignore[override]
        """As `FakeApi.put`, and whoever watches is told."""
        made = super().put(raw)
        ref = ref_of(made)
        self._tell("ADDED", ref, self.objects[ref])
        return made

    def change(self, ref: Ref, edit: Callable[[Json], None], manager: str) -> None:
        """Let somebody edit an object as `kubectl edit` does: version, generation and record follow."""
        live = self.objects[ref]
        wanted = json_copy(live)
        edit(wanted)
        self._store(ref, updated(live, wanted, manager))

    def set_status(self, ref: Ref, status: Json) -> None:
        """What a controller writes to the status of its object; nothing when it is that already."""
        live = self.objects[ref]
        if live.get("status") != status:
            self._store(ref, {**live, "status": status})

    def remove(self, ref: Ref) -> None:
        """What a deletion does: a pod ends in its own time, everything else is gone."""
        self._remove(ref)

    def end(self, ref: Ref) -> None:
        """The object is gone at once: its kubelet, or whoever held it, is through with it."""
        gone = self.objects.pop(ref)
        self._tell("DELETED", ref, gone)

    def collect_garbage(self) -> None:
        """Delete what has owners, none of which is there any more."""
        uids = {raw["metadata"]["uid"] for raw in self.objects.values()}
        for ref, raw in list(self.objects.items()):
            owners = raw["metadata"].get("ownerReferences") or ()
            if owners and not any(owner["uid"] in uids for owner in owners):
                self._remove(ref)

    def as_of(self, kind: str, at: datetime) -> dict[Ref, Json]:
        """The objects of a kind as they were then."""
        found = {}
        for ref, states in self._past.items():
            then = [raw for time, raw in states if time <= at]
            if ref[0] == kind and then and then[-1] is not None:
                found[ref] = then[-1]
        return found

    def of(self, kind: str) -> list[Json]:
        """The live objects of a kind themselves, in the order of their names: to look at, not to change."""
        return [raw for ref, raw in sorted(self.objects.items()) if ref[0] == kind]

    def _store(self, ref: Ref, raw: Json) -> Json:
        before = self.objects[ref]
        answer = super()._store(ref, raw)
        if self.objects[ref] is not before:
            self._tell("MODIFIED", ref, self.objects[ref])
        return answer

    def _remove(self, ref: Ref) -> None:
        """A pod is marked, and its kubelet ends it."""
        live = self.objects[ref]
        if ref[0] != "Pod":
            self.end(ref)
        elif "deletionTimestamp" not in live["metadata"]:
            mark = self.now().strftime(STAMP)
            self._store(ref, {**live, "metadata": {**live["metadata"], "deletionTimestamp": mark}})

    def _tell(self, event: str, ref: Ref, raw: Json) -> None:
        self.changes += 1
        self.changed_at[ref[0]] = self.now()
        self._past[ref].append((self.now(), None if event == "DELETED" else raw))
        for listener in list(self.listeners):
            listener(event, raw)


def ref_of(raw: Json) -> Ref:
    """Where the server has it."""
    return raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"]
