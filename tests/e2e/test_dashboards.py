"""The dashboards on a real cluster: every query of both has data during a rollout."""

from __future__ import annotations

from collections.abc import Iterator

from dev.dashboards.__main__ import BOARDS
from dev.dashboards.asking import questions
from tests.e2e.alerting import of_cluster
from tests.e2e.crowd import scenario
from tests.e2e.dashboards import Looks, looking
from tests.e2e.scene import NAME, Scene, stage, wait_for
from verdigris.children.alerts.burning import LEFT

INTERVAL = "10s"
"""Of rates: four scrapes and more, of the operator as of the pods."""
NOWHERE = {"example.com/rack": "none"}


def soon() -> Iterator[str]:
    """All queries, but for the budget of 30 days: its rule is evaluated every 5 minutes (`make bench-dashboards`)."""
    yield from (query for board in BOARDS for query in questions(board) if LEFT not in query)


@scenario
def test_every_query_of_both_dashboards_has_data_during_a_rollout(scene: Scene) -> None:
    gate = {"quality": {"data": scene.stock.holdout(), "auc": {"min": 0.85}}}
    steps = [gate, {"approval": {}}, {"weight": 50, "hold": "1h"}]
    scene.given_active("1.0.0")
    with (
        scene.clients(20, paced=False),
        looking(of_cluster(scene.cluster), soon(), scene.namespace, NAME, INTERVAL) as looks,
    ):
        scene.apply("1.1.0", rollout={"shield": True, "steps": steps})
        waiting = scene.until("an approval to be asked for", lambda status: stage(status) == "AwaitingApproval")
        _until_seen(looks, "what it waits for", "held_since", "gate_value", "gate_threshold")
        revision = waiting["rollout"]["revision"]
        scene.decide("approve", revision)
        _until_seen(looks, "the trial", "judge_score", "judge_threshold", "evidence_age", "forwarded_total")
        scene.decide("abort", revision)
        scene.until("it to be taken back", lambda status: bool(status.get("rejected")))
        scene.apply("1.3.0", serving={"nodeSelector": NOWHERE}, cleanup={"stuckAfter": "1s"})
        _until_seen(looks, "everything", "")
    assert looks.without_data() == []


def _until_seen(looks: Looks, what: str, *parts: str) -> None:
    """Wait until every query that has one of these parts in it has had data."""

    def left() -> list[str]:
        return [query for query in looks.without_data() if any(part in query for part in parts)]

    try:
        wait_for(f"data of {what}", lambda: not left(), within=40, every=0.5)
    except AssertionError as late:
        raise AssertionError(
            f"{late}: none of {left()}; {looks.refused[-1:] or 'Prometheus answered each time'}"
        ) from None
