"""The bars of `make bench-laws`, and the webhook that refuses: which writes, how often, and over real TLS."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.laws import report
from benchmarks.laws.refusals import phases
from dev.cluster.shell import ClusterError
from dev.demo.records import Request
from dev.faults.refusals import SIDE, Judge, Plan, Write, parse
from dev.faults.webhook import OPERATOR, PROBE, Refuser
from tests.e2e.rounds import Round, lost_by

HPA = Write("UPDATE", "horizontalpodautoscalers", "diabetes-blue")
MOVE = Write("UPDATE", "services", "diabetes", moves_traffic=True)


def request(resource: str, operation: str = "UPDATE", **more: Any) -> dict[str, Any]:
    asked = {"uid": "u1", "resource": {"resource": resource}, "operation": operation, "name": "diabetes"}
    return {**asked, **more}


def service(color: str, port: int = 80) -> dict[str, Any]:
    return {"spec": {"selector": {"color": color}, "ports": [{"port": port}]}}


def share_refused(plan: Plan, write: Write, count: int = 2000) -> float:
    judge = Judge(1, plan)
    return sum(judge.refusal(write, 0.0) is not None for _ in range(count)) / count


@pytest.mark.parametrize("resource", [*SIDE, "services"])
def test_side_objects_are_refused_as_often_as_asked(resource: str) -> None:
    assert share_refused(Plan(side=0.4), Write("CREATE", resource, "diabetes")) == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize(
    ("verb", "resource", "expected"),
    [
        ("UPDATE", "deployments", 0.1),
        ("UPDATE", "deployments/scale", 0.1),
        ("CREATE", "controllerrevisions", 0.0),
        ("DELETE", "controllerrevisions", 0.4),
    ],
)
def test_what_a_rollout_cannot_do_without_is_refused_more_rarely(verb: Any, resource: str, expected: float) -> None:
    assert share_refused(Plan(side=0.4, paced=0.1), Write(verb, resource, "x")) == pytest.approx(expected, abs=0.04)


def test_one_kind_is_refused_for_ever_and_the_others_by_lot() -> None:
    plan = Plan(for_ever=frozenset({HPA.resource}))
    assert share_refused(plan, HPA) == 1
    assert share_refused(plan, Write("UPDATE", "pods", "x")) == 0


def test_the_same_seed_gives_the_same_lots() -> None:
    def drawn(seed: int) -> list[Any]:
        judge = Judge(seed, Plan(side=0.4))
        return [judge.refusal(HPA, 0.0) for _ in range(50)]

    assert drawn(3) == drawn(3) != drawn(4)


def test_a_move_of_traffic_is_never_refused_by_lot() -> None:
    assert share_refused(Plan(side=1.0, paced=1.0, for_ever=frozenset({"services"})), MOVE) == 0


def test_each_move_is_held_from_its_first_attempt_on_and_then_allowed() -> None:
    judge = Judge(1, Plan(moves_for=5.0))
    held = [(at, judge.refusal(MOVE, at) is not None) for at in (10.0, 12.0, 14.9, 15.0, 30.0, 34.0, 35.5)]
    assert held == [(10, True), (12, True), (14.9, True), (15, False), (30, True), (34, True), (35.5, False)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (request("services", object=service("green"), oldObject=service("blue")), True),
        (request("services", object=service("green", 81), oldObject=service("blue")), True),
        (request("services", object=service("blue", 81), oldObject=service("blue")), False),
        (request("services", "CREATE", object=service("blue"), oldObject=None), False),
        (request("services", "DELETE", object=None, oldObject=service("blue")), False),
        (request("pods", object=service("green"), oldObject=service("blue")), False),
    ],
)
def test_a_move_is_told_by_the_selector_alone(asked: Mapping[str, Any], expected: bool) -> None:
    assert parse(asked).moves_traffic is expected


def test_a_subresource_belongs_to_the_name() -> None:
    assert parse(request("deployments", subResource="scale")).resource == "deployments/scale"


class ApiServer:
    """Stands in for kubectl and the API server: keeps the configuration, and asks the webhook over TLS."""

    kubeconfig = bin = Path("/nowhere")

    def __init__(self) -> None:
        self.configuration: dict[str, Any] | None = None

    def kubectl(self, *args: str, input: str | None = None) -> str:
        if args[0] == "apply":
            self.configuration = json.loads(input or "")
        elif args[0] == "delete":
            self.configuration = None
        else:
            assert args[-2:] == ("--as", OPERATOR)
            asked = request("serviceaccounts", "CREATE", name=PROBE)
            status = self.ask(asked)["response"]["status"]
            raise ClusterError(f'admission webhook "refuser" denied the request: {status["message"]}')
        return ""

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert self.configuration is not None
        client = self.configuration["webhooks"][0]["clientConfig"]
        trusted = ssl.create_default_context(cadata=base64.b64decode(client["caBundle"]).decode())
        body = json.dumps({"request": asked}).encode()
        with urllib.request.urlopen(urllib.request.Request(client["url"], body), context=trusted, timeout=10) as answer:
            return dict(json.loads(answer.read()))


def test_the_webhook_answers_over_tls_keeps_count_and_is_gone_afterwards() -> None:
    api, before = ApiServer(), time.time()
    with Refuser(api, "somewhere") as refuser:
        assert api.ask(request("horizontalpodautoscalers"))["response"] == {"uid": "u1", "allowed": True}
        refuser.follow(Plan(for_ever=frozenset({"horizontalpodautoscalers"}), moves_for=60.0))
        refused = api.ask(request("horizontalpodautoscalers"))["response"]
        assert (refused["allowed"], refused["status"]["code"]) == (False, 422)
        assert "horizontalpodautoscalers diabetes" in refused["status"]["message"]
        api.ask(request("services", object=service("green"), oldObject=service("blue")))
        assert refuser.refused() == {"horizontalpodautoscalers": 1, "moves": 1}
        assert before <= (refuser.last_refused_move(before, time.time()) or 0.0) <= time.time()
        assert refuser.last_refused_move(0.0, before) is None, "that was another move"
    assert api.configuration is None, "left behind it would refuse every write in that namespace"


def test_only_the_operators_writes_in_one_namespace_are_asked_about() -> None:
    api = ApiServer()
    with Refuser(api, "somewhere"):
        (webhook,) = (api.configuration or {})["webhooks"]
    assert webhook["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "somewhere"}
    assert OPERATOR in webhook["matchConditions"][0]["expression"]


def answer(at: float, version: str | None = "1.0.0", status: int = 200) -> Request:
    return Request(at, 0.0, "new", status, version if status == 200 else None, None)


def test_the_last_answer_of_a_bad_version_counts_even_when_it_is_a_good_one() -> None:
    back = {
        "fromVersion": "1.2.0",
        "toVersion": "1.0.0",
        "decidedAt": "1970-01-01T00:01:44.000Z",
        "trafficRestoredAt": "1970-01-01T00:01:44.500Z",
    }
    before, after = answer(89, status=500), answer(121, status=500)
    asked = [answer(99), answer(101, status=500), answer(103, status=500), answer(106, "1.2.0"), answer(107)]
    played = Round(90.0, 120.0, back)
    seen = played.seen_by([before, *asked, after])
    assert (seen.decided, seen.restored, seen.first_bad, seen.last_answer, seen.failed) == (104, 104.5, 101, 106, 2)
    with pytest.raises(AssertionError, match="nothing to measure"):
        played.seen_by([before, answer(99), after])


def test_a_request_is_lost_unless_the_model_answered_it_well_or_with_its_own_fault() -> None:
    asked = [answer(1), answer(2, status=500), answer(3, status=503), Request(4, 0.0, "new", None, None, "reset")]
    assert lost_by(asked) == {"503": 1, "reset": 1}


def row(**changes: Any) -> report.Row:
    made = {"phase": "by lot", "right": True, "said": "fine", "requests": 2000, "lost": {}, "refused": {"pods": 3}}
    times = {"decided_to_restored_s": 0.2, "held_s": 0.0, "decided_to_last_s": 1.0, "shown_s": 3.0}
    return {**made, **times, **changes}


def weather(name: str, restored: float, shown: float, before: float = 2.0) -> report.Row:
    made = {"weather": name, "decided_to_restored_s": restored, "shown_s": shown, "failed": 90}
    return {**made, "storm_before_decision_s": before, "all_served_s": 25.0} if name == "storm" else made


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row()] * 20, None),
        ([row(), row(lost={"refused": 1})], "round 2, by lot: requests lost, 1 refused"),
        ([row(decided_to_last_s=5.1)], "came 5.1 s after the decision"),
        ([row(decided_to_last_s=9.0, held_s=5.0)], None),
        ([row(right=False, said="waited 180 s for 1.1.0 to be promoted, in vain\n$ kubectl")], "waited 180 s"),
        ([row(refused={})], "nothing has been shown"),
    ],
)
def test_the_bar_of_refusals(rows: list[report.Row], words: str | None) -> None:
    missed = report.missed({"refusals": rows})
    assert (words is None and missed == []) or (words is not None and words in missed[0])
    assert "\n" not in "".join(missed)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([weather("calm", 0.1, 3.0), weather("storm", 1.0, 3.9)], None),
        ([weather("calm", 0.1, 3.0), weather("storm", 1.2, 3.0)], "decided → restored: 1.2 s in the storm"),
        ([weather("calm", 0.1, 3.0), weather("storm", 0.1, 4.5)], "first → last bad answer: 4.5 s"),
        ([weather("calm", 0.1, 3.0), weather("storm", 0.1, 3.0, before=-0.1)], "before the storm began"),
    ],
)
def test_the_bar_of_the_storm(rows: list[report.Row], words: str | None) -> None:
    missed = report.missed({"storm": rows})
    assert (words is None and missed == []) or (words is not None and words in missed[0])


def test_one_bad_storm_of_three_is_no_median() -> None:
    rows = [weather("calm", 0.1, 3.0)] + [weather("storm", late, 3.0) for late in (0.1, 0.2, 9.0)]
    assert report.missed({"storm": rows}) == []


def test_a_phase_is_a_line_and_a_round_that_went_wrong_is_not_in_its_times() -> None:
    rows = [row(), row(decided_to_last_s=3.0), {"phase": "by lot", "right": False, "said": "x", "refused": {"pods": 1}}]
    _, line = report.refusals(rows).splitlines()
    assert line.split("  ")[1] == "by lot"
    assert "7" in line
    assert "0 of 4,000" in line
    assert "2.0 s (worst 3.0 s)" in line


def test_every_side_object_is_refused_for_ever_in_some_round() -> None:
    planned = phases(20, 0.4)
    assert planned[0].rounds == 20
    assert {kind for phase in planned for kind in phase.plan.for_ever} == set(SIDE)
    assert any(phase.plan.moves_for for phase in planned)
