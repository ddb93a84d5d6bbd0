"""The CustomResourceDefinitions as text, made from the models. `verdigris.tools.crds` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from verdigris.api.decision import RolloutDecisionSpec, RolloutDecisionStatus
from verdigris.api.schema.fields import VALIDATIONS, ApiModel
from verdigris.api.schema.released import DEFAULTED
from verdigris.api.schema.structural import structural
from verdigris.api.schema.values import OBJECT_NAME
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus

GROUP = "verdigris.dev"
VERSION = "v1alpha1"
HEADER = "# Made by `python -m verdigris.tools.crds --write` from operator/verdigris/api: change it there.\n"


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    wide: bool = False
    """Only with `kubectl get -o wide`."""


@dataclass(frozen=True)
class Resource:
    """A custom resource: its names, its models, what `kubectl get` shows, and the CEL checks of the whole object."""

    kind: str
    plural: str
    short_name: str
    description: str
    spec: type[ApiModel]
    status: type[ApiModel]
    columns: tuple[Column, ...]
    rules: tuple[Mapping[str, str], ...] = ()
    metadata: Mapping[str, Any] | None = None
    selectable: tuple[str, ...] = ()
    scale: Mapping[str, str] | None = None
    """Where the scale subresource finds its numbers; None: there is none."""

    @property
    def name(self) -> str:
        """Name of the CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"

    @property
    def file(self) -> str:
        """Name of the file that it is written to."""
        return f"{GROUP}_{self.plural}.yaml"


MODEL_DEPLOYMENT = Resource(
    kind="ModelDeployment",
    plural="modeldeployments",
    short_name="mdep",
    description="A machine-learning model in service: which version clients get, and how the next one takes over.",
    spec=ModelDeploymentSpec,
    status=ModelDeploymentStatus,
    columns=(
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', description="The wanted version serves."),
        Column("Version", ".spec.model.version", description="The version that is wanted."),
        Column("Active", ".status.active.version", description="The version that clients get."),
        Column("Candidate", ".status.rollout.version", description="The version that is being rolled out."),
        Column("Weight", ".status.rollout.weight", "integer", "Percent of new connections to the candidate."),
        Column("Verdict", ".status.rollout.evidence.verdict", description="What the evidence says of the candidate."),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column(
            "Available",
            '.status.conditions[?(@.type=="Available")].status',
            description="Clients are answered.",
            wide=True,
        ),
        Column(
            "Reason",
            '.status.conditions[?(@.type=="Ready")].reason',
            description="Why the wanted version serves, or does not.",
            wide=True,
        ),
    ),
    scale={
        "specReplicasPath": ".spec.autoscaling.replicas",
        "statusReplicasPath": ".status.scale.replicas",
        "labelSelectorPath": ".status.scale.selector",
    },
    metadata={
        "type": "object",
        "properties": {"name": {"type": "string", VALIDATIONS: [OBJECT_NAME.validation()]}},
    },
)
ROLLOUT_DECISION = Resource(
    kind="RolloutDecision",
    plural="rolloutdecisions",
    short_name="rdec",
    description="What a person decided about one revision of a ModelDeployment. Created once, never changed.",
    spec=RolloutDecisionSpec,
    status=RolloutDecisionStatus,
    columns=(
        Column("Model", ".spec.modelDeployment"),
        Column("Revision", ".spec.revision"),
        Column("Verb", ".spec.verb"),
        Column("By", ".spec.requestedBy"),
        Column("Outcome", ".status.outcome"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    selectable=(".spec.modelDeployment", ".status.outcome"),
    rules=(
        {
            "rule": "self.spec == oldSelf.spec",
            "message": "a RolloutDecision cannot be changed: create a new one",
            "fieldPath": ".spec",
        },
    ),
)
RESOURCES = (MODEL_DEPLOYMENT, ROLLOUT_DECISION)


def build(resource: Resource) -> dict[str, Any]:
    """The CustomResourceDefinition. Raises `structural.Inexpressible` when a model says what a CRD cannot."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.name},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short_name],
                "categories": ["verdigris"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}} | ({"scale": dict(resource.scale)} if resource.scale else {}),
                    "additionalPrinterColumns": [_column(column) for column in resource.columns],
                    **_selectable(resource),
                    "schema": {"openAPIV3Schema": _schema(resource)},
                }
            ],
        },
    }


def _schema(resource: Resource) -> dict[str, Any]:
    spec = structural(resource.spec.model_json_schema(), "spec", with_defaults=True, defaulted=DEFAULTED)
    status = structural(resource.status.model_json_schema(), "status", with_defaults=False)
    schema: dict[str, Any] = {
        "description": resource.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": dict(resource.metadata or {"type": "object"}),
            "spec": spec,
            "status": status,
        },
    }
    return {**schema, VALIDATIONS: list(resource.rules)} if resource.rules else schema


def _selectable(resource: Resource) -> dict[str, Any]:
    """What may be asked for by field selector. Kubernetes 1.30 leaves it out, and the operator does without."""
    return {"selectableFields": [{"jsonPath": path} for path in resource.selectable]} if resource.selectable else {}


def _column(column: Column) -> dict[str, Any]:
    written: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        written["description"] = column.description
    return {**written, "priority": 1} if column.wide else written


class _Plain(yaml.SafeDumper):
    """YAML without anchors: what is said twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def render(resource: Resource) -> str:
    """The CRD as the text of its file."""
    return HEADER + yaml.dump(build(resource), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)
