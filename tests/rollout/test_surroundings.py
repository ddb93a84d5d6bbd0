"""What keeps a new version's pods from starting and is not the version's: waited for, or ended soon with what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.capacity_cases import amounts, container, seen, template
from tests.rollout.kubelet import event
from tests.rollout.parts import START, spec
from tests.rollout.trial_cases import pod, trial
from verdigris.adapters.kube.reading.views import deployment_view
from verdigris.api.status import Failure, Sizes
from verdigris.core.facts.observed import DeploymentView, PodView
from verdigris.core.facts.survey import LimitRangeView
from verdigris.core.pods.diagnosis.candidate import candidate_fault, candidate_trouble
from verdigris.core.pods.room.fit import quota_refusal
from verdigris.core.pods.room.volumes import volume_in_use
from verdigris.core.steps.capacity import CONFIRM
from verdigris.core.steps.capacity_words import room_trouble
from verdigris.core.steps.gathering import gather_pods
from verdigris.core.turn import Turn

SECOND = timedelta(seconds=1)
GIVE_UP = timedelta(seconds=30)
REVISION = "v1-candidate"


def starting(turn: Turn, **policy: str) -> Turn:
    """The same before clients reach the candidate, with this in `spec.rollout`."""
    observed = replace(turn.observed, spec=spec("1.1.0", rollout=policy))
    turn = replace(turn, observed=observed)
    return turn.change_rollout(stage="Starting", weight=0, replicas=2, deadline=START + timedelta(minutes=10))


# A Deployment whose pods are refused


def refused(message: str, *pods: PodView, after: timedelta = GIVE_UP, **rest: Any) -> Turn:
    """The candidate's Deployment has said so for this long."""
    trouble = Failure(reason="FailedCreate", message=message)
    view = DeploymentView("uid-green", 2, REVISION, trouble=trouble, trouble_since=START)
    deployments = {"green": view, "blue": DeploymentView("uid-blue", 2, "v1-active")}
    return starting(trial(*pods, now=START + after, deployments=deployments, **rest))


@pytest.mark.parametrize(
    "message",
    [
        'Pod "p" is invalid: spec.containers[0].resources.requests: Invalid value: "500m": must be less than or equal '
        "to cpu limit of 200m",
        'pods "p" is forbidden: maximum memory usage per Pod is 1Gi, but limit is 2Gi',
        'pods "p" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000',
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": host namespaces',
        'admission webhook "policy.test" denied the request: image is not signed',
    ],
)
def test_a_rule_that_never_lets_the_pods_in_ends_the_rollout_after_give_up_after(message: str) -> None:
    assert candidate_fault(refused(message, after=GIVE_UP - SECOND)) is None
    failure = candidate_fault(refused(message))
    assert failure is not None
    assert message.rstrip(".") in failure.message
    assert candidate_fault(refused(message, pod("g0", ready=False), pod("g1", ready=False))) is None, "they are there"


@pytest.mark.parametrize(
    "message",
    [
        'pods "p" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3',
        'Internal error occurred: failed calling webhook "mesh.test": connect: connection refused',
        'pods "p" is forbidden: error looking up service account clinic/diabetes: serviceaccount "diabetes" not found',
        "etcdserver: request timed out",
    ],
)
def test_a_refusal_that_may_pass_is_waited_for(message: str) -> None:
    turn = refused(message, after=timedelta(hours=1))
    assert candidate_fault(turn) is None
    assert candidate_trouble(turn) is not None, "but told"


BELOW = LimitRangeView("team-defaults", default_limits=amounts(cpu="200m"))
ASKS = template(container({"cpu": "500m"}))


@pytest.mark.parametrize(
    ("pod_template", "limits", "named"),
    [
        (ASKS, BELOW, True),
        (template(container({"cpu": "500m"}, {"cpu": "1"})), BELOW, False),
        (template(container({"cpu": "100m"})), BELOW, False),
        (template(container({"memory": "1Gi"})), LimitRangeView("m", default_limits=amounts(memory="512Mi")), True),
        (template(container({"cpu": "100m"}), init=(container({"cpu": "500m"}),)), BELOW, True),
    ],
)
def test_a_default_limit_below_the_request_is_told_with_the_limit_range_s_name(
    pod_template: Mapping[str, Any], limits: LimitRangeView, named: bool
) -> None:
    found = quota_refusal(seen(limit_ranges=(limits,)), pod_template, 2)
    assert (found is not None) is named
    if found is not None:
        assert found.reason == "LimitExceeded"
        assert f"LimitRange {limits.name} refuses the pods" in found.message
        assert "more than the limit of" in found.message


# A volume that the active pods hold


ONE_POD = (
    "0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod "
    "access mode."
)
MULTI = event("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) b0')


def held_volume(*others: PodView, by_event: bool = False, **policy: str) -> Turn:
    """A candidate pod that waits for a volume, with these other pods."""
    unscheduled = None if by_event else Failure(reason="Unschedulable", message=ONE_POD)
    waits = pod("g0", ready=False, unscheduled=unscheduled, containers=(), node="n2" if by_event else "")
    events = {waits.uid: (MULTI,)} if by_event else {}
    turn = trial(waits, *others, now=START + CONFIRM + SECOND, events=events)
    return starting(turn, **policy).change_rollout(lacking_since=START)


@pytest.mark.parametrize("by_event", [False, True], ids=["one pod", "one node"])
def test_a_claim_in_use_ends_the_rollout_in_seconds_with_abort_and_says_what_helps(by_event: bool) -> None:
    _, failure = gather_pods(held_volume(by_event=by_event, onInsufficientCapacity="Abort"))
    assert failure is not None
    assert failure.reason == "VolumeInUse"
    assert "Recreate" in failure.message
    assert "ReadOnlyMany" in failure.message


def test_without_abort_it_ends_after_give_up_after_as_nothing_frees_the_volume() -> None:
    waits = held_volume()
    assert gather_pods(waits)[1] is None
    told = room_trouble(waits)
    assert told is not None
    assert "Recreate" in told.message
    late = replace(waits, now=START + GIVE_UP)
    failure = gather_pods(late)[1]
    assert failure is not None
    assert failure.reason == "VolumeInUse"


def test_a_volume_that_becomes_free_is_waited_for() -> None:
    leaving = pod("b0", "blue", ready=False, terminating=True)
    assert volume_in_use(held_volume(leaving)) is None
    recreate = held_volume(leaving).change_rollout(sizes=Sizes(active=0, candidate=1))
    assert gather_pods(recreate)[1] is None


# A Deployment that somebody has paused


def test_a_paused_deployment_is_named_as_the_cause() -> None:
    raw = {"metadata": {"uid": "u"}, "spec": {"paused": True, "replicas": 2}}
    assert deployment_view(raw).paused
    view = DeploymentView("uid-green", 2, REVISION, paused=True)
    turn = starting(trial(deployments={"green": view}, now=START + GIVE_UP))
    trouble = candidate_trouble(turn)
    assert trouble is not None
    assert trouble.reason == "DeploymentPaused"
    assert "kubectl rollout resume deployment diabetes-green -n clinic" in trouble.message
    assert candidate_fault(turn) is None
    ended = gather_pods(turn.change_rollout(deadline=turn.now))[1]
    assert ended is not None
    assert ended.reason == "DeploymentPaused"
    assert "logs" not in ended.message


# An autoscaler of somebody else


def test_an_autoscaler_of_somebody_else_that_keeps_the_candidate_small_is_named_as_the_cause() -> None:
    view = DeploymentView("uid-green", 1, REVISION)
    scalers: dict[str, Any] = {"green": "HorizontalPodAutoscaler keda-hpa-x (of ScaledObject x)"}
    turn = starting(trial(pod("g0"), deployments={"green": view}, scalers=scalers, now=START + GIVE_UP))
    ended = gather_pods(turn.change_rollout(deadline=turn.now, ready_high_water=1))[1]
    assert ended is not None
    assert ended.reason == "ForeignAutoscaler"
    assert "keda-hpa-x (of ScaledObject x) keeps diabetes-green at 1 of the 2 pods" in ended.message
    assert "logs" not in ended.message
    grown = replace(view, replicas=2)
    assert candidate_trouble(starting(trial(pod("g0"), deployments={"green": grown}, scalers=scalers))) is None
