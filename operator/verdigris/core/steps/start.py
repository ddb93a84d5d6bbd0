"""Start: until the candidate is ready at the active colour's size. Ready means verified and golden rows passed."""

from __future__ import annotations

from verdigris.core.steps.gathering import complete, gather_pods, held
from verdigris.core.steps.step import NEXT, STAY, Ruling, Step, end
from verdigris.core.turn import Turn


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn, failure = gather_pods(turn)
    if failure:
        return turn, end("Failed", failure)
    if held(turn) or not complete(turn):
        return turn, STAY
    rollout = turn.rollout
    ready = turn.ready(rollout)
    message = f"Version {rollout.version} is verified and ready on {ready} pods."
    return turn.note("Normal", "CandidateReady", message), NEXT


START = Step("Start", "Starting", lambda _: "Starting the candidate's pods.", _look)
