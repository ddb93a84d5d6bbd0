"""What was seen around a model: nodes, quotas and limits of its namespace, and pods that were removed lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

Amounts = Mapping[str, Decimal]
"""Resource name -> amount in its base unit: CPU in cores, memory in bytes, pods in pods."""


@dataclass(frozen=True)
class Taint:
    """As on a node."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True)
class NodeView:
    """A node: what it can give (`allocatable`) and what its pods have been promised (`requested`), pods included.

    `since` is when its Ready condition last turned.
    """

    name: str
    ready: bool = True
    since: datetime | None = None
    cordoned: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    allocatable: Amounts = field(default_factory=dict)
    requested: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class QuotaView:
    """A ResourceQuota of the model's namespace, by the names that it uses (`requests.cpu`, `pods`, ...)."""

    name: str
    hard: Amounts
    used: Amounts
    scoped: bool = False


@dataclass(frozen=True)
class LimitRangeView:
    """What a LimitRange of the namespace gives and demands of each container, by resource name."""

    name: str
    default_requests: Amounts = field(default_factory=dict)
    default_limits: Amounts = field(default_factory=dict)
    minimum: Amounts = field(default_factory=dict)
    maximum: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class Survey:
    """The nodes and the namespace's limits, as they were at `at`. `problem` says what could not be seen of them."""

    at: datetime
    nodes: tuple[NodeView, ...] = ()
    quotas: tuple[QuotaView, ...] = ()
    limit_ranges: tuple[LimitRangeView, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Removal:
    """A pod that this operator removed lately, of whichever model."""

    model: str
    node: str
    at: datetime
