"""Every name that a model will ever need, so that one that is taken is told at the first look, not in mid-rollout."""

from __future__ import annotations

from typing import NamedTuple

from verdigris.children.http_route import API_VERSION as ROUTES
from verdigris.children.names import COLORS, Owner, account_name, color_name, gate_policy_name, snapshot_name
from verdigris.children.network_policy import API_VERSION as NETWORKING
from verdigris.children.prometheus_rule import KIND as RULES
from verdigris.children.service_monitor import API_VERSION as MONITORING


class Ref(NamedTuple):
    """A child by its kind and name, in the model's own namespace."""

    api_version: str
    kind: str
    name: str


def every_name(
    owner: Owner,
    revision: str,
    *,
    autoscaled: bool,
    monitored: bool,
    alerted: bool = False,
    fenced: bool = True,
    gated: bool = False,
    routed: bool = False,
) -> tuple[Ref, ...]:
    """All children of this model while it runs `revision`, of both colours, whether they are needed now or not.

    Without an autoscaler of ours (`autoscaled`), a ServiceMonitor (`monitored`), a PrometheusRule (`alerted`), a
    NetworkPolicy (`fenced`) or one for gates (`gated`) their names are not needed, nor that of an HTTPRoute unless
    there is to be one of ours (`routed`).
    """
    name = owner.name
    shared = [
        Ref("v1", "Service", name),
        Ref("v1", "ServiceAccount", account_name(name)),
        Ref("apps/v1", "ControllerRevision", snapshot_name(name, revision)),
    ]
    shared += [Ref(NETWORKING, "NetworkPolicy", name)] if fenced else []
    shared += [Ref(NETWORKING, "NetworkPolicy", gate_policy_name(name))] if fenced and gated else []
    shared += [Ref(ROUTES, "HTTPRoute", name)] if routed else []
    kinds = [("apps/v1", "Deployment"), ("v1", "Service"), ("policy/v1", "PodDisruptionBudget")]
    kinds += [("autoscaling/v2", "HorizontalPodAutoscaler")] if autoscaled else []
    colored = [Ref(version, kind, color_name(name, color)) for color in COLORS for version, kind in kinds]
    watched = [Ref(MONITORING, "ServiceMonitor", name)] if monitored else []
    watched += [Ref(MONITORING, RULES, name)] if alerted else []
    return (*shared, *colored, *watched)
