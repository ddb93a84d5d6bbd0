"""The Job of a gate: one pod of the revision's own image, which fetches, judges and leaves its answer behind; or one
of the user's own, which judges and answers as it likes.

It has no label by which the model's pods are found, nor one of `podTemplate.labels`, by which Services and budgets of
the users' may find them: it gets no client, and counts for nobody's size or budget. Their annotations it has: injectors
go by them. What fetches as the init step does has the sidecars, too, which may be what it reaches the store through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verdigris.api.spec import JobGate
from verdigris.api.status import Verdict
from verdigris.children import pod_additions
from verdigris.children.meta import Manifest, metadata
from verdigris.children.names import FETCH_CONTAINER, GATE_CONTAINER, GATE_LABEL, GROUP, SERVER_CONTAINER, Owner
from verdigris.children.pod_template import ARTIFACT_DIRECTORY, MODEL_DIRECTORY

API_VERSION = "batch/v1"
MODEL, DATA, ACTIVE = ARTIFACT_DIRECTORY, "/gate/data", "/gate/active"
"""Where claims are mounted that hold the artifact, the rows, and the active version's artifact."""
KEPT_SECONDS = 24 * 3600
"""How long one that has ended stays, so that people can read its log."""
_CRASHES = 2
"""How often a gate that ended without an answer is begun again."""
_ANSWERED = (2, 10, 11)
"""Exit codes with which a gate has answered: bad input, Fail, Inconclusive. Another try would answer the same."""
OWN_ANSWERS: Mapping[int, Verdict] = {0: "Pass", 10: "Fail", 11: "Inconclusive"}
"""Exit codes by which a program of the user's own decides: with any other it has crashed."""
QUESTION = "VERDIGRIS_GATE"
"""The variable that holds what it is asked."""
_SLACK_SECONDS = 30
"""What the pod gets beyond the gate's own deadline, so that the gate itself can tell that it was late."""
_SCRATCH = "TMPDIR"
_WITHOUT = frozenset({"traffic"})
"""Volumes of the serving pods that a gate has no use for."""


@dataclass(frozen=True)
class Question:
    """What is asked of a gate: its kind, the document (JSON), and by when in seconds.

    `claims` are to be mounted beside the artifact's, by folder. `resources`: other ones than those of the serving pods.
    `own`: the user's program that judges, where it is not ours.
    """

    kind: str
    document: str
    deadline_seconds: int
    claims: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] | None = None
    own: JobGate | None = None


def build(owner: Owner, name: str, asked: Question, template: Mapping[str, Any], revision: str) -> Manifest:
    """The Job. `template` is the revision's own PodTemplateSpec. Made once: a Job's template can never change."""
    spec = template["spec"]
    fetch = next(one for one in spec["initContainers"] if one["name"] == FETCH_CONTAINER)
    server = next(one for one in spec["containers"] if one["name"] == SERVER_CONTAINER)
    gate = {
        "name": GATE_CONTAINER,
        "resources": dict(asked.resources) if asked.resources is not None else server["resources"],
        "terminationMessagePolicy": "File",
        "securityContext": server["securityContext"],
        **(_ours(asked, fetch, server) if asked.own is None else _users_own(asked.document, asked.own)),
    }
    volumes = _volumes(spec["volumes"], asked.claims) if asked.own is None else _volumes_of(asked.own, spec["volumes"])
    sidecars = (
        [one for one in spec["initContainers"] if one.get("restartPolicy") == "Always"] if asked.own is None else []
    )
    left_out = {"initContainers", "containers", "volumes", "topologySpreadConstraints"}
    pod = {field: value for field, value in spec.items() if field not in left_out}
    return {
        "apiVersion": API_VERSION,
        "kind": "Job",
        "metadata": metadata(owner, name, revision=revision),
        "spec": {
            "backoffLimit": _CRASHES,
            "activeDeadlineSeconds": asked.deadline_seconds + _SLACK_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "podFailurePolicy": {
                "rules": [_end_at_an_answer(asked.own is not None), _begin_again_after_a_disruption()]
            },
            "template": {
                "metadata": {"labels": {GATE_LABEL: owner.name}, **_annotations(template)},
                "spec": {
                    **pod,
                    "restartPolicy": "Never",
                    **({"initContainers": sidecars} if sidecars else {}),
                    "containers": [gate],
                    "volumes": volumes,
                },
            },
        },
    }


def _annotations(template: Mapping[str, Any]) -> Manifest:
    """Those of the users, if there are any."""
    found = template["metadata"].get("annotations") or {}
    theirs = {name: value for name, value in found.items() if not name.startswith(f"{GROUP}/")}
    return {"annotations": theirs} if theirs else {}


def _ours(asked: Question, fetch: Mapping[str, Any], server: Mapping[str, Any]) -> Manifest:
    """The program of the revision's own image, which fetches as the init step does."""
    mounts = [
        *(mount for mount in fetch["volumeMounts"] if mount["name"] not in _WITHOUT),
        *({"name": _named(folder), "mountPath": folder, "readOnly": True} for folder in sorted(asked.claims)),
    ]
    return {
        "image": server["image"],
        "command": ["python3", "-m", "verdigris_serving.gate", asked.kind],
        "env": [*_of_users(fetch), *_told(asked.document)],
        "volumeMounts": mounts,
        **({"envFrom": fetch["envFrom"]} if "envFrom" in fetch else {}),
    }


def _users_own(document: str, own: JobGate) -> Manifest:
    """A program of the user's own: it is told the question and nothing else of ours, no key to a store either."""
    made: Manifest = {"image": own.image, "env": pod_additions.environment({QUESTION: document}, own.env)}
    made["volumeMounts"] = [_TMP, *pod_additions.mounts(own.volume_mounts)]
    words = {"command": list(own.command), "args": list(own.args)}
    return made | {name: stated for name, stated in words.items() if stated}


_TMP = {"name": "tmp", "mountPath": "/tmp"}


def _volumes(of_template: list[Manifest], claims: Mapping[str, str]) -> list[Manifest]:
    return [
        *(one for one in of_template if one["name"] not in _WITHOUT),
        *(_volume(_named(folder), claim) for folder, claim in sorted(claims.items())),
    ]


def _volumes_of(own: JobGate, of_template: list[Manifest]) -> list[Manifest]:
    return [*(one for one in of_template if one["name"] == _TMP["name"]), *pod_additions.volumes(own.volumes)]


def _named(folder: str) -> str:
    """The volume of a folder: `gate-data` of `/gate/data`, which is no name that users give theirs."""
    return folder[1:].replace("/", "-")


def _volume(name: str, claim: str) -> Manifest:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}


def _of_users(fetch: Mapping[str, Any]) -> list[Manifest]:
    """The environment of the fetch step without what tells it about the model: a gate is told by its document.

    Nor a name of ours: the API server refuses a name that is given twice.
    """
    return [one for one in fetch["env"] if not one["name"].startswith("VERDIGRIS_MODEL_") and one["name"] != _SCRATCH]


def _told(document: str) -> list[Manifest]:
    """Its question, and a place for what it fetches: /tmp is small."""
    told = {QUESTION: document, _SCRATCH: MODEL_DIRECTORY}
    return [{"name": name, "value": value} for name, value in told.items()]


def _end_at_an_answer(own: bool) -> Manifest:
    values = [code for code in _ANSWERED if code in OWN_ANSWERS or not own]
    codes = {"containerName": GATE_CONTAINER, "operator": "In", "values": values}
    return {"action": "FailJob", "onExitCodes": codes}


def _begin_again_after_a_disruption() -> Manifest:
    return {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
