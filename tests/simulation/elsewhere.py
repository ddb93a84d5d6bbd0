"""The environment before this one: a model in another namespace, which an operator of its own looks after."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from tests.runtime.fake_api import Json
from tests.simulation.server import STAMP, Ref, Server
from verdigris.children.names import API_VERSION, KIND

NAMESPACE, NAME = "staging", "upstream"
THERE: Ref = (KIND, NAMESPACE, NAME)
FOR = timedelta(seconds=6)
"""How long the same bytes have to have served there."""
OTHER = "0" * 64
"""The SHA-256 of bytes that nobody asks for here."""

Trouble = Literal["none", "is deleted", "serves other bytes", "is ill", "is not looked at", "has not agreed"]


@dataclass
class Elsewhere:
    """What its status says, and whether its namespace lets this one ask. `trouble` is what is the matter with it."""

    server: Server
    trouble: Trouble = "none"
    serves: str = OTHER
    _passed: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """It serves other bytes, and its namespace has agreed to be asked."""
        self.server.permits = lambda _, __, ___, key: key == THERE[1:] and self.trouble != "has not agreed"
        self._tell()

    def serve(self, sha256: str) -> None:
        """These bytes are active there from now on."""
        self._look()
        self.serves = sha256
        self._tell()

    def fall_into(self, trouble: Trouble) -> None:
        """This is the matter with it from now on; `none`: nothing is, any more."""
        self._look()
        self.trouble = trouble
        self._tell()

    def has_served(self, sha256: str) -> bool:
        """Whether these bytes have been active there for long enough at any time, and it could be seen."""
        self._look()
        return sha256 in self._passed

    def _look(self) -> None:
        """Note whose time is over, before anything changes."""
        status = self.server.objects.get(THERE, {}).get("status")
        if status is None or self.trouble in ("is ill", "is not looked at", "has not agreed"):
            return
        since = max(status["active"]["since"], status["conditions"][0]["lastTransitionTime"])
        if self.server.now() >= datetime.fromisoformat(since) + FOR:
            self._passed.add(status["active"]["sha256"])

    def _tell(self) -> None:
        """Write what its own operator would: times stay as long as what they are about does."""
        live = self.server.objects.get(THERE)
        if self.trouble == "is deleted":
            if live is not None:
                self.server.end(THERE)
            return
        if live is None:
            meta = {"name": NAME, "namespace": NAMESPACE, "generation": 1}
            live = self.server.put({"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": {}})
        self.server.set_status(THERE, self._status(live.get("status") or {}))

    def _status(self, before: Json) -> Json:
        now = self.server.now().strftime(STAMP)
        sha256 = OTHER if self.trouble == "serves other bytes" else self.serves
        active = before.get("active") or {}
        if active.get("sha256") != sha256:
            active = {"color": "blue", "version": "1.0.0", "revision": "v1-a", "sha256": sha256, "since": now}
        well = "False" if self.trouble == "is ill" else "True"
        told: Json = next(iter(before.get("conditions") or ()), {})
        if told.get("status") != well:
            told = {"type": "Available", "status": well, "reason": "R", "message": "m", "lastTransitionTime": now}
        seen = 0 if self.trouble == "is not looked at" else 1
        return {"observedGeneration": seen, "active": active, "conditions": [told]}
