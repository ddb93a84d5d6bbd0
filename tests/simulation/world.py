"""The whole: a namespace with a model in it, the cluster around it, its clients, and the operator."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.runtime.fake_api import Json
from tests.simulation import foreign
from tests.simulation.clients import Clients
from tests.simulation.controllers import Behaviour, Controllers
from tests.simulation.edits import Edit
from tests.simulation.elsewhere import Elsewhere
from tests.simulation.faults import TOUCHED, Fault, OneFault
from tests.simulation.fronts import Fronts
from tests.simulation.gates import Gates
from tests.simulation.laws import Laws
from tests.simulation.process import Process
from tests.simulation.prometheus import SCRAPE, Prometheus
from tests.simulation.registry import Registry
from tests.simulation.server import Ref, Server
from tests.simulation.watch import Watch
from tests.simulation.wire import READS, Disturber, Wire
from verdigris.adapters.kube.reading.port import Key
from verdigris.app.settings import Settings
from verdigris.children.names import API_VERSION, COLOR_LABEL, KIND

KEY = Key("clinic", "diabetes")
MODEL: Ref = (KIND, *KEY)
START = datetime(2026, 11, 23, 10, tzinfo=UTC)
TICK = 0.25
"""Seconds between two passes of the controllers."""
RESTARTS_AFTER = 2.0
"""Seconds until a process that crashed is replaced."""
PATIENCE = 120.0
"""Seconds within which whatever a workload waits for has to come."""
LASTING_PATIENCE = 40.0
"""The same while something is refused for ever: what comes at all comes by then."""
QUIET = 8.0
"""Seconds without a write after which all is taken to be done."""


class NotReached(Exception):
    """What a workload waited for did not come."""


class World:
    """Everything, on the clock of the running event loop. `disturber` None: no call is disturbed."""

    def __init__(self, fault: Fault | None = None, step: int = -1, disturber: Disturber | None = None) -> None:
        self.server = Server(self.now)
        self.controllers = Controllers(self.server)
        self.fronts = Fronts(self.server, self.controllers)
        self.gates = Gates(self.server, self.controllers)
        self.elsewhere = Elsewhere(self.server)
        self.registry = Registry()
        self.clients = Clients(self.server, self.controllers, self.fronts, KEY)
        self.prometheus = Prometheus(self.server, self.clients)
        self.one = OneFault(self, self.phase, fault, step)
        self.disturber = disturber or self.one
        self.laws = Laws(self)
        self.processes: list[Process] = []
        self.image = "verdigris/serving:0.1.0"
        self.hit_at: float | None = None
        self.last_write = 0.0
        self.edited: Edit | None = None
        self.overtaken = asyncio.Event()
        """Set when an edit has put another end in the place of the workload's."""
        self._cluster: asyncio.Task[None] | None = None

    # time

    def now(self) -> datetime:
        """The clock of everybody: server, operator, Prometheus."""
        return START + timedelta(seconds=self.seconds())

    @staticmethod
    def seconds() -> float:
        """Since the begin."""
        return asyncio.get_running_loop().time()

    def begin(self) -> None:
        """The cluster lives, and an operator leads. There are others in the namespace, who are not to be touched."""
        for raw in foreign.OBJECTS:
            self.server.put(raw)
        self.elsewhere.begin()
        self.server.listeners.append(self._on_change)
        self._cluster = asyncio.create_task(self._live(), name="cluster")
        self._lead()

    def end(self) -> None:
        """Everything stops."""
        for process in self.processes:
            process.kill()
        if self._cluster is not None:
            self._cluster.cancel()

    async def _live(self) -> None:
        for tick in itertools.count():
            self.controllers.tick()
            self.gates.tick()
            self.fronts.look(self.seconds())
            if tick % 4 == 0:
                self.clients.second(self.seconds())
                self.laws.second()
            if tick % (4 * SCRAPE) == 0:
                self.prometheus.scrape(self.now().timestamp())
            await asyncio.sleep(TICK)

    def _on_change(self, event: str, raw: Json) -> None:
        if raw["metadata"].get("namespace") == KEY.namespace:
            self.laws.changed(event, raw)

    async def until(
        self, condition: Callable[[], bool], what: str, within: float = PATIENCE, *, tell: bool = True
    ) -> None:
        """Wait for it. Raises NotReached with `what` when it does not come in time, unless it is not to `tell`."""
        deadline = self.seconds() + (min(within, LASTING_PATIENCE) if self.lasting else within)
        while not condition():
            if self.seconds() >= deadline + self._longer() or self._is_broken():
                if tell:
                    raise NotReached(f"{what} did not come within {within:g} s")
                return
            await asyncio.sleep(TICK)

    def _longer(self) -> float:
        """How many seconds more everything may take because of the fault, which may well begin while it is waited."""
        fault = self.one.fault
        if fault is None:
            return 0.0
        return fault.takes + (Settings.resync.total_seconds() if fault.hides else 0.0)

    @property
    def lasting(self) -> bool:
        """Whether the fault of this run goes on to its end."""
        return self.one.fault is not None and self.one.fault.lasting

    def _is_broken(self) -> bool:
        return (self._cluster is not None and self._cluster.done()) or any(p.broken() for p in self.processes)

    async def settle(self, within: float = PATIENCE) -> None:
        """Wait until nobody has written anything for a while, and no fault goes on. Raises NotReached."""
        fault, begun = self.one.fault, self.seconds()

        def is_quiet() -> bool:
            over = 0.0 if fault is None or self.hit_at is None else self.hit_at + fault.takes
            return self.seconds() >= max(begun, over, self.last_write) + QUIET

        await self.until(is_quiet, "silence", within)

    # processes

    def _lead(self) -> None:
        wire = Wire(self.server, _Noting(self))
        process = Process(
            self.server, wire, prometheus=self.prometheus, registry=self.registry, now=self.now, image=self.image
        )
        self.processes.append(process)
        process.start()

    def crash(self, wire: Wire) -> None:
        """As `faults.Host.crash`. When another process leads already, nobody comes instead."""
        for process in self.processes:
            if process.wire is wire and not wire.cut:
                process.kill()
        if all(process.wire.cut for process in self.processes):
            asyncio.get_running_loop().call_later(RESTARTS_AFTER, self._lead)

    def second_leader(self) -> None:
        """As `faults.Host.second_leader`."""
        self._lead()

    async def upgrade(self, image: str) -> None:
        """Another operator takes over, which was configured with another image."""
        for process in list(self.processes):
            if not process.wire.cut:
                await process.stop()
        self.image = image
        self._lead()

    @property
    def watches(self) -> list[Watch]:
        """As `faults.Host.watches`."""
        return [process.watch for process in self.processes if not process.wire.cut]

    def touch(self, kind: str, name: str) -> None:
        """As `faults.Host.touch`."""
        ref = (kind, KEY.namespace, name)
        if ref in self.server.objects:
            at = self.now().isoformat()
            self.server.change(
                ref, lambda raw: raw["metadata"].setdefault("annotations", {}).update({TOUCHED: at}), "x"
            )

    # what people do

    def behave(self, version: str, **how: Any) -> None:
        """How the pods of this version will behave."""
        self.controllers.behaviours[version] = Behaviour(**how)

    def apply(self, spec: Json) -> None:
        """`kubectl apply` of the model with this spec."""
        if MODEL in self.server.objects:
            self.server.change(MODEL, lambda raw: raw.update(spec=spec), "kubectl")
            return
        meta = {"name": KEY.name, "namespace": KEY.namespace, "generation": 1}
        self.server.put({"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": spec})

    def decide(self, verb: str, revision: str) -> None:
        """`kubectl create` of a RolloutDecision."""
        name = f"{verb}-{len(self.server.of('RolloutDecision'))}"
        spec = {"modelDeployment": KEY.name, "revision": revision, "verb": verb, "reason": "r", "requestedBy": "alice"}
        meta = {"name": name, "namespace": KEY.namespace}
        self.server.put({"apiVersion": API_VERSION, "kind": "RolloutDecision", "metadata": meta, "spec": spec})

    def delete(self) -> None:
        """`kubectl delete` of the model."""
        self.server.end(MODEL)

    def edit(self, edit: Edit) -> None:
        """As `faults.Host.edit`."""
        self.edited = edit
        for version, how in edit.behaves.items():
            self.behave(version, **how)
        self.laws.downtime |= edit.downtime
        self.apply(edit.of(self.model["spec"]))
        if not edit.same:
            self.overtaken.set()

    # what there is to see

    @property
    def model(self) -> Json:
        """The ModelDeployment; empty when there is none."""
        return self.server.objects.get(MODEL, {})

    @property
    def status(self) -> Json:
        """Its status."""
        found: Json = self.model.get("status") or {}
        return found

    @property
    def rollout(self) -> Json | None:
        """The rollout that is under way."""
        return self.status.get("rollout")

    @property
    def active(self) -> str | None:
        """The active version."""
        active: Json = self.status.get("active") or {}
        return active.get("version")

    @property
    def selected(self) -> str | None:
        """The colour that the clients' Service selects; `both`; None: there is none."""
        service = self.server.objects.get(("Service", *KEY))
        return None if service is None else service["spec"]["selector"].get(COLOR_LABEL, "both")

    def phase(self) -> str:
        """Where in its life the model is: calls that ask the same in one phase are taken to be alike."""
        rollout = self.rollout or {}
        new = "" if self.status.get("observedGeneration") == self.model.get("metadata", {}).get("generation") else "new"
        parts = (
            self.active,
            rollout.get("version"),
            rollout.get("stage"),
            self.selected,
            new,
            bool(self.status.get("warm")),
            rollout.get("passedOn") or rollout.get("shadowed"),
        )
        return "/".join(str(part or "-") for part in parts)


class _Noting:
    """A disturber that also notes when there was a write, and when the fault began."""

    def __init__(self, world: World) -> None:
        self._world = world

    def begin(self, verb: str, kind: str, name: str, guarded: bool) -> Any:
        if verb not in READS:
            self._world.last_write = self._world.seconds()
        return self._world.disturber.begin(verb, kind, name, guarded)

    def treatment(self, call: Any) -> Any:
        found = self._world.disturber.treatment(call)
        if found is not None and self._world.hit_at is None:
            self._world.hit_at = self._world.seconds()
        return found
