"""The CustomResourceDefinitions, made from the models. `python -m verdigris.api.crd --write` (or `--check`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from verdigris.api.decision import RolloutDecisionSpec, RolloutDecisionStatus
from verdigris.api.fields import VALIDATIONS, ApiModel
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus
from verdigris.api.structural import structural
from verdigris.api.values import OBJECT_NAME

GROUP = "verdigris.dev"
VERSION = "v1alpha1"
_REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = _REPOSITORY / "crds"
CHART_FOLDER = _REPOSITORY / "charts" / "verdigris" / "files" / "crds"
"""The chart's own copy: Helm reads nothing outside a chart."""
HEADER = "# Made by `python -m verdigris.api.crd --write` from operator/verdigris/api: change it there.\n"


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    description: str = ""


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
    ),
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
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in resource.columns],
                    "schema": {"openAPIV3Schema": _schema(resource)},
                }
            ],
        },
    }


def _schema(resource: Resource) -> dict[str, Any]:
    spec = structural(resource.spec.model_json_schema(), "spec", with_defaults=True)
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


def _column(column: Column) -> dict[str, str]:
    written = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return {**written, "description": column.description} if column.description else written


class _Plain(yaml.SafeDumper):
    """YAML without anchors: what is said twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def render(resource: Resource) -> str:
    """The CRD as the text of its file."""
    return HEADER + yaml.dump(build(resource), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def stale(*folders: Path) -> list[Path]:
    """The files of these folders that are missing or differ from what the models say now."""
    files = {folder / resource.file: render(resource) for folder in folders for resource in RESOURCES}
    return [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them: 0 when they are up to date, 1 and a sentence when they are not."""
    parser = argparse.ArgumentParser(prog="python -m verdigris.api.crd", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the CRDs")
    action.add_argument("--check", action="store_true", help="fail when the CRDs on disk are not what the models say")
    parser.add_argument(
        "--folder", type=Path, action="append", help="where they are (default: crds/ and the chart's copy)"
    )
    options = parser.parse_args(arguments)
    folders = options.folder or [FOLDER, CHART_FOLDER]
    old = stale(*folders)
    if options.check and old:
        names = ", ".join(str(path) for path in old)
        print(f"{names}: not what the models say. Run `python -m verdigris.api.crd --write`.", file=sys.stderr)
        return 1
    if options.write:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            for resource in RESOURCES:
                (folder / resource.file).write_text(render(resource), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
