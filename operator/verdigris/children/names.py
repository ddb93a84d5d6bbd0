"""Every name, label and port that more than one module must agree on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from verdigris.api.status import Color

GROUP = "verdigris.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelDeployment"
COLORS: tuple[Color, Color] = ("blue", "green")

MODEL_LABEL = f"{GROUP}/model"
COLOR_LABEL = f"{GROUP}/color"
REVISION_LABEL = f"{GROUP}/revision"
GATE_LABEL = f"{GROUP}/gate"
"""Of the pods of gates, with the model's name: they have none of the other labels, by which pods get clients."""
VERSION_ANNOTATION = f"{GROUP}/version"
TRAFFIC_ANNOTATION = f"{GROUP}/traffic"
SHIELD_ANNOTATION = f"{GROUP}/shield"
APPLIED_ANNOTATION = f"{GROUP}/applied"
RETRY_ANNOTATION = f"{GROUP}/retry"
WITHDRAWN_ANNOTATION = f"{GROUP}/withdrawn"
CLAIM_ANNOTATION = f"{GROUP}/routes-for"
"""On a user's HTTPRoute: the ModelDeployment whose the weights of its backends are."""

FETCH_CONTAINER = "fetch"
SERVER_CONTAINER = "server"
GATE_CONTAINER = "gate"
MODEL_CONTAINERS = frozenset({FETCH_CONTAINER, SERVER_CONTAINER})
"""The containers that a version is: what else is in its pods was put there by somebody else, and is not judged."""

MANAGER = "verdigris"
"""Field manager of what is applied."""

HTTP_PORT = 8080
GRPC_PORT = 8081
"""Of the pods and of the Services alike, by the name `grpc`."""
COLOR_PORT = 80
"""Of a colour's own Service."""
PRE_STOP_SECONDS = 5


@dataclass(frozen=True)
class Owner:
    """The ModelDeployment that a child belongs to."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Defaults:
    """What the operator was configured with: what a user may leave out, and what bounds what a user may ask for."""

    serving_image: str
    prometheus_address: str | None = None
    #: Images of the formats that ``serving_image`` does not serve.
    format_images: Mapping[str, str] = field(default_factory=dict)
    #: Further labels that all series of this cluster have, in a Prometheus over several.
    prometheus_matchers: Mapping[str, str] = field(default_factory=dict)
    #: Whether users' queries must keep to their own namespace, or are refused.
    isolated_queries: bool = False
    #: Further addresses of Prometheus that a spec may name.
    prometheus_allowed: tuple[str, ...] = ()
    #: Secrets by which the images of specs are pulled that name none.
    pull_secrets: tuple[str, ...] = ()
    #: URL under which the pages of docs/runbooks are; empty: alerts name the folder.
    runbooks: str = ""
    #: Whether pods leave it to their namespace which user they run as.
    any_user: bool = False

    def image_for(self, format: str) -> str:
        """The serving image for models of this format."""
        return self.format_images.get(format) or self.serving_image


def color_name(name: str, color: Color) -> str:
    """Name of a colour's Deployment, HPA and Service."""
    return f"{name}-{color}"


def snapshot_name(name: str, revision: str) -> str:
    """Name of the ControllerRevision that keeps a revision."""
    return f"{name}-{revision}"


def gate_name(owner: Owner, kind: str, revision: str, begun: datetime, *, step: int, asked: str) -> str:
    """Name of the Job of a gate; `asked` is the SHA-256 of its document. Its pods' labels hold 63 characters.

    The revision is what judges, and is judged: its image and its environment are in no document. `begun` is when its
    rollout began: who asks for a retry wants an answer of now. `step`: which of the rollout's steps it is, as a list
    may ask the same twice.
    """
    mark = hashlib.sha256(f"{owner.uid}/{revision}/{int(begun.timestamp())}/{step}/{asked}".encode()).hexdigest()
    return f"{owner.name[:40].rstrip('-.')}-{kind}-{mark[:10]}"


def gate_policy_name(name: str) -> str:
    """Name of the NetworkPolicy of the pods of gates."""
    return f"{name}-gates"


def account_name(name: str) -> str:
    """Name of the ServiceAccount: every namespace has one called `default` already, which is everybody's."""
    return "default-model" if name == "default" else name
