"""Hints on what the judges say of a version."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.cli.advice.hint import CHECK, CLIENTS, ERRORS, ROWS, STATE, Hint, ok

_AGAIN = "The same once more: kubectl verdigris retry {name}{n} --revision {revision} --reason '...'."
_FIX = "Look at its log (kubectl verdigris logs {name}{n}), mend the version and apply it under a new number. " + _AGAIN
_FAILED = (
    "Behind the shield the active pods log what it failed at: kubectl verdigris logs {name}{n} --color {active}. Mend "
    "the version and apply it under a new number. " + _AGAIN
)
_WAIT_OR_DECIDE = (
    "It is waited for. To end the wait: kubectl verdigris promote {name}{n} --revision {revision} --reason '...', or "
    "abort in its place."
)
_CHECK = "kubectl verdigris check {name}{n} says whether Prometheus is reached, finds the pods, and has their data."

EVIDENCE: Mapping[str, Hint] = {
    "CandidateNotScraped": Hint(STATE, _CHECK, "every ready pod has a sample of the last three scrapes"),
    "CandidateVisible": ok("Nothing: it gets its first requests now.", "every ready pod is scraped"),
    "CheckFailed": Hint(CHECK, _FIX),
    "CheckOutOfBounds": Hint(CHECK, "It is looked at again: three looks in a row out of bounds end the rollout."),
    "CheckWithoutLimit": Hint(
        CHECK, "Give spec.analysis.latency.p95 a duration for the next rollout, instead of a factor. " + _WAIT_OR_DECIDE
    ),
    "CheckWithoutValue": Hint(
        CHECK,
        "Try the query in Prometheus, send requests, or correct spec.analysis for the next rollout. " + _WAIT_OR_DECIDE,
    ),
    "ClocksDiffer": Hint(STATE, "Synchronise the clocks of the nodes and of Prometheus (NTP).", "within 15 s"),
    "ErrorRateDoubled": Hint(ERRORS, _FAILED),
    "ErrorRateTooHigh": Hint(
        ERRORS,
        "Mend what makes both versions fail. If the new one mends it: kubectl verdigris promote {name}{n} --revision "
        "{revision} --reason '...'.",
    ),
    "NoEvidence": Hint(ERRORS, "Wait for the first look at Prometheus. Where none comes: " + _CHECK),
    "NoSamples": Hint(ERRORS, _CHECK),
    "NotCompared": Hint(ROWS, "The active pods have to run an image that knows shadows. " + _CHECK),
    "NotPassedOn": Hint(
        CLIENTS,
        "Look who keeps the operator from annotating pods: kubectl get events{n} --field-selector type=Warning.",
    ),
    "NotWatched": Hint(ERRORS, "It is watched for longer, as soon as there are samples. " + _CHECK),
    "PrometheusUnreachable": Hint(STATE, _CHECK, "Prometheus answers"),
    "ScrapedTwice": Hint(
        STATE,
        "Find the second job: kubectl get servicemonitors,podmonitors --all-namespaces. Or set "
        "spec.analysis.prometheus.matchers.",
        "each pod is scraped by one job",
    ),
    "ShadowAgrees": ok("Nothing: it goes on when its time is over."),
    "ShadowDisagrees": Hint(
        ROWS,
        "Compare the two versions on your own rows (verdigris-model diff). Where the new answers are meant: raise "
        "maxDisagreement of the step, or leave it out, apply, and kubectl verdigris retry {name}{n} --revision "
        "{revision} --reason '...'.",
    ),
    "TooFewRequests": Hint(
        ERRORS, "Send requests, or raise spec.analysis.errorRate.detect for the next rollout. " + _WAIT_OR_DECIDE
    ),
    "TooFewRows": Hint(
        ROWS, "Send requests, or raise maxDisagreement of the step for the next rollout. " + _WAIT_OR_DECIDE
    ),
    "WithinLimits": ok("Nothing: it goes on when its time is over."),
}
