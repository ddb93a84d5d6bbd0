"""What is said of a model in one line each: its strategy and step, the candidate's share, the versions. PURE."""

from __future__ import annotations

from datetime import datetime

from verdigris.cli import words
from verdigris.cli.model.deployment import Model, Rollout
from verdigris.cli.model.figures import names_step, share_reached, share_wanted
from verdigris.cli.model.outcome import Outcome
from verdigris.cli.model.reading import length_of, time_of
from verdigris.cli.words import of_hundred


def state(model: Model, outcome: Outcome) -> str:
    """`Progressing (OnTrial)`."""
    return f"{outcome.state} ({model.rollout.stage})" if model.rollout is not None else outcome.state


def strategy(model: Model, now: datetime) -> str:
    """`Canary, shielded; step 4 of 7: Trial 10 %, 8s of 30s`."""
    told = model.strategy + (", shielded" if model.shield else "")
    rollout = model.rollout
    if rollout is None or rollout.current is None:
        return told
    step = f"step {rollout.step + 1} of {len(rollout.steps)}: {names_step(rollout.current)}"
    lasts = rollout.current.hold or (rollout.bake if rollout.current.kind in ("Trial", "Bake", "Shadow") else "")
    gone = words.since(rollout.since, now)
    if lasts and length_of(lasts) is not None:
        return f"{told}; {step}, {gone} of {lasts}"
    left = f", {words.until(rollout.deadline, now)} left" if time_of(rollout.deadline) is not None else ""
    return f"{told}; {step}, for {gone}{left}"


def share(rollout: Rollout) -> str:
    """`wished 10 % behind the shield, reached 10 %`."""
    where = " behind the shield" if rollout.passed_on else " by the gateway" if rollout.routed else ""
    where = "" if rollout.wanted else where
    told = f"wished {of_hundred(share_wanted(rollout))}{where}, reached {of_hundred(share_reached(rollout))}"
    return f"{told}; copies of {of_hundred(rollout.shadowed)}" if rollout.shadowed else told


def versions(model: Model) -> str:
    """`1.0.0 7fb646dd → 1.1.0 3ad8f4bb`."""
    refs = [ref for ref in (model.active, model.rollout) if ref is not None]
    named = " → ".join(f"{ref.version} {ref.digest}".rstrip() for ref in refs)
    asked = "" if any(ref.version == model.version for ref in refs) else f"the spec asks for {model.version}"
    return "; ".join(part for part in (named, asked) if part)
