"""The closed sets of words that the status is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Color = Literal["blue", "green"]

Verdict = Literal["Pass", "Fail", "Inconclusive"]

Stage = Literal[
    "Starting",
    "AtGate",
    "AwaitingSource",
    "AwaitingApproval",
    "Measuring",
    "Shadowing",
    "OnTrial",
    "Trading",
    "Baking",
    "RollingBack",
]

StepKind = Literal[
    "Start",
    "Quality",
    "Fairness",
    "Smoke",
    "Load",
    "Job",
    "From",
    "Approval",
    "EndActive",
    "Measure",
    "Shadow",
    "Trial",
    "Trade",
    "Bake",
]
"""What a step of a rollout does: `core/steps` has one module for each."""

StuckKind = Literal[
    "Unschedulable",
    "QuotaExceeded",
    "InvalidImageName",
    "ImagePull",
    "ConfigError",
    "InitFailing",
    "CrashLoop",
    "OutOfMemory",
    "Creating",
    "NeverReady",
    "Flapping",
    "NodeLost",
    "Terminating",
    "NodeGone",
    "Leftover",
    "Orphan",
]

Remedy = Literal["None", "Evict", "Delete", "Force"]
"""What helps a stuck pod: nothing that the operator may do; a fresh start or another node (Eviction API, so PDBs hold);
to delete what has ended already; to delete by force what no kubelet will ever end."""

Outcome = Literal["Promoted", "RolledBack", "Failed", "Aborted", "Superseded"]

Version = Annotated[str, Field(max_length=64)]

Reason = Annotated[str, Field(max_length=128)]

RevisionName = Annotated[str, Field(max_length=64)]


def other(color: Color) -> Color:
    """The other of the two colours."""
    return "green" if color == "blue" else "blue"
