"""Gates: what a new version has to show before a client meets it. Each is a Job of its own in the namespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, ListMap, Rule
from verdigris.api.schema.values import ArtifactUri, DnsLabel, ImageRef, Sha256, duration, number
from verdigris.api.spec.environment import EnvVar
from verdigris.api.spec.pod import Mount, Volume, Word
from verdigris.api.spec.resources import StatedResources

GateKind = Literal["quality", "fairness", "smoke", "load", "job"]

Metric = Literal[
    "auc",
    "accuracy",
    "balancedAccuracy",
    "f1",
    "precision",
    "recall",
    "brier",
    "logLoss",
    "calibration",
    "r2",
    "mae",
    "rmse",
]

_COLUMN = Annotated[str, Field(min_length=1, max_length=253)]


class GateData(ApiModel):
    """Held-out rows: a CSV file with a header that has the model's features by name."""

    uri: ArtifactUri = Field(description="Where the file is, by the same kinds of address as spec.model.uri.")
    sha256: Sha256 = Field(description="SHA-256 of the file, 64 lower-case hex digits: checked before a row is read.")
    target: _COLUMN | None = Field(default=None, description="The column that says what is true of each row.")


class Bounds(ApiModel):
    """The least and the most that a value may be."""

    rules = (
        Rule(
            "has(self.min) || has(self.max)",
            "a threshold has min, max or both: give one",
            lambda bounds: bounds.min is not None or bounds.max is not None,
        ),
        Rule(
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "no value is at least min and at most max: correct one",
            lambda bounds: bounds.min is None or bounds.max is None or bounds.min <= bounds.max,
        ),
    )
    min: float | None = None
    max: float | None = None


class Gate(ApiModel):
    """What all gates have in common."""

    kind: ClassVar[GateKind]
    deadline: duration("10s", "24h", "15m") = Field(  # type: ignore[valid-type]
        default="15m", description="A gate that has not answered after this long is inconclusive."
    )

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return self.kind


class Judged(Gate):
    """What gates that judge on rows have in common: a verdict on an interval, or on a point."""

    decide_on: Literal["Interval", "Point"] = Field(
        default="Interval",
        description="Interval: it passes when the whole interval is within the threshold, fails when all of it is "
        "beyond, and is inconclusive else. Point: the value alone decides.",
    )
    confidence: number(0.5, 0.999, "0.95 is usual") = 0.95  # type: ignore[valid-type]


class VersusActive(ApiModel):
    """How much worse than the active version it may be, on the same rows."""

    metric: Metric
    margin: number(0, 1000000, "0 means: not worse") = 0.0  # type: ignore[valid-type]


def _asks_of_quality(gate: QualityGate) -> bool:
    return gate.versus_active is not None or any(getattr(gate, name) is not None for name in QUALITY_METRICS.values())


class QualityGate(Judged):
    """How good the model is on held-out rows."""

    kind = "quality"
    rules = (
        Rule(
            " || ".join(f"has(self.{name})" for name in (*get_args(Metric), "versusActive")),
            "a quality gate asks for something: give a threshold, for example auc: {min: 0.85}, or versusActive",
            _asks_of_quality,
        ),
        Rule(
            "has(self.data.target)",
            "data.target is required: name the column that says what is true of each row",
            lambda gate: gate.data.target is not None,
            field="data",
        ),
    )
    data: GateData
    auc: Bounds | None = None
    accuracy: Bounds | None = None
    balanced_accuracy: Bounds | None = None
    f1: Bounds | None = None
    precision: Bounds | None = None
    recall: Bounds | None = None
    brier: Bounds | None = None
    log_loss: Bounds | None = None
    calibration: Bounds | None = None
    r2: Bounds | None = None
    mae: Bounds | None = None
    rmse: Bounds | None = None
    versus_active: VersusActive | None = None


QUALITY_METRICS: Mapping[str, str] = {
    (field.alias or name): name for name, field in QualityGate.model_fields.items() if field.annotation == Bounds | None
}
"""The field of each metric, by its name in a manifest; the gate calls it as the field."""


class ProtectedAttribute(ApiModel):
    """A column that says who a row is of. It need not be a feature."""

    name: _COLUMN
    privileged: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="The group that the others are compared with. Default: each with each."
    )
    bins: Annotated[tuple[float, ...], Field(max_length=20)] = Field(
        default=(), description="Of a numeric column: ascending edges of its groups."
    )


class DisparateImpact(ApiModel):
    """The least ratio of the selection rates of two groups."""

    min: number(0.01, 1, "0.8 is the four-fifths rule") = 0.8  # type: ignore[valid-type]


class EqualOpportunity(ApiModel):
    """The largest difference of the true positive rates of two groups."""

    max_difference: number(0, 1, "it is a share, so that 0.1 is ten of a hundred")  # type: ignore[valid-type]


class FairnessGate(Judged):
    """Whether the groups of each protected attribute are treated alike."""

    kind = "fairness"
    rules = (
        Rule(
            "has(self.disparateImpact) || has(self.equalOpportunity)",
            "a fairness gate asks for something: give disparateImpact: {min: 0.8}, equalOpportunity or both",
            lambda gate: gate.disparate_impact is not None or gate.equal_opportunity is not None,
        ),
        Rule(
            "!has(self.equalOpportunity) || has(self.data.target)",
            "equalOpportunity compares what is true with what is answered: name that column in data.target",
            lambda gate: gate.equal_opportunity is None or gate.data.target is not None,
            field="data",
        ),
    )
    data: GateData
    attributes: Annotated[tuple[ProtectedAttribute, ...], Field(min_length=1, max_length=10), ListMap("name")]
    favourable: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="The label that is good to get. Default: the positive one of two."
    )
    disparate_impact: DisparateImpact | None = None
    equal_opportunity: EqualOpportunity | None = None
    min_group: Annotated[int, Field(ge=2, le=1000000)] = Field(
        default=30, description="Groups of fewer rows are named and not judged."
    )


class SmokeGate(Gate):
    """Whether the new pods answer what they should, and refuse what they should."""

    kind = "smoke"
    rows: Annotated[int, Field(ge=1, le=100000)] = Field(
        default=200, description="How many rows are made of what the model was trained on."
    )


class LoadGate(Gate):
    """How the new pods bear load, before a client meets them."""

    kind = "load"
    rules = (
        Rule(
            "!has(self.rate) || !has(self.minRate) || self.minRate <= self.rate",
            "minRate is more than rate: no more is answered than is asked, so lower minRate or raise rate",
            lambda gate: gate.rate is None or gate.min_rate is None or gate.min_rate <= gate.rate,
            field="minRate",
        ),
    )
    connections: Annotated[int, Field(ge=1, le=10000)] = Field(default=100, description="How many ask at once.")
    lasts: duration("1s", "1h", "30s") = Field(alias="for", default="30s", description="How long.")  # type: ignore[valid-type]
    rate: number(0.1, 100000, "it is in requests a second") | None = Field(  # type: ignore[valid-type]
        default=None,
        description="Requests a second, whether or not earlier ones were answered. Default: as many as go.",
    )
    p95: duration("1ms", "60s", "100ms") | None = None  # type: ignore[valid-type]
    p99: duration("1ms", "60s", "250ms") | None = None  # type: ignore[valid-type]
    min_rate: number(0.1, 100000, "it is in answers a second") | None = None  # type: ignore[valid-type]
    max_errors: Annotated[int, Field(ge=0, le=1000000)] = Field(
        default=0, description="How many requests may have no good answer."
    )


def _has_its_volumes(gate: JobGate) -> bool:
    return {mount.name for mount in gate.volume_mounts} <= {volume.name for volume in gate.volumes}


class JobGate(Gate):
    """A program of one's own: its exit code decides (0 pass, 10 fail, 11 inconclusive), and what it leaves as JSON.

    Its pod is at the restricted level, without a token, under the model's ServiceAccount: no field asks for more.
    """

    kind = "job"
    rules = (
        Rule(
            "!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && "
            "self.volumes.exists(v, v.name == m.name))",
            "each mount must name one of the gate's own volumes: add the volume there, or correct the name",
            _has_its_volumes,
            field="volumeMounts",
        ),
        Rule(
            "!has(self.volumeMounts) || self.volumeMounts.all(m, m.mountPath != '/tmp')",
            "/tmp is there already: choose another mountPath",
            lambda gate: all(mount.mount_path != "/tmp" for mount in gate.volume_mounts),
            field="volumeMounts",
        ),
    )
    name: DnsLabel = Field(description="What it is called in the status, Events and messages.")
    image: ImageRef
    command: Annotated[tuple[Word, ...], Field(max_length=16)] = ()
    args: Annotated[tuple[Word, ...], Field(max_length=32)] = ()
    env: Annotated[tuple[EnvVar, ...], Field(max_length=16), ListMap("name")] = Field(
        default=(), description="Beside VERDIGRIS_GATE, which holds what it is asked as JSON: docs/gates.md."
    )
    resources: StatedResources | None = Field(
        default=None, description="Default: rollout.gateResources, or else serving.resources."
    )
    volumes: Annotated[tuple[Volume, ...], Field(max_length=4), ListMap("name")] = ()
    volume_mounts: Annotated[tuple[Mount, ...], Field(max_length=4), ListMap("mount_path")] = Field(
        default=(), description="Its root file system is read-only: it writes to /tmp, and to what is mounted."
    )

    @property
    def title(self) -> str:
        """Its own name."""
        return self.name

    @property
    def words(self) -> Iterator[str]:
        """All of it that a user may make long."""
        yield from (*self.command, *self.args)
        for variable in self.env:
            yield from (variable.name, variable.value)
            source = variable.value_from
            reference = source and (source.secret_key_ref or source.config_map_key_ref)
            yield from (reference.name, reference.key) if reference else ()
        for mount in self.volume_mounts:
            yield from (mount.mount_path, mount.sub_path or "")


_REFERENCES = " + ".join(
    f"(has(v.valueFrom) && has(v.valueFrom.{ref}) ? size(v.valueFrom.{ref}.name) + size(v.valueFrom.{ref}.key) : 0)"
    for ref in ("secretKeyRef", "configMapKeyRef")
)
_WORDS = {
    "command": "size(v)",
    "args": "size(v)",
    "env": f"size(v.name) + (has(v.value) ? size(v.value) : 0) + {_REFERENCES}",
    "volumeMounts": "size(v.mountPath) + (has(v.subPath) ? size(v.subPath) : 0)",
}
WORDS_OF_STEPS = " + ".join(
    f"self.steps.map(s, has(s.job) && has(s.job.{field}) ? s.job.{field}.map(v, {length}).sum() : 0).sum()"
    for field, length in _WORDS.items()
)
"""How long `JobGate.words` of all steps are, in CEL."""
MOST_WORDS = 32768
"""Characters of them: each rollout keeps a copy in the status, and so may the one before while its pods are warm."""

AnyGate = QualityGate | FairnessGate | SmokeGate | LoadGate | JobGate
