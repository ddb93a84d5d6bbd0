"""What the released CRD fills in. A field that is younger gets its default from the operator, not from the API server.

The API server fills a new default into every stored object at once. Whoever reads them then sees a field that nobody
wrote: version 0.1.0 takes such an object for malformed as long as it runs beside a newer CRD, as in every upgrade.
"""

from __future__ import annotations

DEFAULTED = frozenset(
    {
        "spec.model.allowUnverified",
        "spec.model.format",
        "spec.serving",
        "spec.serving.imagePullSecrets",
        "spec.serving.resources",
        "spec.serving.resources.requests",
        "spec.serving.resources.limits",
        "spec.serving.concurrency",
        "spec.serving.env",
        "spec.serving.env[].value",
        "spec.serving.nodeSelector",
        "spec.serving.tolerations",
        "spec.serving.tolerations[].operator",
        "spec.serving.service",
        "spec.serving.service.type",
        "spec.serving.service.port",
        "spec.serving.service.annotations",
        "spec.autoscaling",
        "spec.autoscaling.minReplicas",
        "spec.autoscaling.maxReplicas",
        "spec.autoscaling.metrics",
        "spec.rollout",
        "spec.rollout.strategy",
        "spec.rollout.allowDowntime",
        "spec.rollout.onInsufficientCapacity",
        "spec.rollout.bake",
        "spec.rollout.progressDeadline",
        "spec.rollout.approval",
        "spec.rollout.onInconclusive",
        "spec.rollout.inconclusiveDeadline",
        "spec.rollout.keepWarm",
        "spec.analysis",
        "spec.analysis.prometheus",
        "spec.analysis.interval",
        "spec.analysis.errorRate",
        "spec.analysis.errorRate.factor",
        "spec.analysis.errorRate.floor",
        "spec.analysis.errorRate.minRequests",
        "spec.analysis.metrics",
        "spec.cleanup",
        "spec.cleanup.enabled",
        "spec.cleanup.dryRun",
        "spec.cleanup.giveUpAfter",
        "spec.cleanup.stuckAfter",
        "spec.cleanup.crashes",
        "spec.cleanup.flaps",
        "spec.cleanup.budget",
        "spec.cleanup.nodeBudget",
        "spec.cleanup.window",
        "spec.cleanup.backoff",
        "spec.monitoring",
        "spec.monitoring.serviceMonitor",
        "spec.monitoring.serviceMonitor.enabled",
        "spec.monitoring.serviceMonitor.interval",
        "spec.monitoring.serviceMonitor.labels",
        "spec.paused",
    }
)
"""Paths in the ModelDeployment of version 0.1.0 that have a default in its CRD. Frozen: nothing is added here."""
