"""Sees what happens to one ModelDeployment and its clients, tells it, and keeps it for the figures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from dev.demo.follow import Followers, Seen
from dev.demo.records import Reader, Request
from dev.demo.timeline import Timeline, changes, event_line, marks

HEARTBEAT = 5.0
"""Seconds between two lines about what the clients get."""


class WaitedInVainError(Exception):
    """Something did not happen in time; the text says what, and where things stood."""


class Observer:
    """`watch` until something is so; meanwhile everything seen is told and kept."""

    def __init__(self, followers: Followers, timeline: Timeline) -> None:
        self.requests: list[Request] = []
        self.status: Mapping[str, Any] = {}
        self.pods_created: dict[str, float] = {}
        self.marks: list[tuple[float, str]] = []
        self._followers = followers
        self._timeline = timeline
        self._reader = Reader()
        self._events: dict[str, int] = {}
        self._outcomes: set[tuple[str, str | None]] = set()
        self._told = 0
        self._heartbeat = 0.0

    @property
    def clients_heard(self) -> float:
        """Up to when the clients' records are complete, unix seconds (0 when there are none)."""
        return self._reader.flushed

    @property
    def active(self) -> str | None:
        """The active version."""
        return (self.status.get("active") or {}).get("version")

    def watch(self, what: str, until: Callable[[], bool], timeout: float) -> bool:
        """See and tell until something is so. False when it is not so after `timeout` seconds."""
        deadline = time.time() + timeout
        while not until():
            if time.time() > deadline:
                self._timeline.tell(time.time(), "demo", f"waited {timeout:.0f} s for {what}, in vain")
                return False
            seen = self._followers.next(0.1)
            if seen is not None:
                self._take(seen)
        return True

    def pass_time(self, seconds: float) -> None:
        """See and tell for so many seconds."""
        end = time.time() + seconds
        self.watch("", lambda: time.time() >= end, seconds + 1)

    def new_act(self) -> None:
        """Tell first answers and outcomes anew; the pods and marks of earlier acts are forgotten."""
        self._outcomes.clear()
        self.pods_created.clear()
        self.marks.clear()

    def _take(self, seen: Seen) -> None:
        if seen.source == "clients":
            self._take_requests(self._reader.read(seen.line))
            return
        seen_object = json.loads(seen.line)["object"]
        match seen.source:
            case "model":
                self._take_status(seen.at, seen_object.get("status") or {})
            case "events":
                self._take_event(seen.at, seen_object)
            case "pods":
                self._take_pod(seen.at, seen_object)

    def _take_requests(self, requests: list[Request]) -> None:
        self.requests += requests
        for request in requests:
            fact = (request.outcome, request.version if request.result == "answered" else None)
            if fact not in self._outcomes:
                self._outcomes.add(fact)
                by = f" by {request.version}" if fact[1] else ""
                self._timeline.tell(request.ended, "clients", f"first {request.outcome}{by} ({request.kind})")
        if self._reader.flushed >= self._heartbeat + HEARTBEAT:
            self._beat()

    def _beat(self) -> None:
        latest, self._told = self.requests[self._told :], len(self.requests)
        seconds = self._reader.flushed - self._heartbeat
        self._heartbeat = self._reader.flushed
        if seconds > 2 * HEARTBEAT:
            return
        counts: dict[str, int] = {}
        for request in latest:
            key = f"200 by {request.version}" if request.result == "answered" else request.outcome
            counts[key] = counts.get(key, 0) + 1
        rates = ", ".join(f"{key}: {count / seconds:.0f}/s" for key, count in sorted(counts.items()))
        self._timeline.tell(self._reader.flushed, "clients", rates or "nothing sent")

    def _take_status(self, at: float, status: Mapping[str, Any]) -> None:
        for who, what in changes(self.status, status):
            self._timeline.tell(at, who, what)
        self.marks += [(_unix(when) if when else at, what) for when, what in marks(self.status, status)]
        self.status = status

    def _take_event(self, at: float, event: Mapping[str, Any]) -> None:
        uid, count = event["metadata"]["uid"], event.get("count") or 1
        line = event_line(event)
        if line is not None and self._events.get(uid) is None:
            self._timeline.tell(at, *line)
        self._events[uid] = count

    def _take_pod(self, at: float, pod: Mapping[str, Any]) -> None:
        version = (pod["metadata"].get("annotations") or {}).get("verdigris.dev/version")
        if version and version not in self.pods_created:
            self.pods_created[version] = at


def _unix(time_text: str) -> float:
    return datetime.fromisoformat(time_text).timestamp()
