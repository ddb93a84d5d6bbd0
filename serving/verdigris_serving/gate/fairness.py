"""The fairness gate: whether the groups of each protected attribute are selected, and found, alike.

Selected is who gets the favourable label. Disparate impact is the smallest ratio of two groups' selection rates, and
equal opportunity the largest difference of two groups' true positive rates: of all pairs of groups, or of each group
and the privileged one where one is named.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

import msgspec

from verdigris_serving.gate.config import Attribute, Fairness
from verdigris_serving.gate.fetched import Fetcher
from verdigris_serving.gate.judging import Rule, Side, judged
from verdigris_serving.gate.refusals import Refusal
from verdigris_serving.gate.result import ArtifactRead, Check, DataRead, Finding, Group, Verdict, rounded
from verdigris_serving.gate.rows import Answers, NoAnswer, answered
from verdigris_serving.gate.statistics.binomial import difference, ratio
from verdigris_serving.gate.statistics.estimate import Estimate
from verdigris_serving.gate.statistics.extremes import largest, smallest
from verdigris_serving.model.labels import position_of
from verdigris_serving.model.schema import InvalidModel, Manifest

MOST_GROUPS = 50
#: A column of numbers with more different ones than that is a measure, and no name of groups.
MOST_NUMBERS = 10
MISSING = "(missing)"


@dataclass
class Counts:
    """Of one group: its rows, those selected; those truly favourable and of these selected; the others likewise."""

    rows: int = 0
    selected: int = 0
    favourable: int = 0
    hits: int = 0
    others: int = 0
    alarms: int = 0


#: What of a group is compared: successes and trials.
Share = tuple[int, int]


def fairness(config: Fairness, fetcher: Fetcher) -> Finding:
    """Fetch, answer every row, judge. Raises Refusal, NotNow."""
    model = fetcher.model(config.model)
    favourable = favourable_of(model.manifest, config.favourable)
    path = fetcher.data(config.data)
    finding = Finding([], artifact=ArtifactRead(sha256=model.sha256, version=model.manifest.version))
    try:
        answers = answered(model, path, config.data.target, [attribute.name for attribute in config.attributes])
    except NoAnswer as fault:
        finding.data = DataRead(sha256=config.data.sha256, rows=fault.rows)
        finding.reason = "ModelHasNoAnswer"
        finding.checks = [Check(name="answers", verdict=Verdict.FAIL, message=str(fault), n=fault.rows)]
        return finding
    finding.data = DataRead(sha256=config.data.sha256, rows=answers.rows)
    finding.checks, finding.groups = judge(config, answers, favourable)
    return finding


def favourable_of(manifest: Manifest, label: int | str | bool | None) -> int:
    """The place of the favourable class: the second of two unless named. Raises Refusal."""
    if manifest.task != "classification":
        raise Refusal(
            "MetricUndefined",
            f"the fairness gate compares how often groups get a label; this model is of the kind {manifest.task}, and "
            "gives none: judge it with a gate of your own",
        )
    if label is None:
        if len(manifest.classes) != 2:
            raise Refusal(
                "ConfigInvalid", f"the model has the classes {manifest.classes}: say in favourable which is good to get"
            )
        return 1
    try:
        return position_of(manifest, label)
    except InvalidModel as error:
        raise Refusal(
            "ConfigInvalid", f"favourable is {label}, and the model's classes are {manifest.classes}"
        ) from error


def judge(config: Fairness, answers: Answers, favourable: int) -> tuple[list[Check], list[Group]]:
    """The checks of every attribute, and the table of their groups. Pure. Raises Refusal."""
    asked = [each for each in (config.disparate_impact, config.equal_opportunity) if each is not None]
    rule = Rule.of(config.confidence, len(asked) * len(config.attributes))
    checks: list[Check] = []
    table: list[Group] = []
    for attribute in config.attributes:
        counts = counted(grouped(attribute, answers.attributes[attribute.name]), answers, favourable)
        if attribute.privileged is not None and attribute.privileged not in counts:
            known = ", ".join(_named(name) for name in counts)
            raise Refusal(
                "ConfigInvalid",
                f"attribute {attribute.name} has no group {attribute.privileged} in the data, which is to be the "
                f"privileged one; it has {known}",
            )
        table += _rows_of(attribute.name, counts, config.min_group, known=bool(answers.truths))
        if config.disparate_impact:
            shares = {name: (each.selected, each.rows) for name, each in counts.items()}
            threshold = config.disparate_impact.min
            checks.append(_ruled(_Comparison("disparateImpact", "min", threshold), attribute, shares, config, rule))
        if config.equal_opportunity:
            shares = {name: (each.hits, each.favourable) for name, each in counts.items()}
            threshold = config.equal_opportunity.max_difference
            checks.append(_ruled(_Comparison("equalOpportunity", "max", threshold), attribute, shares, config, rule))
    return checks, table


@dataclass(frozen=True)
class _Comparison:
    name: str
    side: Side
    threshold: float


def _ruled(asked: _Comparison, attribute: Attribute, shares: dict[str, Share], config: Fairness, rule: Rule) -> Check:
    name = f"{asked.name}:{attribute.name}"
    large = {group: share for group, share in shares.items() if share[1] >= config.min_group}
    rows = sum(trials for _, trials in large.values())
    small = _not_judged(shares, large, config.min_group)
    why = _nothing_to_compare(attribute, shares, large, config.min_group)
    if why:
        return Check(
            name=name,
            verdict=Verdict.INCONCLUSIVE,
            message=f"{asked.name} of {attribute.name}: {why}{small}",
            threshold=asked.threshold,
            bound=asked.side,
            n=rows,
        )
    worst, whose = compared(asked.side, large, attribute.privileged)
    called = f"{asked.name} of {attribute.name} ({whose})"
    check = judged(name, replace(worst, n=rows), asked.side, asked.threshold, rule, called=called)
    return msgspec.structs.replace(check, message=check.message + small)


def compared(side: Side, shares: dict[str, Share], privileged: str | None) -> tuple[Estimate, str]:
    """The smallest ratio of two shares (``min``) or the largest difference (``max``), and whose it is."""
    if privileged is None:
        pairs = list(permutations(shares, 2))
        comparisons = len(pairs) // 2
    else:
        pairs = [(group, privileged) for group in shares if group != privileged]
        if side == "max":
            pairs += [(other, group) for group, other in pairs]
        comparisons = len(shares) - 1
    compare = ratio if side == "min" else difference
    estimates = [compare(shares[a], shares[b]) for a, b in pairs]
    if side == "min":
        whole = smallest(estimates, comparisons, most=math.inf if privileged else 1.0)
    else:
        whole = largest(estimates, comparisons)
    place = next((k for k, each in enumerate(estimates) if each.value == whole.value), 0)
    first, second = pairs[place]
    return whole, f"{_named(first)} to {_named(second)}"


def grouped(attribute: Attribute, cells: Sequence[str]) -> list[str]:
    """The group of each row. Raises Refusal where there are too many for groups, or bins for what is no number."""
    if attribute.bins:
        return _binned(attribute, attribute.bins, cells)
    distinct = {cell for cell in cells if cell}
    if len(distinct) > MOST_NUMBERS and all(map(_is_number, distinct)):
        raise Refusal(
            "DataInvalid",
            f"attribute {attribute.name} is a number with {len(distinct):,} different values: say in bins where its "
            "groups part, such as [30, 45, 60]",
        )
    if len(distinct) > MOST_GROUPS:
        raise Refusal(
            "DataInvalid",
            f"attribute {attribute.name} has {len(distinct):,} different values, and at most {MOST_GROUPS} are "
            "compared: is it the right column? If it is, join its values to fewer",
        )
    return [cell or MISSING for cell in cells]


def _binned(attribute: Attribute, bins: Sequence[float], cells: Sequence[str]) -> list[str]:
    names = [f"<= {bins[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(bins)), f"> {bins[-1]:g}"]
    try:
        return [names[bisect_left(bins, float(cell))] if cell else MISSING for cell in cells]
    except ValueError as error:
        raise Refusal(
            "DataInvalid", f"attribute {attribute.name} has bins, and a value in it is no number: leave bins out"
        ) from error


def counted(groups: Sequence[str], answers: Answers, favourable: int) -> dict[str, Counts]:
    """The counts of each group, by name. Of the truth only where the answers have it."""
    found = {name: Counts() for name in sorted(set(groups))}
    selected = [label == favourable for label in answers.labels]
    for name, chosen in zip(groups, selected, strict=True):
        found[name].rows += 1
        found[name].selected += chosen
    if answers.truths:
        for name, chosen, truth in zip(groups, selected, answers.truths, strict=True):
            counts = found[name]
            if truth == favourable:
                counts.favourable += 1
                counts.hits += chosen
            else:
                counts.others += 1
                counts.alarms += chosen
    return found


def _rows_of(attribute: str, counts: dict[str, Counts], least: int, *, known: bool) -> list[Group]:
    return [
        Group(
            attribute=attribute,
            group=_named(name),
            n=each.rows,
            selection_rate=_rate(each.selected, each.rows) or 0.0,
            tpr=_rate(each.hits, each.favourable) if known else None,
            fpr=_rate(each.alarms, each.others) if known else None,
            judged=each.rows >= least,
        )
        for name, each in counts.items()
    ]


def _nothing_to_compare(attribute: Attribute, shares: dict[str, Share], large: dict[str, Share], least: int) -> str:
    if len(shares) < 2:
        return f"the data has one group only, {_named(next(iter(shares)))}: there is nothing to compare"
    if attribute.privileged is not None and attribute.privileged not in large:
        return f"the privileged group {_named(attribute.privileged)} has fewer than {least} rows to compare with"
    if len(large) < 2:
        return f"fewer than two groups have {least} rows: there is nothing to compare; use more data"
    return ""


def _not_judged(shares: dict[str, Share], large: dict[str, Share], least: int) -> str:
    small = [f"{_named(group)} ({trials})" for group, (_, trials) in shares.items() if group not in large]
    return f"; not judged, with fewer than {least} rows: {', '.join(small)}" if small else ""


def _rate(successes: int, trials: int) -> float | None:
    return rounded(successes / trials) if trials else None


def _named(group: str) -> str:
    return group if len(group) <= 40 else group[:39] + "…"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
