"""Capacity against every possible assignment of pods to nodes: it never promises a place that there is not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollout.capacity_cases import container, pending, seen, template
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.survey import NodeView, QuotaView, Taint
from verdigris.core.pods.room import fit as capacity

amount = st.integers(0, 5)


@dataclass(frozen=True)
class Node:
    """In whole cores, GiB and slots."""

    cpu: int
    memory: int
    slots: int
    used_cpu: int
    used_memory: int
    used_slots: int
    open: bool

    def view(self, name: str) -> NodeView:
        return NodeView(
            name,
            taints=() if self.open else (Taint("closed"),),
            allocatable={"cpu": Decimal(self.cpu), "memory": Decimal(self.memory << 30), "pods": Decimal(self.slots)},
            requested={
                "cpu": Decimal(self.used_cpu),
                "memory": Decimal(self.used_memory << 30),
                "pods": Decimal(self.used_slots),
            },
        )


@dataclass(frozen=True)
class Case:
    """A small cluster, what a pod takes, and one quota of pods and cores; `waiting` of the pods exist already."""

    nodes: tuple[Node, ...]
    cpu: int
    memory: int
    count: int
    waiting: int
    quota_pods: int
    quota_cpu: int

    def observed(self) -> Observed:
        hard = {"pods": Decimal(self.quota_pods), "requests.cpu": Decimal(self.quota_cpu)}
        used = {"pods": Decimal(self.waiting), "requests.cpu": Decimal(self.waiting * self.cpu)}
        views = tuple(node.view(f"n{number}") for number, node in enumerate(self.nodes))
        observed = seen(*views, quotas=(QuotaView("q", hard, used),))
        return replace(observed, pods=tuple(pending(f"p{number}") for number in range(self.waiting)))

    def possible(self, places: tuple[int, ...]) -> bool:
        """Whether pods can be on these nodes, put there one by one."""
        left = [[n.cpu - n.used_cpu, n.memory - n.used_memory, n.slots - n.used_slots] for n in self.nodes]
        pods, cores = self.waiting, self.waiting * self.cpu
        for serial, place in enumerate(places):
            if serial >= self.waiting:
                pods, cores = pods + 1, cores + self.cpu
            over_quota = serial >= self.waiting and (
                pods > self.quota_pods or (self.cpu > 0 and cores > self.quota_cpu)
            )
            asked = (self.cpu, self.memory, 1)
            short = any(wants > has for wants, has in zip(asked, left[place], strict=True) if wants)
            if over_quota or short or not self.nodes[place].open:
                return False
            left[place] = [has - wants for wants, has in zip(asked, left[place], strict=True)]
        return True

    def most(self) -> int:
        """The most pods that any assignment gives a place."""
        indices = range(len(self.nodes))
        return max(
            size
            for size in range(self.count + 1)
            if any(self.possible(places) for places in itertools.product(indices, repeat=size))
        )


nodes = st.builds(Node, amount, amount, st.integers(0, 4), amount, amount, st.integers(0, 2), st.booleans())
cases = st.integers(1, 4).flatmap(
    lambda count: st.builds(
        Case,
        st.lists(nodes, min_size=0, max_size=3).map(tuple),
        st.integers(1, 3),
        st.integers(0, 3),
        st.just(count),
        st.integers(0, count),
        st.integers(0, 6),
        st.integers(0, 9),
    )
)


@settings(max_examples=200, deadline=None)
@given(cases)
def test_as_many_fit_as_the_best_of_all_assignments_places(case: Case) -> None:
    pod = template(container({"cpu": str(case.cpu), "memory": f"{case.memory}Gi"}))
    observed = case.observed()
    found = capacity.check(observed, pod, case.count)
    assert found is not None
    assert found.fits == case.most()
    assert (found.fits < case.count) == ("all fit" not in found.message and "it fits" not in found.message)
    assert found == capacity.check(observed, pod, case.count)
    further = case.count - case.waiting
    refused = capacity.quota_refusal(observed, pod, further)
    room = min(case.quota_pods - case.waiting, (case.quota_cpu // case.cpu) - case.waiting)
    assert (refused is not None) == (further > 0 and room < further)
