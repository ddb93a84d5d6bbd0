"""The quality gate: metrics on held-out rows against thresholds, and against the active version on the same rows."""

from dataclasses import dataclass

from verdigris_serving.gate.config import Quality, VersusActive
from verdigris_serving.gate.fetched import Fetcher
from verdigris_serving.gate.judging import Rule, judged, sides
from verdigris_serving.gate.metrics import check_defined, estimate
from verdigris_serving.gate.paired import gain
from verdigris_serving.gate.refusals import Refusal
from verdigris_serving.gate.result import ArtifactRead, Check, DataRead, Finding, Verdict
from verdigris_serving.gate.rows import Answers, NoAnswer, answered
from verdigris_serving.model.loaded import LoadedModel

#: Of each class, in what compares rows of one with rows of the other: fewer decide nothing on an interval.
_LEAST_OF_A_CLASS = 10


@dataclass(frozen=True)
class Inputs:
    """What is judged: the model's answers, and the active one's, or why it has none."""

    model: Answers
    active: Answers | None = None
    active_fault: str = ""


def quality(config: Quality, fetcher: Fetcher) -> Finding:
    """Fetch, answer every row, judge. Raises Refusal, NotNow."""
    model = fetcher.model(config.model)
    versus = config.versus_active
    asked = [*config.thresholds, *([versus.metric] if versus else [])]
    for metric in asked:
        check_defined(metric, model.manifest)
    active = fetcher.model(versus.active, "active") if versus else None
    if active:
        _check_alike(model, active)
    path = fetcher.data(config.data)
    finding = Finding([], artifact=ArtifactRead(sha256=model.sha256, version=model.manifest.version))
    if active:
        finding.active = ArtifactRead(sha256=active.sha256, version=active.manifest.version)
    try:
        answers = answered(model, path, config.data.target)
    except NoAnswer as fault:
        finding.data = DataRead(sha256=config.data.sha256, rows=fault.rows)
        finding.reason = "ModelHasNoAnswer"
        finding.checks = [Check(name="answers", verdict=Verdict.FAIL, message=str(fault), n=fault.rows)]
        return finding
    finding.data = DataRead(sha256=config.data.sha256, rows=answers.rows)
    other, why = None, ""
    if active:
        try:
            same = active.sha256 == model.sha256
            other = answers if same else answered(active, path, config.data.target)
        except (NoAnswer, Refusal) as fault:
            why = f"the active version cannot be compared with: {fault}"
    finding.checks = judge(config, Inputs(answers, other, why))
    return finding


def judge(config: Quality, inputs: Inputs) -> list[Check]:
    """One check a threshold, and one of the comparison. Pure. Raises Refusal where a metric is not defined here."""
    thresholds = [(name, side, limit) for name, each in config.thresholds.items() for side, limit in sides(each)]
    rule = Rule.of(config.confidence, len(thresholds) + (config.versus_active is not None))
    checks = []
    for name, side, limit in thresholds:
        check = judged(name, estimate(name, inputs.model), side, limit, rule)
        checks.append(_of_enough(check, inputs.model, name, rule))
    if config.versus_active:
        checks.append(_compared(config.versus_active, inputs, rule))
    return checks


def _compared(versus: VersusActive, inputs: Inputs, rule: Rule) -> Check:
    name, threshold = f"{versus.metric} versus active", -versus.margin
    if inputs.active is None:
        return Check(
            name=name,
            verdict=Verdict.INCONCLUSIVE,
            message=inputs.active_fault,
            threshold=threshold,
            bound="min",
            n=inputs.model.rows,
        )
    called = f"the gain in {versus.metric} over the active version"
    check = judged(name, gain(versus.metric, inputs.model, inputs.active), "min", threshold, rule, called=called)
    return _of_enough(check, inputs.model, versus.metric, rule)


def _of_enough(check: Check, answers: Answers, metric: str, rule: Rule) -> Check:
    """The check, undecided where a class has too few rows for the limits of an AUC to hold."""
    if metric != "auc" or rule.confidence is None:
        return check
    least = min(answers.truths.count(1), answers.truths.count(0))
    if least >= _LEAST_OF_A_CLASS or check.verdict is Verdict.INCONCLUSIVE:
        return check
    told = f"{check.name}: one class has {least} rows, and at least {_LEAST_OF_A_CLASS} are needed to decide"
    return Check(
        name=check.name,
        verdict=Verdict.INCONCLUSIVE,
        message=told,
        value=check.value,
        threshold=check.threshold,
        bound=check.bound,
        interval=check.interval,
        n=check.n,
    )


def _check_alike(model: LoadedModel, active: LoadedModel) -> None:
    own, other = model.manifest, active.manifest
    if own.task != other.task or own.classes != other.classes:
        raise Refusal(
            "NotComparable",
            f"versusActive: the model is a {own.task} with the classes {own.classes}, the active one a {other.task} "
            f"with {other.classes}: they cannot be compared; leave versusActive out for this version",
        )
