"""A ModelDeployment document as a `Model`. PURE, and it never fails: what is missing is shown as missing."""

from __future__ import annotations

from verdigris.cli.model.deployment import (
    Condition,
    Counts,
    Decided,
    Ended,
    Evidence,
    Gate,
    GateCheck,
    Model,
    Recommendation,
    Rejected,
    Rollback,
    Rollout,
    Serving,
    Share,
    Step,
    Stuck,
)
from verdigris.cli.model.reading import Raw, number, part, parts, text, whole


def model_of(raw: Raw) -> Model:
    """The model that this document is of."""
    meta, spec, status = part(raw, "metadata"), part(raw, "spec"), part(raw, "status")
    rollout, active, warm = part(status, "rollout"), part(status, "active"), part(status, "warm")
    asked = part(spec, "rollout")
    return Model(
        name=text(meta, "name"),
        namespace=text(meta, "namespace"),
        version=text(part(spec, "model"), "version"),
        target=text(part(status, "target"), "revision"),
        generation=whole(meta, "generation"),
        observed_generation=whole(status, "observedGeneration"),
        paused=spec.get("paused") is True,
        strategy=_strategy(asked),
        shield=asked.get("shield") is not False and text(asked, "strategy") != "Recreate",
        created=text(meta, "creationTimestamp"),
        conditions=tuple(_condition(one) for one in parts(status, "conditions")),
        active=_serving(active) if active else None,
        warm=_serving(warm) if warm else None,
        rollout=_rollout(rollout, spec, parts(status, "traffic")) if rollout else None,
        shares=tuple(_share(one) for one in parts(status, "traffic")),
        stuck=tuple(_stuck(one) for one in parts(status, "stuck")),
        rejected=tuple(_rejected(one) for one in parts(status, "rejected")),
        history=tuple(_ended(one) for one in parts(status, "history")),
        decisions=tuple(_decided(one) for one in parts(status, "decisions")),
        last_rollback=_rollback(part(status, "lastRollback")),
        recommendation=_recommendation(part(status, "recommendation")),
        warm_evidence=_evidence(part(warm, "evidence")) if part(warm, "evidence") else None,
        stuck_after=text(part(spec, "cleanup"), "stuckAfter"),
        give_up_after=text(part(spec, "cleanup"), "giveUpAfter"),
    )


def _strategy(asked: Raw) -> str:
    """Steps with weights are a canary, whether the spec has a word for it or not."""
    named = text(asked, "strategy") or "BlueGreen"
    weighed = any(number(step, "weight") is not None for step in parts(asked, "steps"))
    return "Canary" if weighed and named == "BlueGreen" else named


def digest(raw: Raw) -> str:
    """The first eight digits of the SHA-256: enough for people to compare."""
    return text(raw, "sha256")[:8]


def _serving(raw: Raw) -> Serving:
    return Serving(
        version=text(raw, "version"),
        revision=text(raw, "revision"),
        color=text(raw, "color"),
        digest=digest(raw),
        since=text(raw, "since"),
        until=text(raw, "until"),
    )


def _rollout(raw: Raw, spec: Raw, traffic: list[Raw]) -> Rollout:
    current = whole(raw, "step")
    policy = part(raw, "policy", "rollout") or part(spec, "rollout")
    failure, capacity = part(raw, "failure"), part(raw, "capacity")
    mine = next((one for one in traffic if one.get("color") == raw.get("color")), {})
    return Rollout(
        version=text(raw, "version"),
        revision=text(raw, "revision"),
        color=text(raw, "color"),
        digest=digest(raw),
        stage=text(raw, "stage"),
        step=current,
        steps=tuple(_step(one, place, current) for place, one in enumerate(parts(raw, "steps"))),
        wanted=number(raw, "wanted") or 0.0,
        reached=number(raw, "weight") or 0.0,
        passed_on=(number(raw, "passedOn") or 0.0) / 100,
        routed=(number(raw, "routed") or 0.0) / 100,
        shadowed=(number(raw, "shadowed") or 0.0) / 100,
        shielded=number(mine, "shielded"),
        routed_seen=number(mine, "routed"),
        started=text(raw, "startedAt"),
        since=text(raw, "since"),
        deadline=text(raw, "deadline"),
        size=whole(raw, "replicas") or 1,
        message=text(raw, "message"),
        evidence=_evidence(part(raw, "evidence")),
        shadow=_evidence(part(raw, "shadow")) if part(raw, "shadow") else None,
        failure_reason=text(failure, "reason"),
        failure_message=text(failure, "message"),
        outcome=text(raw, "outcome"),
        trouble_reason=text(part(raw, "trouble"), "reason"),
        fits=whole(capacity, "fits") if capacity else None,
        needed=whole(capacity, "needed") if capacity else None,
        lacking_since=text(raw, "lackingSince"),
        wished_at=text(raw, "wishedAt"),
        inconclusive_since=text(part(raw, "evidence"), "inconclusiveSince"),
        ends=sum(whole(one, "count") or 1 for one in _own_ends(raw)),
        approved=bool(part(raw, "approval")),
        on_inconclusive=text(policy, "onInconclusive"),
        inconclusive_deadline=text(policy, "inconclusiveDeadline"),
        bake=text(policy, "bake"),
        progress_deadline=text(policy, "progressDeadline"),
    )


def _own_ends(raw: Raw) -> list[Raw]:
    """Ends of the candidate's own servers."""
    return [one for one in parts(raw, "exits") if one.get("revision") == raw.get("revision")]


def _step(raw: Raw, place: int, current: int) -> Step:
    skipped, ended = text(raw, "reason") == "Skipped", bool(text(raw, "ended"))
    state = "Skipped" if skipped else "Done" if ended else "Running" if place == current else "Waiting"
    return Step(
        kind=text(raw, "kind"),
        state=state,
        weight=number(raw, "weight"),
        hold=text(raw, "hold"),
        verdict=text(raw, "verdict"),
        reason=text(raw, "reason") or text(part(raw, "source"), "reason"),
        message=text(raw, "message") or text(part(raw, "source"), "message"),
        began=text(raw, "began"),
        gate=_gate(part(raw, "gate")) if part(raw, "gate") else None,
    )


def _gate(raw: Raw) -> Gate:
    return Gate(
        job=text(raw, "job"),
        verdict=text(raw, "verdict"),
        reason=text(raw, "reason"),
        message=text(raw, "message"),
        rows=whole(raw, "rows"),
        checks=tuple(_gate_check(one) for one in parts(raw, "checks")),
    )


def _gate_check(raw: Raw) -> GateCheck:
    return GateCheck(
        name=text(raw, "name"),
        verdict=text(raw, "verdict"),
        value=number(raw, "value"),
        threshold=number(raw, "threshold"),
        bound=text(raw, "bound"),
        low=number(raw, "low"),
        high=number(raw, "high"),
        count=whole(raw, "count"),
    )


def _evidence(raw: Raw) -> Evidence:
    baseline = part(raw, "baseline")
    return Evidence(
        verdict=text(raw, "verdict") or "Inconclusive",
        reason=text(raw, "reason") or "NoEvidence",
        message=text(raw, "message"),
        candidate=_counts(part(raw, "candidate")),
        baseline=_counts(baseline),
        baseline_source=text(baseline, "source") or "None",
        limit=number(baseline, "limit") or 0.0,
        score=number(raw, "score") or 0.0,
        threshold=number(raw, "threshold") or 0.0,
        looks=whole(raw, "looks"),
        watched_seconds=number(raw, "seen") or 0.0,
        breaches=max((whole(one, "count") for one in parts(raw, "breaches")), default=0),
    )


def _counts(raw: Raw) -> Counts:
    return Counts(requests=whole(raw, "requests"), errors=whole(raw, "errors"))


def _condition(raw: Raw) -> Condition:
    words = (text(raw, name) for name in ("type", "status", "reason", "message", "lastTransitionTime"))
    return Condition(*words)


def _share(raw: Raw) -> Share:
    return Share(
        color=text(raw, "color"),
        version=text(raw, "version"),
        reached=number(raw, "weight") or 0.0,
        wanted=number(raw, "wanted") or 0.0,
        shielded=number(raw, "shielded"),
        routed=number(raw, "routed"),
    )


def _stuck(raw: Raw) -> Stuck:
    return Stuck(
        pod=text(raw, "pod"),
        kind=text(raw, "kind"),
        reason=text(raw, "reason"),
        message=text(raw, "message"),
        remedy=text(raw, "remedy") or "None",
        held=text(raw, "held"),
        since=text(raw, "since"),
    )


def _rejected(raw: Raw) -> Rejected:
    check = part(raw, "check")
    return Rejected(
        version=text(raw, "version"),
        revision=text(raw, "revision"),
        reason=text(raw, "reason"),
        message=text(raw, "message"),
        at=text(raw, "at"),
        check=_gate_check(check) if check else None,
    )


def _ended(raw: Raw) -> Ended:
    words = (text(raw, name) for name in ("version", "revision", "outcome", "reason", "startedAt", "endedAt"))
    return Ended(*words)


def _decided(raw: Raw) -> Decided:
    return Decided(
        at=text(raw, "at"),
        by=text(raw, "by"),
        verb=text(raw, "verb"),
        revision="",
        reason=text(raw, "reason"),
        outcome=text(raw, "outcome"),
        message=text(raw, "message"),
    )


def decision_of(raw: Raw) -> Decided:
    """A RolloutDecision document."""
    spec, status = part(raw, "spec"), part(raw, "status")
    return Decided(
        at=text(part(raw, "metadata"), "creationTimestamp"),
        by=text(spec, "requestedBy"),
        verb=text(spec, "verb"),
        revision=text(spec, "revision"),
        reason=text(spec, "reason"),
        outcome=text(status, "outcome"),
        message=text(status, "message"),
    )


def _rollback(raw: Raw) -> Rollback | None:
    if not raw:
        return None
    return Rollback(
        from_version=text(raw, "fromVersion"),
        to_version=text(raw, "toVersion"),
        reason=text(raw, "reason"),
        message=text(raw, "message"),
        decided=text(raw, "decidedAt"),
        restored=text(raw, "trafficRestoredAt"),
        evidence=_evidence(part(raw, "evidence")),
    )


def _recommendation(raw: Raw) -> Recommendation | None:
    if not raw:
        return None
    return Recommendation(
        cpu=text(raw, "cpu"),
        memory=text(raw, "memory"),
        message=text(raw, "message"),
        percentile=number(raw, "percentile") or 0.0,
        window=text(raw, "window"),
        samples=whole(raw, "samples"),
        at=text(raw, "at"),
    )
