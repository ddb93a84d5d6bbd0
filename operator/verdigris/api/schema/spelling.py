"""One spelling for specs that mean the same. Pure, and frozen like the revision that rests on it (law 7).

Only what Kubernetes takes as the same is the same here: amounts by value, sets in any order, defaults written out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from verdigris.api.schema.fields import spell_duration
from verdigris.api.schema.quantity import by_value, resource_list

Json = Mapping[str, Any]


def canonical_spec(wanted: Json, name: str) -> dict[str, Any]:
    """`spec.model` and `spec.serving` of a dumped spec in their one spelling; the rest as it is.

    `name` is the ModelDeployment's: a model called so needs no `model.name`.
    """
    model, serving = dict(wanted["model"]), dict(wanted["serving"])
    if model.get("name") == name:
        model.pop("name", None)
    serving["resources"] = {kind: _amounts(amounts) for kind, amounts in serving["resources"].items()}
    serving["env"] = _env(serving.get("env") or ())
    serving["imagePullSecrets"] = _set(serving.get("imagePullSecrets") or ())
    serving["tolerations"] = _set(_stated(toleration) for toleration in serving.get("tolerations") or ())
    serving["startupDeadline"] = spell_duration(serving["startupDeadline"])
    serving["modelSizeLimit"] = by_value(serving["modelSizeLimit"])
    serving["podTemplate"] = _pod_template(serving["podTemplate"])
    return {**wanted, "model": model, "serving": serving}


def _pod_template(added: Json) -> dict[str, Any]:
    """Volumes, mounts and spread constraints are sets; sidecars start in their order."""
    sets = {name: _set(added.get(name) or ()) for name in ("volumes", "volumeMounts", "topologySpreadConstraints")}
    sets["volumes"] = _set(_volume(volume) for volume in sets["volumes"])
    return {**added, **sets, "sidecars": [_sidecar(sidecar) for sidecar in added.get("sidecars") or ()]}


def _volume(volume: Json) -> Json:
    scratch = volume.get("emptyDir")
    return {**volume, "emptyDir": {"sizeLimit": by_value(scratch["sizeLimit"])}} if scratch else volume


def _sidecar(sidecar: Json) -> dict[str, Any]:
    resources = {kind: _amounts(amounts) for kind, amounts in sidecar["resources"].items()}
    mounts = _set(sidecar.get("volumeMounts") or ())
    return {**sidecar, "resources": resources, "env": _env(sidecar.get("env") or ()), "volumeMounts": mounts}


def _amounts(amounts: Mapping[str, int | str]) -> dict[str, str]:
    # Rounded as the API server does it, before the value is spelled.
    return {name: by_value(amount) for name, amount in resource_list(amounts).items()}


def _env(variables: Sequence[Json]) -> list[Json]:
    """By name, unless a value refers to another variable: Kubernetes then knows only what stands before it."""
    if any("$(" in variable.get("value", "") for variable in variables):
        return list(variables)
    return sorted(variables, key=lambda variable: str(variable["name"]))


def _set(elements: Any) -> list[Any]:
    distinct = {json.dumps(element, sort_keys=True): element for element in elements}
    return [distinct[key] for key in sorted(distinct)]


def _stated(toleration: Json) -> dict[str, Any]:
    """Without what is empty, which means as much as not given."""
    return {field: value for field, value in toleration.items() if value not in ("", None)}
