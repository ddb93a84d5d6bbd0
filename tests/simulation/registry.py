"""The registry of models: which version the alias has, and what may be the matter with the registry."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from verdigris.api.status import Failure
from verdigris.core.facts.followed import Alias, Registered, RegistryView

LATENCY = 0.05
"""Seconds that an answer takes."""
TIMES_OUT = 5.0
"""Seconds after which nobody waits for an answer any more (`adapters.registry`)."""
EVERY = 10.0
"""Seconds between two questions of who follows an alias."""
AWAY = "the registry is away, says the simulation"

Trouble = Literal["none", "is away", "does not answer", "has no such alias", "has no checksum"]


@dataclass
class Registry:
    """As `adapters.registry.port.Registry`. `has` is where the alias is, `trouble` what is the matter."""

    has: Registered = field(default_factory=lambda: Registered("1", "1.0.0", "a" * 64))
    trouble: Trouble = "none"
    said: set[Registered] = field(default_factory=set)
    """All that it has answered with a checksum."""

    async def look_up(self, alias: Alias) -> RegistryView:
        """See `Registry` of the port."""
        await asyncio.sleep(TIMES_OUT if self.trouble == "does not answer" else LATENCY)
        match self.trouble:
            case "is away" | "does not answer":
                return RegistryView(problem=Failure(reason="RegistryUnreachable", message=AWAY))
            case "has no such alias":
                return RegistryView(problem=Failure(reason="AliasMissing", message=f"There is no {alias}."))
            case "has no checksum":
                return RegistryView(Registered("99", "9.9.9"))
        if self.has.sha256:
            self.said.add(self.has)
        return RegistryView(self.has)
