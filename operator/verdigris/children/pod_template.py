"""The pod that answers: an init step that fetches and verifies the artifact, then the server. Restricted level.

Rendered once for each revision and kept in its ControllerRevision, so a newer operator restarts nobody's pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from verdigris.api.schema.fields import parse_duration
from verdigris.api.schema.quantity import canonical
from verdigris.api.spec import ModelDeploymentSpec, ModelSpec, ServingSpec, Toleration
from verdigris.children import pod_additions
from verdigris.children.meta import Manifest, labels
from verdigris.children.names import (
    FETCH_CONTAINER,
    GRPC_PORT,
    HTTP_PORT,
    PRE_STOP_SECONDS,
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
        if container["name"] != FETCH_CONTAINER:
            continue
        for variable in container.get("env", ()):
            yield variable["name"], variable.get("value", "")


def speaks_grpc(template: Mapping[str, Any]) -> bool:
    """Whether the pods of a built template answer over gRPC."""
    return any(port["name"] == "grpc" for server in _servers(template) for port in server["ports"])


def _servers(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (one for one in template["spec"]["containers"] if one["name"] == SERVER_CONTAINER)


def is_built(template: Any) -> bool:
    """Whether this has what is read of a built template: whoever made it anew may have left anything out."""
    try:
        containers = [*template["spec"].get("initContainers", ()), *template["spec"]["containers"]]
        ports = [port for server in _servers(template) for port in server["ports"]]
        told = [text for variable in environment(template) for text in variable]
        read = [*(one["name"] for one in (*containers, *ports)), *told]
        return isinstance(template["metadata"]["labels"], Mapping) and all(isinstance(text, str) for text in read)
    except (KeyError, TypeError, AttributeError):
        return False


def build(owner: Owner, spec: ModelDeploymentSpec, revision: str, defaults: Defaults) -> Manifest:
    """The colour-less PodTemplateSpec of this spec. Raises ValueError for a resource amount that is no quantity."""
    added = spec.serving.pod_template
    return {
        "metadata": {
            # Ours last: by them the pods are found.
            "labels": {**added.labels, **labels(owner, revision=revision)},
            "annotations": {**added.annotations, VERSION_ANNOTATION: spec.model.version},
        },
        "spec": {
            "serviceAccountName": added.service_account_name or account_name(owner.name),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": _identity(added.fs_group, defaults),
            "initContainers": [*pod_additions.sidecars(added.sidecars), _fetch(owner, spec, defaults)],
            "containers": [_server(owner, spec, defaults)],
            "volumes": [*_volumes(spec), *pod_additions.volumes(added.volumes)],
            **pod_additions.placement(owner, added),
            **_placement(spec.serving, defaults),
        },
    }


def _identity(fs_group: int | None, defaults: Defaults) -> Manifest:
    """Who the pod is on its node. `any_user`: the namespace gives it a user, as OpenShift does, and takes no other."""
    user = {} if defaults.any_user else {"runAsUser": USER, "runAsGroup": USER}
    group = {"fsGroup": fs_group, "fsGroupChangePolicy": "OnRootMismatch"} if fs_group else {}
    return {"runAsNonRoot": True, **user, **group, "seccompProfile": {"type": "RuntimeDefault"}}


def _fetch(owner: Owner, spec: ModelDeploymentSpec, defaults: Defaults) -> Manifest:
    mounts: list[Manifest] = [{"name": "model", "mountPath": MODEL_DIRECTORY}, {"name": "tmp", "mountPath": "/tmp"}]
    if claim_of(spec.model.uri):
        mounts.append({"name": "artifact", "mountPath": ARTIFACT_DIRECTORY, "readOnly": True})
    source = {"VERDIGRIS_MODEL_URI": mounted(spec.model.uri, ARTIFACT_DIRECTORY)}
    return {
        "name": FETCH_CONTAINER,
        "command": ["python3", "-m", "verdigris_serving.fetch"],
        **_common(spec, defaults),
        **_credentials(spec.model),
        "env": pod_additions.environment({**source, **_model_env(owner, spec.model)}, spec.serving.env),
        "volumeMounts": [*mounts, *pod_additions.mounts(spec.serving.pod_template.volume_mounts)],
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
        "env": pod_additions.environment(settings, spec.serving.env),
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in (("http", HTTP_PORT), ("grpc", GRPC_PORT))
            if name == "http" or spec.serving.grpc
        ],
        "volumeMounts": [
            {"name": "model", "mountPath": MODEL_DIRECTORY, "readOnly": True},
            {"name": "traffic", "mountPath": TRAFFIC_DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
            *pod_additions.mounts(spec.serving.pod_template.volume_mounts),
        ],
        # Once a second until it is up, so that a new version answers soon; then gently, for the pod's whole life.
        "startupProbe": _probe("/v2/health/ready", period=1, timeout=1, failures=_startup_seconds(spec)),
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
    if serving.grpc:
        told["VERDIGRIS_GRPC_PORT"] = str(GRPC_PORT)
    return told


def _common(spec: ModelDeploymentSpec, defaults: Defaults) -> Manifest:
    """What both containers share.

    The init step has the server's own resources: it runs before it, so the scheduler counts nothing twice, the pod
    keeps its quality of service, and a quota that demands a limit of every container is met by both.
    """
    serving = spec.serving
    return {
        "image": serving.image or defaults.image_for(spec.model.format),
        "resources": pod_additions.resources(serving.resources),
        # The last lines of the log tell why it ended, where it left no report of its own.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": dict(pod_additions.CONFINED),
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


def _startup_seconds(spec: ModelDeploymentSpec) -> int:
    return ceil(parse_duration(spec.serving.startup_deadline).total_seconds())


def _probe(path: str, *, period: int, timeout: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "successThreshold": 1,
        "failureThreshold": failures,
    }


def _volumes(spec: ModelDeploymentSpec) -> list[Manifest]:
    volumes: list[Manifest] = [
        {"name": "model", "emptyDir": {"sizeLimit": canonical(spec.serving.model_size_limit)}},
        {"name": "traffic", "downwardAPI": {"items": [_shown(TRAFFIC_ANNOTATION), _shown(SHIELD_ANNOTATION)]}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    claim = claim_of(spec.model.uri)
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


def claim_of(uri: str) -> str | None:
    """The claim of a `pvc://CLAIM/PATH`."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme == "pvc" else None


def mounted(uri: str, folder: str) -> str:
    """What whoever fetches is told: a claim's path is a file below its mount."""
    claim = claim_of(uri)
    return f"file://{folder}{uri.removeprefix(f'pvc://{claim}')}" if claim else uri


def source(template: Mapping[str, Any], uri: str) -> str:
    """The `spec.model.uri` of a built template whose init step is told this one: `mounted` the other way round."""
    volume = next((one for one in template["spec"].get("volumes", ()) if one["name"] == "artifact"), None)
    if volume is None:
        return uri
    return f"pvc://{volume['persistentVolumeClaim']['claimName']}{uri.removeprefix(f'file://{ARTIFACT_DIRECTORY}')}"


def _placement(serving: ServingSpec, defaults: Defaults) -> Manifest:
    """Only what was given: the API server does not keep empty lists and maps."""
    secrets = [secret.name for secret in serving.image_pull_secrets] or defaults.pull_secrets
    given: Manifest = {
        "imagePullSecrets": [{"name": name} for name in secrets],
        "nodeSelector": dict(serving.node_selector),
        "tolerations": [_toleration(toleration) for toleration in serving.tolerations],
    }
    return {field: value for field, value in given.items() if value}


def _toleration(toleration: Toleration) -> Manifest:
    return {field: value for field, value in toleration.dump().items() if value != ""}
