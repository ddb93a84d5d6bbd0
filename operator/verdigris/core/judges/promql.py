"""PromQL: which pods a question is about, and which queries of users are not asked at all. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

from verdigris.api.status import Color
from verdigris.children.service_monitor import UID_LABEL

LONGEST_RANGE = timedelta(days=1)
"""A query may look back so far: longer ones read more than a look at a rollout is worth."""

MOST_STEPS = 1500
"""A subquery may have so many steps."""


@dataclass(frozen=True)
class Pods:
    """The pods of one revision in one colour, by the labels that the ServiceMonitor gives to all that they show.

    `uid` is the ModelDeployment's: a Prometheus over several clusters tells equal names apart by it. Series that bear
    none (another scrape configuration) are taken too, so `extra` can name further labels, such as the cluster's.
    """

    namespace: str
    model: str
    color: Color
    revision: str
    uid: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def matchers(self, about: str | None = None) -> str:
        """What stands between the braces of a selector: of counters that are `about` another revision, if one is given.

        Those bear that one's label themselves, which Prometheus calls `exported_revision` beside the pod's own, unless
        it was told to honour it.
        """
        labels = {"namespace": self.namespace, "model": self.model, "color": self.color}
        parts = [f'{name}="{value}"' for name, value in labels.items()]
        if about is None:
            parts += [f'revision="{self.revision}"']
        else:
            parts += [f'revision=~"{self.revision}|{about}"', f'exported_revision=~"{about}|"']
        parts += [f'{UID_LABEL}=~"{self.uid}|"'] if self.uid else []
        return ",".join([*parts, *(f'{name}="{_escaped(value)}"' for name, value in sorted(self.extra.items()))])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)|(?P<comment>\#[^\n]*)|(?P<span>\[[^\]]*\])"""
    r"""|(?P<open>[({])|(?P<close>[)}])|(?P<number>[0-9][0-9a-zA-Z.]*)|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<other>\S)"""
)
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = _LISTS | {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"}
_AGGREGATORS = frozenset(
    [
        "sum",
        "min",
        "max",
        "avg",
        "group",
        "stddev",
        "stdvar",
        "count",
        "count_values",
        "bottomk",
        "topk",
        "quantile",
        "limitk",
        "limit_ratio",
    ]
)
_OWN = "__namespace__"
_COUNTS = re.compile(r":|_(total|count|sum|bucket)\b|^__name__$")


def refusal(query: str, *, isolated: bool = False) -> str | None:
    """Why this query of a user's is not asked, as a sentence that says what to change; None when it may be.

    It may look back `LONGEST_RANGE` at most and have subqueries of `MOST_STEPS` steps. `isolated`: each of its
    selectors must keep to its own namespace, with the matcher `namespace="{{namespace}}"`.
    """
    for span in _spans(query):
        sentence = _too_wide(span)
        if sentence:
            return sentence
    return _leaves_its_namespace(query) if isolated else None


def is_fed_by_requests(query: str) -> bool:
    """Whether a value of 0 may only say that nobody has asked yet: the query counts over time, or reads a counter.

    Told by how it is written: a range, a counter's name, or a recorded series, of which nobody sees what it is.
    """
    found = list(_TOKEN.finditer(query))
    names = (match["name"] or match["text"] or "" for match in found)
    return any(match["span"] for match in found) or any(_COUNTS.search(name) for name in names)


def _spans(query: str) -> list[str]:
    found = list(_TOKEN.finditer(query))
    spans = [match["span"][1:-1] for match in found if match["span"]]
    for before, after in pairwise(found):
        if before["name"] == "offset" and after["number"]:
            spans.append(after["number"])
    return spans


def _too_wide(span: str) -> str | None:
    window, _, step = (part.strip() for part in span.partition(":"))
    seconds, each = _seconds(window), _seconds(step) or 60.0
    if seconds is None:
        return f"its range [{span}] is no duration: write for example [5m]"
    if seconds > LONGEST_RANGE.total_seconds():
        return f"it looks back {window}, and {_hours(LONGEST_RANGE)} is the most: write a shorter range"
    if ":" in span and seconds / each > MOST_STEPS:
        return f"its subquery [{span}] has more than {MOST_STEPS} steps: write a longer step or a shorter range"
    return None


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):g}h"


_PROMETHEUS_UNITS = {"y": 365 * 86400.0, "w": 7 * 86400.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def _seconds(text: str) -> float | None:
    """A duration as PromQL writes it, in seconds; None when it is none."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    if not re.fullmatch(r"([0-9]+(ms|[ywdhms]))+", text):
        return None
    return sum(float(n) * _PROMETHEUS_UNITS[unit] for n, unit in re.findall(r"([0-9]+)(ms|[ywdhms])", text))


def _leaves_its_namespace(query: str) -> str | None:
    """The first selector that could read another namespace, in a sentence."""
    rest = re.sub(r"\{\{\s*(\w+)\s*\}\}", r"__\1__", query)
    tokens = [match for match in _TOKEN.finditer(rest) if not match["comment"]]
    inside: list[str] = []
    for number, match in enumerate(tokens):
        previous = tokens[number - 1][0].lower() if number else ""
        foreign = None
        if match["open"]:
            inside.append("list" if previous in _LISTS else match[0])
            foreign = _foreign_braces(tokens, number) if match[0] == "{" else None
        elif match["close"]:
            inside = inside[:-1]
        elif match["name"] and not (inside and inside[-1] in ("list", "{")):
            follows = tokens[number + 1][0].lower() if number + 1 < len(tokens) else ""
            foreign = match[0] if _is_bare(match[0].lower(), follows) else None
        if foreign:
            return (
                f"its selector {foreign} does not keep to its namespace: write "
                'namespace="{{namespace}}" between its braces, as this installation keeps namespaces apart'
            )
    return None


def _is_bare(name: str, follows: str) -> bool:
    """Whether a name selects a metric without any matcher."""
    if name in _AGGREGATORS:
        return follows not in ("(", "by", "without")
    return follows not in ("(", "{") and name not in _WORDS


def _foreign_braces(tokens: list[re.Match[str]], start: int) -> str | None:
    """The selector that begins at this brace, unless one of its matchers is for the own namespace."""
    parts = [match[0] for match in tokens[start:]]
    end = parts.index("}") if "}" in parts else len(parts)
    parts = [*parts[:end], ","]
    for number in range(1, end - 2):
        name, equals, value, after = parts[number : number + 4]
        alone = parts[number - 1] in ("{", ",") and after == ","
        if alone and name == "namespace" and equals == "=" and value[1:-1] == _OWN:
            return None
    return "".join(parts[:-1]) + "}"
