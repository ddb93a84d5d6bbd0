"""The revision: a versioned hash over what the user wrote about the pods, and over nothing that the operator renders.

Law 7 rests on this table: it is frozen. A field added to the API later enters a `v2` algorithm, or enters here
with a default that is dropped before hashing, so that objects written before keep their revision.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from verdigris.api.schema.spelling import canonical_spec
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus

_V1_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "model": {
        "name": None,
        "version": None,
        "uri": None,
        "sha256": None,
        "allowUnverified": False,
        "format": "linear",
        # Younger than the algorithm: a default, which is dropped.
        "credentialsSecret": None,
    },
    "serving": {
        "image": None,
        "imagePullSecrets": [],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "192Mi"}},
        "concurrency": 8,
        "env": [],
        "nodeSelector": {},
        "tolerations": [],
        # Younger, as above.
        "maxBodyMiB": 8,
        "page": False,
        "grpc": False,
        "startupDeadline": "2m",
        "modelSizeLimit": "1Gi",
        "podTemplate": {},
    },
}


def revision_of(spec: ModelDeploymentSpec) -> str:
    """`v1-` and ten hex digits: what a version is called that starts now, by the letter of its spec.

    Every operator since the first computes the same, so that one of them can take over from another in mid-rollout.
    """
    return _own(_text(spec))


def meaning_of(spec: ModelDeploymentSpec, name: str) -> str:
    """As `revision_of`, but equal for specs that want the same pods, however they spell it.

    `name` is the ModelDeployment's, which is the model's where the spec gives none. Amounts count by their value, lists
    whose order says nothing by what is in them.
    """
    return _meaning(_text(spec), name)


def wanted_revision(spec: ModelDeploymentSpec, name: str, status: ModelDeploymentStatus) -> str:
    """The revision that a spec asks for: one that the status knows and that means the same, else its own.

    What serves gives it the name before what was rejected does.
    """
    meaning, own = meaning_of(spec, name), revision_of(spec)
    meanings = {entry.revision: entry.meaning for entry in status.meanings}
    names = (known for known in known_revisions(status) if known in (own, meaning) or meanings.get(known) == meaning)
    return next(names, own)


def known_revisions(status: ModelDeploymentStatus) -> tuple[str, ...]:
    """The revisions that a status knows: of what serves, is on trial, is warm, was rejected and is asked for."""
    roles = [ref.revision for ref in (status.active, status.rollout, status.warm) if ref is not None]
    target = [status.target.revision] if status.target is not None else []
    return (*roles, *(entry.revision for entry in status.rejected), *target)


def _text(spec: ModelDeploymentSpec) -> str:
    return spec.model_dump_json(by_alias=True, exclude_none=True)


# A look asks several times, and mostly of the same spec as the look before.
@functools.lru_cache(maxsize=256)
def _own(spec: str) -> str:
    return _hash(_sections(json.loads(spec)))


@functools.lru_cache(maxsize=256)
def _meaning(spec: str, name: str) -> str:
    return _hash(_sections(canonical_spec(json.loads(spec), name)))


def _sections(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What counts: the fields of the table that differ from their default."""
    stated = {**wanted, "serving": {**wanted["serving"], "podTemplate": _additions(wanted["serving"])}}
    return {
        section: {
            field: stated[section][field]
            for field, default in fields.items()
            if stated[section].get(field, default) != default
        }
        for section, fields in _V1_DEFAULTS.items()
    }


def _additions(serving: Mapping[str, Any]) -> dict[str, Any]:
    """What is added to the pods, without what is empty: a younger kind of addition changes no revision."""
    return {field: value for field, value in serving.get("podTemplate", {}).items() if value not in (None, [], {})}


def _hash(identity: Mapping[str, Any]) -> str:
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "v1-" + hashlib.sha256(canonical.encode()).hexdigest()[:10]
