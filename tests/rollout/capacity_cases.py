"""Nodes, quotas and pods as the tests of the capacity check write them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from tests.rollout.parts import START
from tests.rollout.world import serving
from verdigris.api.schema.quantity import amount_of
from verdigris.core.facts.observed import Observed, PodView
from verdigris.core.facts.survey import Amounts, NodeView, QuotaView, Survey, Taint

Json = dict[str, Any]
REVISION = "v2-0"


def amounts(**given: str) -> Amounts:
    """`cpu="500m"`; an underscore is a dot, as in `requests_cpu`."""
    return {name.replace("_", "."): amount_of(value) for name, value in given.items()}


def container(requests: Json | None = None, limits: Json | None = None, **rest: Any) -> Json:
    return {"name": "server", "resources": {"requests": requests or {}, "limits": limits or {}}, **rest}


def template(*containers: Json, init: tuple[Json, ...] = (), **rest: Any) -> Json:
    labels = {"verdigris.dev/revision": REVISION}
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": list(containers), "initContainers": list(init), **rest},
    }


HALF = template(container({"cpu": "500m"}))


GPU = Taint("gpu", "only", "NoSchedule")


def node(name: str, cpu: str = "4", used: str = "0", **rest: Any) -> NodeView:
    can = amounts(cpu=cpu, memory="8Gi", pods="110")
    return NodeView(name, **({"allocatable": can, "requested": amounts(cpu=used, pods="0")} | rest))


@cache
def _served() -> Observed:
    return serving("1.0.0").observe()


def seen(*nodes: NodeView, **survey: Any) -> Observed:
    """A model with version 1.0.0 in service, and this survey."""
    return replace(_served(), survey=Survey(START, nodes, **survey))


def quota(name: str = "small", hard: Json | None = None, used: Json | None = None, **rest: Any) -> QuotaView:
    return QuotaView(name, amounts(**(hard or {})), amounts(**(used or {})), **rest)


def pending(name: str, revision: str = REVISION, **rest: Any) -> PodView:
    return PodView(name, name, "green", revision, START, False, phase="Pending", **rest)
