"""The pod that answers: an init step that fetches and verifies the artifact, then the server. Restricted level.

Rendered once for each revision and kept in its ControllerRevision, so a newer operator restarts nobody's pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from verdigris.api.schema.quantity import resource_list
from verdigris.api.spec import EnvVar, ModelDeploymentSpec, ModelSpec, ServingSpec, Toleration
from verdigris.children.meta import Manifest, labels
from verdigris.children.names import (
    COLOR_LABEL,
    FETCH_CONTAINER,
    HTTP_PORT,
    MODEL_LABEL,
    PRE_STOP_SECONDS,
    REVISION_LABEL,
    SERVER_CONTAINER,
    SHIELD_ANNOTATION,
    TRAFFIC_ANNOTATION,
    VERSION_ANNOTATION,
    Defaults,
    Owner,
    account_name,
)

USER = 65532
GRACE_SECONDS = 30
MODEL_DIRECTORY = "/model"
ARTIFACT_DIRECTORY = "/artifact"
TRAFFIC_DIRECTORY = "/etc/verdigris"


_STORE_VARIABLES = frozenset(
    {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL", "MLFLOW_TRACKING_URI"}
)


def stores(variables: Iterable[tuple[str, str]]) -> set[str]:
    """The addresses of object stores and tracking servers among these environment variables, (name, value)."""
    return {value for name, value in variables if name in _STORE_VARIABLES and value}


def environment(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the init step of a built template is told, (name, value)."""
    for container in template["spec"].get("initContainers", ()):
        for variable in container.get("env", ()):
            yield variable["name"], variable.get("value", "")


def build(owner: Owner, spec: ModelDeploymentSpec, revision: str, defaults: Defaults) -> Manifest:
    """The colour-less PodTemplateSpec of this spec. Raises ValueError for a resource amount that is no quantity."""
    return {
        "metadata": {
            "labels": labels(owner, revision=revision),
            "annotations": {VERSION_ANNOTATION: spec.model.version},
        },
        "spec": {
            "serviceAccountName": account_name(owner.name),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": [_fetch(owner, spec, defaults)],
            "containers": [_server(owner, spec, defaults)],
            "volumes": _volumes(spec.model),
            "topologySpreadConstraints": [_spread(owner)],
            **_placement(spec.serving),
        },
    }


def _fetch(owner: Owner, spec: ModelDeploymentSpec, defaults: Defaults) -> Manifest:
    mounts: list[Manifest] = [{"name": "model", "mountPath": MODEL_DIRECTORY}, {"name": "tmp", "mountPath": "/tmp"}]
    if _claim(spec.model.uri):
        mounts.append({"name": "artifact", "mountPath": ARTIFACT_DIRECTORY, "readOnly": True})
    source = {"VERDIGRIS_MODEL_URI": _fetched_uri(spec.model.uri)}
    return {
        "name": FETCH_CONTAINER,
        "command": ["python3", "-m", "verdigris_serving.fetch"],
        **_common(spec, defaults),
        **_credentials(spec.model),
        "env": _env({**source, **_model_env(owner, spec.model)}, spec.serving.env),
        "volumeMounts": mounts,
    }


def _server(owner: Owner, spec: ModelDeploymentSpec, defaults: Defaults) -> Manifest:
    settings = {
        **_model_env(owner, spec.model),
        "VERDIGRIS_PORT": str(HTTP_PORT),
        "VERDIGRIS_TRAFFIC_FILE": f"{TRAFFIC_DIRECTORY}/traffic",
        "VERDIGRIS_CONCURRENCY": str(spec.serving.concurrency),
        **_younger(spec.serving),
    }
    return {
        "name": SERVER_CONTAINER,
        "command": ["python3", "-m", "verdigris_serving.server"],
        **_common(spec, defaults),
        "env": _env(settings, spec.serving.env),
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "volumeMounts": [
            {"name": "model", "mountPath": MODEL_DIRECTORY, "readOnly": True},
            {"name": "traffic", "mountPath": TRAFFIC_DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        # Once a second until it is up, so that a new version answers soon; then gently, for the pod's whole life.
        "startupProbe": _probe("/v2/health/ready", period=1, timeout=1, failures=120),
        "readinessProbe": _probe("/v2/health/ready", period=2, timeout=2, failures=3),
        "livenessProbe": _probe("/v2/health/live", period=10, timeout=5, failures=3),
        # Endpoints take a moment to forget a pod: until then it goes on answering.
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
    }


def _younger(serving: ServingSpec) -> dict[str, str]:
    """What is told only where it is not the server's own default: then pods look as before there were these fields."""
    told = {}
    if serving.max_body_mib != ServingSpec.model_fields["max_body_mib"].default:
        told["VERDIGRIS_MAX_BODY_MIB"] = str(serving.max_body_mib)
    if serving.page:
        told["VERDIGRIS_PAGE"] = "on"
    return told


def _common(spec: ModelDeploymentSpec, defaults: Defaults) -> Manifest:
    """What both containers share.

    The init step has the server's own resources: it runs before it, so the scheduler counts nothing twice, the pod
    keeps its quality of service, and a quota that demands a limit of every container is met by both.
    """
    serving = spec.serving
    amounts = {
        "requests": resource_list(serving.resources.requests),
        "limits": resource_list(serving.resources.limits),
    }
    return {
        "image": serving.image or defaults.image_for(spec.model.format),
        "resources": {kind: values for kind, values in amounts.items() if values},
        # The last lines of the log tell why it ended, where it left no report of its own.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _credentials(model: ModelSpec) -> Manifest:
    """The Secret as environment, for the init step alone: what answers requests need hold no key to a store."""
    if model.credentials_secret is None:
        return {}
    return {"envFrom": [{"secretRef": {"name": model.credentials_secret, "optional": False}}]}


def _model_env(owner: Owner, model: ModelSpec) -> dict[str, str]:
    return {
        "VERDIGRIS_MODEL_SHA256": model.sha256 or "",
        "VERDIGRIS_MODEL_NAME": model.name or owner.name,
        "VERDIGRIS_MODEL_VERSION": model.version,
        "VERDIGRIS_MODEL_FORMAT": model.format,
        "VERDIGRIS_MODEL_PATH": f"{MODEL_DIRECTORY}/model.vmodel",
    }


def _env(ours: Mapping[str, str], users: Iterable[EnvVar]) -> list[Manifest]:
    """Ours, then the user's; the API keeps the user from naming one of ours, or one twice.

    The API server drops an empty value, so none is given: the variable is then set to nothing.
    """
    values = {**ours, **{variable.name: variable.value for variable in users}}
    return [{"name": name, "value": value} if value else {"name": name} for name, value in values.items()]


def _probe(path: str, *, period: int, timeout: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "successThreshold": 1,
        "failureThreshold": failures,
    }


def _volumes(model: ModelSpec) -> list[Manifest]:
    volumes: list[Manifest] = [
        {"name": "model", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "traffic", "downwardAPI": {"items": [_shown(TRAFFIC_ANNOTATION), _shown(SHIELD_ANNOTATION)]}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    claim = _claim(model.uri)
    if claim:
        volumes.append({"name": "artifact", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    return volumes


def _shown(annotation: str) -> Manifest:
    """The file that shows this annotation, named as what comes after the annotation's slash."""
    field = {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{annotation}']"}
    return {"path": annotation.rpartition("/")[2], "fieldRef": field}


def shows(pod: Mapping[str, Any], annotation: str) -> bool:
    """Whether the server of a pod of this spec can read that annotation: pods of an older rendering may not."""
    volumes = (volume.get("downwardAPI") or {} for volume in pod.get("volumes") or ())
    return any(_shown(annotation) in (volume.get("items") or ()) for volume in volumes)


def _claim(uri: str) -> str | None:
    """The claim of a `pvc://CLAIM/PATH`."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme == "pvc" else None


def _fetched_uri(uri: str) -> str:
    """What the fetch step is told: a claim's path is a file below its mount."""
    claim = _claim(uri)
    return f"file://{ARTIFACT_DIRECTORY}{uri.removeprefix(f'pvc://{claim}')}" if claim else uri


def _spread(owner: Owner) -> Manifest:
    """Over the nodes, each colour and revision by itself: the template does not know its colour, the pod does."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {MODEL_LABEL: owner.name}},
        "matchLabelKeys": [COLOR_LABEL, REVISION_LABEL],
    }


def _placement(serving: ServingSpec) -> Manifest:
    """Only what the user gave: the API server does not keep empty lists and maps."""
    given: Manifest = {
        "imagePullSecrets": [secret.dump() for secret in serving.image_pull_secrets],
        "nodeSelector": dict(serving.node_selector),
        "tolerations": [_toleration(toleration) for toleration in serving.tolerations],
    }
    return {field: value for field, value in given.items() if value}


def _toleration(toleration: Toleration) -> Manifest:
    return {field: value for field, value in toleration.dump().items() if value != ""}
