"""The revision: a versioned hash over what the user wrote about the pods, and over nothing that the operator renders.

Law 7 rests on this table: it is frozen. A field added to the API later enters a `v2` algorithm, or enters here
with a default that is dropped before hashing, so that objects written before keep their revision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from verdigris.api.spec import ModelDeploymentSpec

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
    },
}


def revision_of(spec: ModelDeploymentSpec) -> str:
    """`v1-` and ten hex digits: equal for specs that want the same pods, whatever order or defaults they spell out."""
    wanted = spec.dump()
    identity = {
        section: {
            field: wanted[section][field]
            for field, default in fields.items()
            if wanted[section].get(field, default) != default
        }
        for section, fields in _V1_DEFAULTS.items()
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "v1-" + hashlib.sha256(canonical.encode()).hexdigest()[:10]
