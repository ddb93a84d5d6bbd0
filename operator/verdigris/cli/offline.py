"""Manifests against the CRD's own models, without a cluster. The one module that needs more than the standard library.

Importing it raises ImportError where pydantic or yaml are not installed, as beside the zipapp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from verdigris.api.decision import RolloutDecisionSpec
from verdigris.api.schema.fields import ApiModel
from verdigris.api.schema.reading import read, write_path
from verdigris.api.schema.values import OBJECT_NAME
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.cli.model.faults import Fault
from verdigris.cli.names import API_VERSION

_KINDS: Mapping[str, type[ApiModel]] = {"ModelDeployment": ModelDeploymentSpec, "RolloutDecision": RolloutDecisionSpec}


def documents(text: str) -> list[Any]:
    """The documents of a YAML or JSON file. Raises ValueError with where it is none."""
    try:
        return [one for one in yaml.safe_load_all(text) if one is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"it is no YAML{where}: {getattr(error, 'problem', None) or error}") from error


def faults(file: str, text: str) -> tuple[list[Fault], int]:
    """What the API server would refuse of this file, and how many objects of ours are in it."""
    try:
        found = documents(text)
    except ValueError as error:
        return [Fault(file, "file", "-", f"{error}.")], 0
    objects = [one for document in found for one in _unpacked(document)]
    ours = [one for one in objects if isinstance(one, Mapping) and one.get("kind") in _KINDS]
    return [fault for one in ours for fault in _of_object(file, one)], len(ours)


def _unpacked(document: Any) -> list[Any]:
    if isinstance(document, Mapping) and document.get("kind") == "List":
        return list(document.get("items") or ())
    return [document]


def _of_object(file: str, raw: Mapping[str, Any]) -> Iterator[Fault]:
    kind, meta, spec = str(raw["kind"]), raw.get("metadata") or {}, raw.get("spec") or {}
    name = str(meta.get("name") or meta.get("generateName") or "?")
    named = f"{kind} {name}"
    if raw.get("apiVersion") != API_VERSION:
        yield Fault(file, named, "apiVersion", f"is {raw.get('apiVersion')}: write {API_VERSION}.")
        return
    if kind == "ModelDeployment" and not (isinstance(meta.get("name"), str) and OBJECT_NAME.holds(name)):
        yield Fault(file, named, "metadata.name", f"{OBJECT_NAME.message}.")
    if not isinstance(spec, Mapping):
        yield Fault(file, named, "spec", "must be an object.")
        return
    yield from (Fault(file, named, path, message) for path, message in _of_spec(_KINDS[kind], spec))


def _of_spec(model: type[ApiModel], spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Strictly, as `kubectl apply` does: a field that is not known is a fault as well."""
    try:
        reading = read(model, spec, stored=False)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            yield write_path("spec", tuple(one["loc"])), f"{str(one['msg']).removeprefix('Value error, ')}."
        return
    for path in reading.unknown:
        yield write_path("spec", path), "is no field of this version: check the spelling and where it stands."
    for fault in reading.faults:
        yield write_path("spec", fault.path), f"{fault.message}."
