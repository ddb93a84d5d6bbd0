"""Plans for what is seldom seen: names and autoscalers of others, kinds that a cluster lacks, moves that never come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.manifests import writes_clients_service
from tests.rollout.parts import START, spec
from tests.rollout.small import over
from tests.rollout.step_cases import turn
from tests.rollout.test_follow import following
from tests.rollout.test_gateway import GATEWAY
from tests.rollout.test_rollout import bake, condition
from tests.rollout.world import World, serving
from verdigris.api.status import Failure
from verdigris.core.actions import Adopt, Keep, MoveRoute, Plan, Remove
from verdigris.core.engine import following as aliases
from verdigris.core.engine import monitoring, names
from verdigris.core.engine.children import KEPT_SNAPSHOTS
from verdigris.core.engine.plan import plan, question
from verdigris.core.engine.taking_back import back_to_warm
from verdigris.core.engine.way_back import waits_for
from verdigris.core.facts.evidence import NOT_ASKED, UsageQuestion
from verdigris.core.facts.followed import RegistryView
from verdigris.core.facts.observed import Observed, TakenName
from verdigris.core.facts.revision import revision_of
from verdigris.core.facts.route import RouteView, Routing
from verdigris.core.routing.late import may_still_come
from verdigris.core.turn import Turn

TAKEN = (TakenName("ServiceAccount", "diabetes"), TakenName("Service", "diabetes-blue"))
DAY = timedelta(days=1)


def planned(observed: Observed) -> Plan:
    assert observed.seen_at
    return plan(observed, NOT_ASKED, observed.seen_at)


def said(found: Plan) -> Mapping[str, tuple[str, str]]:
    """The conditions: status and reason by type."""
    return {one.type: (one.status, one.reason) for one in found.status.conditions}


def seen(world: World, **fields: Any) -> Turn:
    """A turn that begins by what is seen of this world."""
    observed = replace(world.observe(), **fields)
    return Turn(observed, NOT_ASKED, world.now, observed.status)


def baking() -> World:
    return bake(serving("1.0.0").apply(spec("1.1.0")))


# names and autoscalers of others


def test_a_name_that_is_taken_holds_up_no_version_that_serves() -> None:
    world = serving("1.0.0")
    found = said(planned(replace(world.observe(), taken=TAKEN)))
    assert (found["Stalled"], found["Reconciling"]) == (("True", "NameTaken"), ("False", "NameTaken"))
    assert (found["Ready"], found["Available"][0]) == (("True", "Active"), "True")
    leaving = tuple(replace(name, leaving=True) for name in TAKEN)
    found = said(planned(replace(world.observe(), taken=leaving)))
    assert (found["Stalled"], found["Reconciling"]) == (("False", "NameLeaving"), ("True", "NameLeaving"))


def test_a_name_that_is_taken_in_mid_rollout_is_told_at_once_and_once() -> None:
    observed = replace(baking().observe(), taken=TAKEN)
    found = planned(observed)
    assert said(found)["Stalled"] == ("True", "NameTaken")
    assert [note.reason for note in found.notes].count("NameTaken") == 1
    again = planned(replace(observed, status=found.status))
    assert "NameTaken" not in [note.reason for note in again.notes]
    leaving = replace(observed, taken=tuple(replace(name, leaving=True) for name in TAKEN))
    assert said(planned(leaving))["Stalled"] == ("False", "Progressing")


@pytest.mark.parametrize(
    ("external", "status", "words"),
    [(True, "True", "as spec.autoscaling.external says"), (False, "False", "the operator makes no autoscaler beside")],
)
def test_an_autoscaler_of_somebody_else_is_told(external: bool, status: str, words: str) -> None:
    world = serving("1.0.0").apply(spec("1.0.0", autoscaling={"minReplicas": 2, "external": external}))
    line = names.lines(seen(world, scalers={"blue": "HorizontalPodAutoscaler mine"}))["Autoscaling"]
    assert line[1] == status
    assert "HorizontalPodAutoscaler mine sizes blue" in line[3]
    assert words in line[3]


def test_that_sizes_are_our_own_again_is_told_where_they_were_not() -> None:
    world = serving("1.0.0")
    before = condition(world, "Ready")
    assert "Autoscaling" not in names.lines(seen(world))
    told = [*world.status.conditions, world.status.conditions[0].model_copy(update={"type": "Autoscaling"})]
    world.status = world.status.model_copy(update={"conditions": tuple(told)})
    assert names.lines(seen(world))["Autoscaling"][1:3] == ("True", "OwnAutoscaler")
    assert "Autoscaling" not in names.lines(seen(world, unseen=frozenset({names.AUTOSCALER}))), "nobody can tell"
    assert before[0] == "True"


def test_a_child_that_lost_its_owner_is_taken_back() -> None:
    ref = ("v1", "Service", "diabetes-blue")
    assert Adopt(*ref) in planned(replace(serving("1.0.0").observe(), orphans=(ref,))).actions


def test_of_revisions_that_are_out_of_use_the_newest_are_kept() -> None:
    world = serving("1.0.0")
    one = next(iter(world.snapshots.values()))
    old = {f"v1-{n}": replace(one, revision=f"v1-{n}", created=START + n * DAY) for n in range(KEPT_SNAPSHOTS + 2)}
    found = planned(replace(world.observe(), snapshots={**old, **world.snapshots}))
    gone = [one for one in found.actions if isinstance(one, Remove) and one.kind == "ControllerRevision"]
    assert [one.name for one in gone] == ["diabetes-v1-0", "diabetes-v1-1"]


# kinds that a cluster lacks


def test_a_cluster_without_service_monitors_is_told_what_follows_and_gets_none() -> None:
    observed = replace(serving("1.0.0").observe(), unknown=frozenset({"ServiceMonitor", "PrometheusRule"}))
    found = planned(observed)
    assert said(found)["Monitored"] == ("False", "ServiceMonitorMissing")
    kinds = [action.manifest["kind"] for action in found.actions if isinstance(action, Keep)]
    assert not {"ServiceMonitor", "PrometheusRule"} & set(kinds)


def test_nothing_is_told_of_monitoring_that_nobody_asked_for() -> None:
    off = {"serviceMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}}
    world = serving("1.0.0").apply(spec("1.0.0", monitoring=off))
    found = planned(world.observe())
    assert list(monitoring.lines(seen(world))) == []
    removed = [action.kind for action in found.actions if isinstance(action, Remove)]
    assert {"ServiceMonitor", "PrometheusRule"} <= set(removed)


def test_a_service_monitor_of_somebody_else_is_told() -> None:
    world = serving("1.0.0")
    line = next(iter(monitoring.lines(seen(world, taken=(TakenName("ServiceMonitor", "diabetes"),)))))
    assert line[1:3] == ("False", "NameTaken")
    assert "ServiceMonitor diabetes is somebody else's" in line[3]
    nobody_knows = frozenset({"ServiceMonitor", "PrometheusRule"})
    assert list(monitoring.lines(seen(world, unseen=nobody_knows))) == []


# a move of clients that is never seen


def test_clients_whom_nobody_can_move_end_the_rollout_with_who_to_ask() -> None:
    world = serving("1.0.0")
    world.refuses = writes_clients_service
    world.apply(spec("1.1.0")).run(200)
    assert over(world)
    rejected = world.status.rejected[-1]
    assert rejected.reason == "TrafficNotMoved"
    assert "refuses each write to the clients' Service" in rejected.message
    assert "kubectl get service diabetes --show-managed-fields" in rejected.message


def test_clients_of_a_gateway_whom_nobody_can_move_end_it_as_well() -> None:
    world = World(spec("1.0.0", traffic=GATEWAY), by_gateway=0.5).run(40)
    world.refuses = lambda action: isinstance(action, MoveRoute)
    world.apply(spec("1.1.0", traffic=GATEWAY)).run(120)
    rejected = world.status.rejected[-1]
    assert rejected.reason == "TrafficNotMoved"
    assert "refuses each write to the HTTPRoute" in rejected.message
    assert "kubectl get httproute diabetes --show-managed-fields" in rejected.message


ROUTE = RouteView("diabetes", own=True, rules=({"blue": 50, "green": 50},), accepted=True)


def test_what_a_route_still_sends_is_what_the_way_back_waits_for() -> None:
    world = baking().decide("abort", revision_of(spec("1.1.0")))
    world.run(1)
    wanted = spec("1.1.0", traffic=GATEWAY)
    found = seen(world, spec=wanted, routing=Routing(ROUTE), selected="blue")
    assert found.active
    assert "HTTPRoute diabetes still sends clients to 1.1.0 (green)" in waits_for(found, found.active)


# decisions, and the rest


def test_a_version_that_nobody_asks_for_any_more_is_not_tried_again() -> None:
    world = baking().decide("abort", revision_of(spec("1.1.0"))).run(30)
    world.apply(spec("1.0.0")).run(2)
    world.decide("retry", revision_of(spec("1.1.0"))).run(1)
    last = world.status.decisions[-1]
    assert last.outcome == "Refused"
    assert last.message == "The spec no longer asks for 1.1.0: apply it again instead."


def test_a_model_that_is_being_deleted_says_so_where_another_version_waits() -> None:
    world = serving("1.0.0").apply(spec("1.1.0"))
    found = planned(replace(world.observe(), leaving=True))
    ready = next(one for one in found.status.conditions if one.type == "Ready")
    assert ready.reason == "Deleting"
    assert "a finalizer keeps it" in ready.message


def test_a_registry_that_has_said_nothing_yet_is_told_as_nothing() -> None:
    world = World(following())
    assert list(aliases.lines(seen(world, registry=RegistryView()))) == []


def test_the_questions_say_whom_they_are_for() -> None:
    world = baking()
    asked = question(world.observe(), world.now)
    assert asked
    assert asked.server == "Prometheus at http://prometheus.test"
    usage = UsageQuestion("http://a\nb", "clinic", "m", "blue", "v1-a", DAY, timedelta(minutes=1))
    assert "\n" not in usage.server


def test_what_may_be_asked_only_of_a_rollout_or_a_warm_version_says_so() -> None:
    steady = seen(serving("1.0.0"))
    with pytest.raises(ValueError, match="no rollout is under way"):
        _ = steady.rollout
    with pytest.raises(ValueError, match="no warm version"):
        back_to_warm(steady.change(warm=None), "RolledBack", Failure(reason="R", message="m"))
    assert not may_still_come(turn().observed, turn().rollout, turn().now)
