"""Hints on where a rollout is, how it ended, and what stands in its way; and on the clients' way to the pods."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.cli.advice.hint import CLIENTS, ERRORS, PODS, ROWS, STATE, Hint, ok

_AGAIN = "The same once more: kubectl verdigris retry {name}{n} --revision {revision} --reason '...'."
_FOLLOW = "Follow it: kubectl verdigris get {name}{n} -w."
_LOGS = "kubectl verdigris report{n} collects what a bug report needs."

STAGES: Mapping[str, Hint] = {
    "AwaitingApproval": Hint(
        STATE,
        "kubectl verdigris approve {name}{n} --revision {revision} --reason '...', or abort in its place.",
        "approved",
    ),
    "Baking": Hint(ERRORS, "Nothing: all clients are on it, and it is watched. " + _FOLLOW),
    "Measuring": Hint(PODS, "Nothing: it gets clients once Prometheus sees it. " + _FOLLOW),
    "OnTrial": Hint(ERRORS, "Nothing: the active version stands behind every answer. " + _FOLLOW),
    "Progressing": ok(_FOLLOW),
    "RollingBack": Hint(CLIENTS, "Wait until its clients are back. " + _FOLLOW),
    "Shadowing": Hint(ROWS, "Nothing: nobody sees its answers. " + _FOLLOW),
    "Starting": Hint(PODS, "Wait for its pods. " + _FOLLOW),
    "Trading": Hint(PODS, "Nothing: pods are traded one by one. " + _FOLLOW),
}

ENDINGS: Mapping[str, Hint] = {
    "Aborted": Hint(STATE, "Apply another version. " + _AGAIN, "a version that nobody aborted"),
    "ActiveGivenUp": Hint(PODS, "Nothing: the version that answers is the active one. " + _FOLLOW),
    "Adopted": ok(),
    "Done": ok(),
    "Promoted": ok(),
    "Rejected": Hint(STATE, "Apply another version. " + _AGAIN, "a revision that was not rejected"),
    "RequestedRollback": Hint(STATE, "Apply another version. " + _AGAIN, "a version that nobody rolled back"),
    "Reverted": ok("Nothing: the spec asked for the version before."),
    "RolledBack": Hint(ERRORS, "kubectl verdigris history {name}{n} says when. " + _AGAIN),
    "Skipped": ok("Nothing: the step was left out, and says why."),
    "Superseded": ok("Nothing: the spec asks for another version, which comes next."),
    "TrafficNotMoved": Hint(
        CLIENTS, "See who writes it: kubectl get service {name}{n} --show-managed-fields -o yaml. " + _AGAIN
    ),
    "Unknown": Hint(STATE, _LOGS, "a reason that was recorded"),
}

EVENTS: Mapping[str, Hint] = {
    "DecisionAccepted": ok(),
    "DecisionRefused": Hint(STATE, "The message says why; decide anew about the revision of now.", "accepted"),
    "InPlace": Hint(PODS, "Nothing: there is no room beside the active pods, so they are traded."),
    "NotShielded": Hint(STATE, "Nothing, if that is meant: it is watched with clients on it.", "behind the shield"),
    "RolloutFailed": Hint(STATE, "kubectl verdigris why {name}{n}. " + _AGAIN, "promoted"),
    "RolloutStarted": ok(_FOLLOW),
    "StatusMended": Hint(
        STATE, "Nothing: somebody edited the status, and it was put right.", "written by the operator"
    ),
    "StuckPod": Hint(STATE, "kubectl verdigris get {name}{n} shows it.", "no pod is stuck"),
    "StuckPodNotRemoved": Hint(STATE, "The message says who refused: kubectl get pdb{n}.", "removed"),
    "StuckPodRemoved": ok(),
    "TrafficNotFollowed": Hint(
        CLIENTS, "Does kube-controller-manager run, and the gateway? kubectl get endpointslices{n}.", "followed"
    ),
    "TrafficRestored": ok(),
    "TrafficShifted": ok(),
    "WarmRetired": ok(),
}

CONDITIONS: Mapping[str, Hint] = {
    "Active": ok(),
    "ChecksumMatched": ok(),
    "Deleting": Hint(
        STATE,
        "Somebody's finalizer keeps it: kubectl get mdep {name}{n} -o jsonpath='{{.metadata.finalizers}}'.",
        "kept",
    ),
    "Draining": Hint(STATE, "Nothing: it starts by itself. " + _FOLLOW, "the other colour has no clients"),
    "EndpointsReady": ok(),
    "EverythingKnown": ok(),
    "InvalidSpec": Hint(
        STATE, "kubectl verdigris lint -f FILE names each fault. Correct it and apply.", "a valid spec"
    ),
    "InvalidStatus": Hint(STATE, _LOGS, "a status that can be read"),
    "NameLeaving": Hint(STATE, "Nothing: it is deleted, or taken over after a minute.", "the names are free"),
    "NameTaken": Hint(STATE, "Delete what the message names, or give the model another name.", "the names are free"),
    "NoReadyEndpoints": Hint(CLIENTS, "See why no pod is ready: kubectl verdigris get {name}{n}."),
    "NoRollout": ok(),
    "NobodySelected": Hint(CLIENTS, "Wait a moment: it is put back. If it stays: " + _LOGS),
    "NotObserved": Hint(
        STATE, "Is the operator there? kubectl verdigris check says so.", "the operator has seen the spec as it is now"
    ),
    "NotSeen": Hint(
        STATE, "Give the operator its rights back: upgrade its chart. kubectl verdigris check.", "readable"
    ),
    "NotSelected": Hint(CLIENTS, "Wait a moment: it is put back. If it stays: " + _LOGS),
    "NotYetActive": Hint(PODS, _FOLLOW),
    "OwnAutoscaler": ok(),
    "Paused": Hint(
        STATE, "kubectl verdigris resume {name}{n}, or spec.paused: false in your manifest.", "spec.paused: false"
    ),
    "ServiceMisconfigured": Hint(
        CLIENTS, "See who edits it: kubectl get service {name}{n} --show-managed-fields -o yaml."
    ),
    "PrometheusRuleMissing": Hint(
        STATE, "Install the Prometheus Operator, or set spec.monitoring.prometheusRule.enabled: false.", "there is one"
    ),
    "PrometheusRulePresent": ok(),
    "ServiceMonitorMissing": Hint(
        STATE, "Install the Prometheus Operator, or set spec.monitoring.serviceMonitor.enabled: false.", "there is one"
    ),
    "ServiceMonitorPresent": ok(),
    "UnknownFields": Hint(STATE, "Upgrade the operator, or take those fields out.", "every field is known"),
    "UnknownState": Hint(STATE, "Upgrade the operator to the version that began it.", "a state that is known"),
    "Unverified": Hint(STATE, "Set spec.model.sha256: verdigris-model pack prints it.", "verified bytes"),
    "Written": ok(),
}

REFUSALS: Mapping[str, Hint] = {
    "AlreadyExists": Hint(STATE, "Nothing: it is tried again.", "accepted"),
    "ApiError": Hint(STATE, _LOGS, "accepted"),
    "ApiServerBusy": Hint(STATE, "Nothing: it is tried again.", "an answer"),
    "ApiServerUnreachable": Hint(
        STATE, "Does the operator reach the API server? It is tried again until it does.", "an answer"
    ),
    "Conflict": Hint(STATE, "Nothing: it is tried again with what is there now.", "accepted"),
    "Contested": Hint(STATE, "See who else writes it: kubectl get ... --show-managed-fields -o yaml.", "one writer"),
    "FieldsRefused": Hint(STATE, "Upgrade the CRDs: they are older than the operator.", "the whole status is written"),
    "Forbidden": Hint(STATE, "Upgrade the operator's chart, or look at the admission policies.", "allowed"),
    "Incomplete": Hint(STATE, "Upgrade the CRDs: they are older than the operator.", "the whole status is written"),
    "Invalid": Hint(STATE, "Correct the part of the spec that the message names, and apply.", "accepted"),
    "NamespaceTerminating": Hint(STATE, "Nothing: the namespace is being deleted.", "the namespace stays"),
    "NotFound": Hint(STATE, "Nothing: it is made again.", "there"),
    "NotTheApiServer": Hint(
        STATE, "Look at the proxy between the operator and the API server.", "the API server answers"
    ),
    "DecisionNotMarked": Hint(STATE, "Look at webhooks on rolloutdecisions/status.", "written"),
    "StatusRefused": Hint(STATE, "Upgrade the CRDs, and look at webhooks on modeldeployments/status.", "written"),
}
