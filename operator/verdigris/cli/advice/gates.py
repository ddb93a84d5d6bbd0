"""Hints on gates, on other environments and the registry that are asked, and on the gateway by which clients come."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.cli.advice.hint import ANEW, CLIENTS, GATE, STATE, Hint, ok

_MISSED = (
    "Mend the version and apply it under a new number. The same once more, or by another threshold once that is "
    "applied (spec.rollout.steps): kubectl verdigris retry {name}{n} --revision {revision} --reason '...'."
)
_ASK_BETTER = "Correct what the message names in the gate's step (spec.rollout.steps) or its data. " + ANEW
_MORE = (
    "Decide: kubectl verdigris promote {name}{n} --revision {revision} --reason '...'. Or give the gate more rows. "
    + ANEW
)
_AGAIN = "See its log: kubectl get jobs,pods{n}, kubectl logs job/NAME{n}. Delete the Job, and it is run again."
_FOLLOW = "Follow it: kubectl verdigris get {name}{n} -w."
_ROUTE = "See it: kubectl get httproute {name}{n} -o yaml."

GATES: Mapping[str, Hint] = {
    "ActiveNotReached": Hint(GATE, "The gate compares with the active version: does it answer? Then: " + _AGAIN),
    "ActiveSuffered": Hint(GATE, "The load made the active version slow: give the gate a lower rate. " + ANEW),
    "AtGate": Hint(GATE, "Wait for its answer. Follow it: kubectl verdigris get {name}{n} -w."),
    "ConfigInvalid": Hint(GATE, _ASK_BETTER),
    "DataInvalid": Hint(GATE, _ASK_BETTER),
    "DataTooLarge": Hint(GATE, "Draw fewer rows, or raise the gate's data.maxBytes. " + ANEW),
    "DeadlineExceeded": Hint(GATE, "Raise the gate's deadline, or give it less to do. " + ANEW),
    "FairnessGateFailed": Hint(GATE, _MISSED),
    "GateContradicts": Hint(GATE, "Mend the program of the gate: exit code and document say the same. Then: " + _AGAIN),
    "GateCrashed": Hint(GATE, _AGAIN),
    "GateFailed": Hint(GATE, _MISSED),
    "GateInconclusive": Hint(GATE, _MORE),
    "GateNotRun": Hint(GATE, "See why its pod does not start: kubectl get jobs,pods{n}. " + _AGAIN),
    "GatePassed": ok(),
    "JobGateFailed": Hint(GATE, _MISSED),
    "LoadGateFailed": Hint(GATE, _MISSED),
    "GateUnknown": Hint(
        STATE,
        "Upgrade the CRDs: kubectl verdigris check. Then apply the version anew, or decide.",
        "what it asks is kept",
    ),
    "MetricUndefined": Hint(GATE, _ASK_BETTER),
    "ModelHasNoAnswer": Hint(GATE, _MISSED),
    "ModelUnverified": Hint(STATE, "Set spec.model.sha256 (verdigris-model pack prints it), and apply.", "a checksum"),
    "NotComparable": Hint(GATE, _ASK_BETTER),
    "NotDecided": Hint(GATE, _MORE),
    "OtherAnswer": Hint(GATE, _AGAIN),
    "Passed": ok(),
    "QualityGateFailed": Hint(GATE, _MISSED),
    "RevisionUnknown": Hint(STATE, "Apply the version again as a new revision.", "what it was made of is known"),
    "SmokeGateFailed": Hint(GATE, _MISSED),
    "ThresholdMissed": Hint(GATE, _MISSED),
    "Unreachable": Hint(GATE, "It reaches no pod of the version: does a NetworkPolicy keep it off? Then: " + _AGAIN),
    "TooFewFiles": Hint(GATE, "Raise the limit of open files where the gate runs, or lower its connections. " + ANEW),
}

_THERE = "kubectl get mdep --all-namespaces shows what serves where."

SOURCES: Mapping[str, Hint] = {
    "AwaitingSource": Hint(STATE, "Nothing: the other environment is asked. " + _FOLLOW, "an answer"),
    "SourceMissing": Hint(STATE, "Correct namespace and name of the step. " + _THERE + " " + ANEW, "there is one"),
    "SourceNoRight": Hint(
        STATE, "Let the operator serve that namespace, too: watchNamespaces of its chart.", "a right"
    ),
    "SourceNotActive": Hint(STATE, "Wait until a version is active there. " + _THERE, "an active version"),
    "SourceNotAllowed": Hint(STATE, "The message has the kubectl command for who owns that namespace.", "agreed"),
    "SourceNotHealthy": Hint(STATE, "See why it does not answer there: kubectl verdigris why, with -n.", "available"),
    "SourceServesOther": Hint(STATE, "Roll these bytes out there first. " + _THERE, "the same SHA-256"),
    "SourceTooYoung": Hint(STATE, "Nothing: its time there is not over. " + _FOLLOW, "healthy there for long enough"),
    "SourceUnknown": Hint(STATE, "Upgrade the CRDs: kubectl verdigris check. Then apply the version anew.", "kept"),
    "SourceUnread": Hint(STATE, "Nothing: it is asked again. " + _THERE, "an answer"),
}

_TAG = "Set the tag where the version is registered, or move the alias: the message names it."

REGISTRY: Mapping[str, Hint] = {
    "AliasFollowed": ok(),
    "AliasMissing": Hint(STATE, "Give the alias to a version, or correct spec.model.", "an alias that is there"),
    "AliasMoved": ok("Nothing: the version that has the alias now is rolled out. " + _FOLLOW),
    "ChecksumMissing": Hint(STATE, _TAG, "a checksum"),
    "ModelMissing": Hint(
        STATE, "Does the registry still have the version that serves? It is tried again.", "a version to tag"
    ),
    "NotFollowed": ok(),
    "NotReported": ok(),
    "NumberUnknown": Hint(STATE, "Nothing, or roll out models:/NAME/NUMBER: the tag is then set.", "a number"),
    "RegistryAsked": Hint(STATE, "Nothing: the registry is asked.", "an answer"),
    "RegistryRefused": Hint(STATE, "Correct the Secret of registry.auth in the chart's values.", "an answer"),
    "RegistryUnknown": Hint(STATE, "Set registry.address in the chart's values, or leave follow out.", "an address"),
    "RegistryUnreachable": Hint(
        STATE, "Does the registry run? It is asked again; nothing changes meanwhile.", "an answer"
    ),
    "Reported": ok(),
    "TagDisputed": Hint(
        STATE, "Does another cluster or program set the tag? Set registry.cluster in the chart's values.", "one writer"
    ),
    "VersionMissing": Hint(STATE, _TAG, "a semantic version"),
    "VersionUnusable": Hint(STATE, _TAG, "a semantic version of at most 64 characters"),
}

GATEWAY: Mapping[str, Hint] = {
    "Accepted": ok(),
    "BackendsMissing": Hint(STATE, "Name the model's Services as backendRefs. " + _ROUTE, "both backends are there"),
    "ByService": ok(),
    "CountedInFront": ok(),
    "GatewayApiMissing": Hint(STATE, "Install the Gateway API, or set spec.traffic.router: Service.", "installed"),
    "NoGateway": Hint(STATE, "Does a gateway take the route? kubectl get gateways --all-namespaces. " + _ROUTE, "one"),
    "NoRouteYet": Hint(STATE, "Nothing: it is made once a version is active.", "an HTTPRoute"),
    "NotAccepted": Hint(STATE, "The gateway says why. " + _ROUTE, "accepted"),
    "NotRouted": Hint(CLIENTS, "See whether the gateway has taken the weights up. " + _ROUTE),
    "RouteClaimed": Hint(STATE, "Let one model have it: name another HTTPRoute in spec.traffic.", "one model"),
    "RouteMissing": Hint(STATE, "Create the HTTPRoute, or correct its name in spec.traffic.", "there is one"),
    "WeightsEdited": Hint(STATE, "See who edits it: kubectl get httproute{n} --show-managed-fields -o yaml.", "ours"),
}
