"""Kinds of text that the API takes: durations, quantities, names, labels, URLs. Each says what it wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from verdigris.api.schema.fields import DURATION, Rule, parse_duration, pattern, portable


def duration(minimum: str, maximum: str, example: str) -> Any:
    """The annotation of a duration between `minimum` and `maximum`, both included."""
    low, high = parse_duration(minimum), parse_duration(maximum)

    def holds(text: str) -> bool:
        return re.fullmatch(DURATION, text) is not None and low <= parse_duration(text) <= high

    rule = Rule(
        f"self.matches(r'^({DURATION})$') && "
        f"duration(self) >= duration('{minimum}') && duration(self) <= duration('{maximum}')",
        f"must be a duration from {minimum} to {maximum}: write a number with h, m, s or ms, for example {example}",
        holds,
    )
    return Annotated[str, Field(max_length=32), rule]


def number(minimum: float, maximum: float, advice: str) -> Any:
    """The annotation of a number between two fractions, both included.

    By a rule, because the API server cuts a fractional `minimum` or `maximum` down to a whole number when the value
    itself is whole: 1 passes a minimum of 1.1, and 5 "should be less than or equal to 0" for a maximum of 0.5.
    """
    low, high = float(minimum), float(maximum)
    message = f"must be a number from {minimum} to {maximum}: {advice}"
    return Annotated[float, Rule(f"self >= {low} && self <= {high}", message, lambda value: low <= value <= high)]


_FACTOR = "([0-9]{1,3}([.][0-9]{1,3})?)x"


def _latency_holds(text: str) -> bool:
    if re.fullmatch(_FACTOR, text):
        return 1.1 <= float(text[:-1]) <= 100
    return re.fullmatch(DURATION, text) is not None and timedelta(milliseconds=1) <= parse_duration(text) <= _SECOND


_SECOND = timedelta(seconds=1)
LatencyLimit = Annotated[
    str,
    Field(max_length=32),
    Rule(
        f"self.matches(r'^({_FACTOR})$') ? double(self.substring(0, size(self) - 1)) >= 1.1 && "
        f"double(self.substring(0, size(self) - 1)) <= 100.0 : self.matches(r'^({DURATION})$') && "
        "duration(self) >= duration('1ms') && duration(self) <= duration('1s')",
        "must be a duration from 1ms to 1s or a factor from 1.1x to 100x: write for example 100ms, or 2x for twice "
        "what the active version takes",
        _latency_holds,
    ),
]
"""A limit on latency: a duration, or a factor of what the active version takes."""

_QUANTITY = re.compile(r"([0-9]+[.]?[0-9]*)([numkMGTP]|[KMGTP]i|)")
_QUANTITY_LENGTH = 32
_QUANTITY_MESSAGE = "must be a quantity: write a number with or without a unit, for example 500m, 2 or 128Mi"


def _int64_or_text(value: Any) -> Any:
    is_int64 = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    if not is_int64 and not isinstance(value, str):
        raise ValueError(_QUANTITY_MESSAGE)
    return value


def _is_quantity(value: int | str) -> bool:
    is_short = isinstance(value, int) or len(value) <= _QUANTITY_LENGTH
    return is_short and _QUANTITY.fullmatch(str(value)) is not None


TextQuantity = Annotated[
    str,
    Field(max_length=_QUANTITY_LENGTH),
    Rule("isQuantity(self) && !self.matches('[-+eE]|^[.]')", _QUANTITY_MESSAGE, _is_quantity),
]
"""A Kubernetes quantity as text alone: of a known length, so that lists of lists of them can be looked at."""
# isQuantity() instead of one long regex: API servers before 1.34 take any int-or-string for 3 MB of text when they
# estimate what a rule costs, and would refuse the CRD. The short regex leaves out signs, exponents and ".5".
Quantity = Annotated[
    int | str,
    BeforeValidator(_int64_or_text),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": _QUANTITY_LENGTH}),
    Rule(
        "type(self) == int ? self >= 0 : isQuantity(self) && !self.matches('[-+eE]|^[.]')",
        _QUANTITY_MESSAGE,
        _is_quantity,
    ),
]
"""A Kubernetes quantity such as `500m`, `2` or `128Mi`, as number or text."""

_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_NAME = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_QUALIFIED = rf"({_DNS_NAME}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_RESOURCE = rf"cpu|memory|ephemeral-storage|{_DNS_NAME}/[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_AUTHORITY = r"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?"
_VISIBLE = "[!-~]"
_SEMVER_ID = "(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_IMAGE_PART = "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*"
_TAG = ":[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}"
_DIGEST = "@sha256:[0-9a-f]{64}"
_BUCKET = "[A-Za-z0-9][-A-Za-z0-9._]{0,254}"


def _keys(regex: str, message: str) -> Rule:
    """The rule on a map that all its keys match; the part before a slash has at most 253 characters."""
    compiled = re.compile(portable(regex))

    def holds(entries: Mapping[str, Any]) -> bool:
        return all(compiled.fullmatch(key) and len(key.split("/")[0]) <= 253 for key in entries)

    return Rule(f"self.all(key, key.matches(r'^({regex})$') && size(key.split('/')[0]) <= 253)", message, holds)


NO_NUL = Rule(
    "!self.contains('\\u0000')",
    "must not hold the character NUL: no environment variable can, and no container with one starts",
    lambda text: "\0" not in text,
)
LABEL_KEYS = _keys(
    _QUALIFIED,
    "must have keys such as zone or example.com/zone: write at most 63 letters, digits, '-', '_' and '.' after the "
    "prefix",
)
NOT_RESERVED = Rule(
    "self.all(key, !key.startsWith('requests.'))",
    "must name resources without the prefix requests., which belongs to quotas: write for example example.com/gpu",
    lambda entries: not any(key.startswith("requests.") for key in entries),
)
RESOURCE_KEYS = _keys(
    _RESOURCE, "must name resources: write cpu, memory, ephemeral-storage or a name such as example.com/gpu"
)

OBJECT_NAME = pattern(
    "[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
    "must start with a letter and have at most 40 lower-case letters, digits and '-', because the Services of the "
    "model are named after it: choose a name such as diabetes-risk",
)
"""The rule on the name of a ModelDeployment."""
ObjectName = Annotated[str, Field(max_length=253), OBJECT_NAME]
ModelName = Annotated[
    str,
    Field(max_length=63),
    pattern(_DNS_LABEL, "write lower-case letters, digits and '-', for example diabetes-risk"),
]
RevisionId = Annotated[
    str,
    Field(max_length=63),
    pattern(
        _DNS_LABEL, "copy the revision from status.rollout.revision or status.active.revision, such as v1-0a1b2c3d4e"
    ),
]
SEMVER = (
    rf"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){{2}}(-{_SEMVER_ID}(\.{_SEMVER_ID})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
SemVer = Annotated[
    str,
    Field(max_length=64),
    pattern(
        SEMVER,
        "must be a semantic version: write MAJOR.MINOR.PATCH, for example 2.1.0 or 2.1.0-rc.1, without a leading v",
    ),
]
ArtifactUri = Annotated[
    str,
    Field(max_length=2048),
    pattern(
        rf"https?://{_AUTHORITY}/{_VISIBLE}+|(s3|gs|az)://{_BUCKET}/{_VISIBLE}+|pvc://{_DNS_NAME}/{_VISIBLE}+|"
        rf"oci://{_AUTHORITY}/{_IMAGE_PART}(/{_IMAGE_PART})*({_TAG}|{_DIGEST})|file:///{_VISIBLE}+|"
        r"models:/[A-Za-z0-9][-A-Za-z0-9_.%]*(/[1-9][0-9]{0,8}|@[A-Za-z][-A-Za-z0-9_]*)",
        "must say where the artifact is: write https://HOST/PATH, http://HOST/PATH, s3://BUCKET/KEY, gs://BUCKET/KEY, "
        "az://CONTAINER/KEY, oci://REGISTRY/REPOSITORY:TAG, oci://REGISTRY/REPOSITORY@sha256:DIGEST, "
        "models:/NAME/VERSION or models:/NAME@ALIAS (MLflow), pvc://CLAIM/PATH or file:///PATH (a file in the serving "
        "image), without spaces and without a user or password",
    ),
]
BaseUrl = Annotated[
    str,
    Field(max_length=512),
    pattern(
        rf"https?://{_AUTHORITY}(/[-A-Za-z0-9._~%/]*)?",
        "must be a base URL: write for example http://prometheus.monitoring.svc:9090, without a query",
    ),
]
Sha256 = Annotated[
    str,
    # Longer than it may be, so that whoever leaves the prefix on is told about the prefix and not about the length.
    Field(max_length=128),
    pattern(
        "[0-9a-f]{64}",
        "must be a SHA-256: write the 64 lower-case hex digits that verdigris-model pack prints, without a prefix",
    ),
]
ImageRef = Annotated[
    str,
    Field(max_length=512),
    pattern(
        rf"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{{1,5}})?/)?{_IMAGE_PART}(/{_IMAGE_PART})*"
        rf"({_TAG})?({_DIGEST})?",
        "must be a container image: write for example example.com/team/serving:1.2.3",
    ),
]
EnvName = Annotated[
    str,
    Field(max_length=128),
    pattern(
        "[A-Za-z_][A-Za-z0-9_]*", "write letters, digits and '_', not starting with a digit, for example LOG_LEVEL"
    ),
    Rule(
        "!self.startsWith('VERDIGRIS_')",
        "names that start with VERDIGRIS_ are set by the operator: choose another name",
        lambda name: not name.startswith("VERDIGRIS_"),
    ),
]
MetricName = Annotated[
    str,
    Field(max_length=63),
    pattern(
        "[A-Za-z]([-_A-Za-z0-9]*[A-Za-z0-9])?",
        "write letters, digits, '-' and '_', starting with a letter, for example low-confidence",
    ),
]
DnsName = Annotated[
    str,
    Field(max_length=253),
    pattern(_DNS_NAME, "must be the name of an object: write lower-case letters, digits, '-' and '.'"),
]
Cidr = Annotated[
    str,
    Field(max_length=64),
    pattern(
        "[0-9]{1,3}([.][0-9]{1,3}){3}/[0-9]{1,2}|[0-9a-fA-F]*:[0-9a-fA-F:.]*/[0-9]{1,3}",
        "must be a range of addresses: write for example 10.0.0.0/8 or fd00::/8",
    ),
]
"""Its form; the API server of the child that it gets into looks at the numbers."""
DnsLabel = Annotated[
    str,
    Field(max_length=63),
    pattern(_DNS_LABEL, "must be a short name: write lower-case letters, digits and '-', for example proxy"),
]
DataKey = Annotated[
    str,
    Field(min_length=1, max_length=253),
    pattern("[-._A-Za-z0-9]+", "must be a key of a Secret or ConfigMap: write letters, digits, '-', '_' and '.'"),
]
LabelKey = Annotated[
    str,
    Field(max_length=317),
    pattern(_QUALIFIED, "must be a label key: write for example team or example.com/team"),
]
LabelValue = Annotated[
    str,
    Field(max_length=63),
    pattern(
        "([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?",
        "must be a label value: write letters, digits, '-', '_' and '.', starting and ending with a letter or digit",
    ),
]
UserName = Annotated[str, Field(min_length=1, max_length=512)]
SeriesLabels = Annotated[
    dict[str, Annotated[str, Field(max_length=256)]],
    Field(max_length=8),
    _keys(
        "[a-zA-Z_][a-zA-Z0-9_]{0,62}",
        "must have label names of Prometheus as keys: write letters, digits and '_', for example cluster",
    ),
]
"""Labels that Prometheus' series must have."""
Labels = Annotated[dict[str, LabelValue], Field(max_length=32), LABEL_KEYS]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=32), LABEL_KEYS]
ResourceList = Annotated[dict[str, Quantity], Field(max_length=6), RESOURCE_KEYS, NOT_RESERVED]
PlainResourceList = Annotated[
    dict[str, TextQuantity],
    Field(max_length=3),
    _keys("cpu|memory|ephemeral-storage", "must name resources: write cpu, memory or ephemeral-storage"),
]
