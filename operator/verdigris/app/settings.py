"""Every setting of the operator: one frozen object, read once from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from verdigris.api.schema.fields import parse_duration

IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_NAMESPACE = "verdigris-system"
_MATCHER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*=[^\s\"\\,]+")
_CLUSTER = re.compile("([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?")
_PAGE = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?")
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """A setting that cannot be used. Its text says which one, why, and what to write instead."""


@dataclass(frozen=True)
class Settings:
    """What the operator can be told. Each field is read from the environment variable named in its comment."""

    # VERDIGRIS_NAMESPACES: comma-separated; empty: all namespaces.
    namespaces: tuple[str, ...] = ()
    # VERDIGRIS_SERVING_IMAGE: image of the model server, for specs that name none.
    serving_image: str = "verdigris/serving:0.1.0"
    # VERDIGRIS_SERVING_IMAGE_ONNX: the same for models of format onnx.
    serving_image_onnx: str = "verdigris/serving-onnx:0.1.0"
    # VERDIGRIS_SERVING_IMAGE_SKLEARN: the same for models of format sklearn.
    serving_image_sklearn: str = "verdigris/serving-sklearn:0.1.0"
    # VERDIGRIS_SERVING_PULL_SECRETS: comma-separated Secrets of each model's namespace, for specs that name none.
    serving_pull_secrets: tuple[str, ...] = ()
    # VERDIGRIS_ANY_USER: true: pods of models name no user; their namespace gives them one.
    any_user: bool = False
    # VERDIGRIS_PROMETHEUS_ADDRESS: base URL, for specs that name none; empty: rollouts have no evidence.
    prometheus_address: str | None = None
    # VERDIGRIS_PROMETHEUS_ALLOWED: comma-separated base URLs that specs may name beside the operator's own.
    prometheus_allowed: tuple[str, ...] = ()
    # VERDIGRIS_PROMETHEUS_CREDENTIALS: folder with token, username, password, tenant and ca.crt, each of them optional,
    # for the operator's own address; empty: nothing is shown to it.
    prometheus_credentials: Path | None = None
    # VERDIGRIS_PROMETHEUS_MATCHERS: comma-separated label=value, which every series of this cluster has there.
    prometheus_matchers: Mapping[str, str] = field(default_factory=dict)
    # VERDIGRIS_ISOLATE_QUERIES: true: PromQL of specs must keep to the model's own namespace.
    isolate_queries: bool = False
    # VERDIGRIS_REGISTRY_ADDRESS: base URL of the MLflow server whose aliases specs may follow; empty: there is none.
    registry_address: str | None = None
    # VERDIGRIS_REGISTRY_CREDENTIALS: folder with token, username, password and ca.crt for it, each of them optional.
    registry_credentials: Path | None = None
    # VERDIGRIS_REGISTRY_CLUSTER: this cluster's name in the tags that say who serves, where several share a registry.
    registry_cluster: str = ""
    # VERDIGRIS_DECISION_POLICY: the ValidatingAdmissionPolicy, and its binding, without which no version goes on by a
    # RolloutDecision; empty: decisions are believed as they are.
    decision_policy: str | None = None
    # VERDIGRIS_GATEWAY_API: true: HTTPRoutes may be read and written, and are watched once the API server knows them.
    gateway_api: bool = False
    # VERDIGRIS_RUNBOOKS: URL under which the pages of docs/runbooks are, for alerts; empty: they name the folder.
    runbooks: str = ""
    # VERDIGRIS_AUDIT_FOLDER: where the audit log is, on a volume; empty: there is none.
    audit_folder: Path | None = None
    # VERDIGRIS_AUDIT_KEY: file with the key that signs it, as `verdigris-audit keygen` writes it.
    audit_key: Path = Path("/etc/verdigris/audit/audit.key")
    # VERDIGRIS_AUDIT_SPOOL: ConfigMap of the lease's namespace that keeps entries while the log cannot be written.
    audit_spool: str = "verdigris-audit-spool"
    # VERDIGRIS_WEBHOOKS: file with who is told what has happened, of a mounted Secret; empty: nobody.
    webhooks: Path | None = None
    # VERDIGRIS_LEASE_NAMESPACE: default is the pod's own namespace, else verdigris-system.
    lease_namespace: str = DEFAULT_NAMESPACE
    # VERDIGRIS_LEASE_NAME
    lease_name: str = "verdigris-operator"
    # VERDIGRIS_LEASE_DURATION: how long a standby waits after the last sign of life.
    lease_duration: timedelta = timedelta(seconds=15)
    # VERDIGRIS_LEASE_RENEW_DEADLINE: a leader that could not renew for this long gives up.
    lease_renew_deadline: timedelta = timedelta(seconds=10)
    # VERDIGRIS_LEASE_RETRY_PERIOD: time between two tries to renew or to acquire.
    lease_retry_period: timedelta = timedelta(seconds=2)
    # VERDIGRIS_RESYNC: every ModelDeployment is looked at again this often, jittered by 10 %.
    resync: timedelta = timedelta(minutes=10)
    # VERDIGRIS_WORKERS: ModelDeployments looked at at the same time, not counting those that wait for somebody else.
    workers: int = 4
    # VERDIGRIS_PORT: of /healthz, /readyz and /metrics; 0 takes a free one.
    port: int = 8080
    # VERDIGRIS_PAGE_URL: for the page: the https:// origin under which people open it; empty: kubectl port-forward.
    page_url: str | None = None
    # VERDIGRIS_LOG_LEVEL: debug, info, warning or error.
    log_level: str = "info"
    # VERDIGRIS_IDENTITY: who holds the lease; default is HOSTNAME (the pod's name) and a random suffix.
    identity: str = ""


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that these variables spell. Raises SettingsError naming the variable that is wrong."""
    read = _Reader(environment)
    settings = Settings(
        namespaces=read.words("VERDIGRIS_NAMESPACES"),
        serving_image=read.text("VERDIGRIS_SERVING_IMAGE", Settings.serving_image),
        serving_image_onnx=read.text("VERDIGRIS_SERVING_IMAGE_ONNX", Settings.serving_image_onnx),
        serving_image_sklearn=read.text("VERDIGRIS_SERVING_IMAGE_SKLEARN", Settings.serving_image_sklearn),
        serving_pull_secrets=read.words("VERDIGRIS_SERVING_PULL_SECRETS"),
        any_user=read.flag("VERDIGRIS_ANY_USER"),
        prometheus_address=read.text("VERDIGRIS_PROMETHEUS_ADDRESS", "").rstrip("/") or None,
        prometheus_allowed=tuple(one.rstrip("/") for one in read.words("VERDIGRIS_PROMETHEUS_ALLOWED")),
        prometheus_credentials=read.path("VERDIGRIS_PROMETHEUS_CREDENTIALS"),
        prometheus_matchers=read.matchers("VERDIGRIS_PROMETHEUS_MATCHERS"),
        isolate_queries=read.flag("VERDIGRIS_ISOLATE_QUERIES"),
        registry_address=read.text("VERDIGRIS_REGISTRY_ADDRESS", "").rstrip("/") or None,
        registry_credentials=read.path("VERDIGRIS_REGISTRY_CREDENTIALS"),
        registry_cluster=read.text("VERDIGRIS_REGISTRY_CLUSTER", ""),
        decision_policy=read.text("VERDIGRIS_DECISION_POLICY", "") or None,
        gateway_api=read.flag("VERDIGRIS_GATEWAY_API"),
        runbooks=read.text("VERDIGRIS_RUNBOOKS", ""),
        audit_folder=read.path("VERDIGRIS_AUDIT_FOLDER"),
        audit_key=read.path("VERDIGRIS_AUDIT_KEY") or Settings.audit_key,
        audit_spool=read.text("VERDIGRIS_AUDIT_SPOOL", Settings.audit_spool),
        webhooks=read.path("VERDIGRIS_WEBHOOKS"),
        lease_namespace=read.text("VERDIGRIS_LEASE_NAMESPACE", _own_namespace()),
        lease_name=read.text("VERDIGRIS_LEASE_NAME", Settings.lease_name),
        lease_duration=read.duration("VERDIGRIS_LEASE_DURATION", Settings.lease_duration),
        lease_renew_deadline=read.duration("VERDIGRIS_LEASE_RENEW_DEADLINE", Settings.lease_renew_deadline),
        lease_retry_period=read.duration("VERDIGRIS_LEASE_RETRY_PERIOD", Settings.lease_retry_period),
        resync=read.duration("VERDIGRIS_RESYNC", Settings.resync),
        workers=read.number("VERDIGRIS_WORKERS", Settings.workers, 1, 64),
        port=read.number("VERDIGRIS_PORT", Settings.port, 0, 65535),
        page_url=read.text("VERDIGRIS_PAGE_URL", "").rstrip("/").lower() or None,
        log_level=read.text("VERDIGRIS_LOG_LEVEL", Settings.log_level).lower(),
        identity=read.text("VERDIGRIS_IDENTITY", read.text("HOSTNAME", "verdigris")),
    )
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    if settings.log_level not in LOG_LEVELS:
        raise SettingsError(f"VERDIGRIS_LOG_LEVEL is '{settings.log_level}': write one of {', '.join(LOG_LEVELS)}.")
    if not settings.lease_retry_period < settings.lease_renew_deadline < settings.lease_duration:
        raise SettingsError(
            "The lease's times must grow: VERDIGRIS_LEASE_RETRY_PERIOD < VERDIGRIS_LEASE_RENEW_DEADLINE < "
            "VERDIGRIS_LEASE_DURATION, for example 2s, 10s and 15s."
        )
    if settings.page_url is not None and not _PAGE.fullmatch(settings.page_url):
        raise SettingsError(
            f"VERDIGRIS_PAGE_URL is '{settings.page_url}': write the origin under which people open the page, "
            "https:// and a host, for example https://verdigris.example.com. Tokens are not sent in clear."
        )
    _check_address("PROMETHEUS_ADDRESS", settings.prometheus_address, "http://prometheus.monitoring.svc:9090")
    for address in settings.prometheus_allowed:
        _check_address("PROMETHEUS_ALLOWED", address, "http://prometheus.monitoring.svc:9090")
    _check_address("REGISTRY_ADDRESS", settings.registry_address, "http://mlflow.models.svc:5000")
    if not _CLUSTER.fullmatch(settings.registry_cluster):
        raise SettingsError(
            f"VERDIGRIS_REGISTRY_CLUSTER is '{settings.registry_cluster}': write lower-case letters, digits and '-', "
            "at most 63 of them, for example eu-1."
        )


def _check_address(name: str, address: str | None, example: str) -> None:
    if address is None:
        return
    if not address.startswith(("http://", "https://")):
        # What is before an @ may be a password.
        shown = address.rpartition("@")[2]
        raise SettingsError(f"VERDIGRIS_{name} is '{shown}': write a URL such as {example}.")
    if not _has_a_host(address):
        # Not repeated: it may be a password that has a slash in it.
        secret = f"{name.partition('_')[0].lower()}.auth.secretName"
        raise SettingsError(
            f"VERDIGRIS_{name} is no URL with a host, or has a port that is no number: write for example {example}, "
            f"and the user and password into the Secret that {secret} names in the chart's values."
        )


def _has_a_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _own_namespace() -> str:
    try:
        return IN_CLUSTER_NAMESPACE.read_text().strip() or DEFAULT_NAMESPACE
    except OSError:
        return DEFAULT_NAMESPACE


class _Reader:
    """Environment variables by type; an empty one counts as absent, so that a chart may render it always."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.text(name, "").split(",") if word.strip())

    def matchers(self, name: str) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for word in self.words(name):
            label, _, value = word.partition("=")
            if not _MATCHER.fullmatch(word):
                raise SettingsError(
                    f"{name} has '{word}': write label=value, for example cluster=eu-1, without quotes."
                )
            found[label] = value
        return found

    def path(self, name: str) -> Path | None:
        text = self.text(name, "")
        return Path(text) if text else None

    def flag(self, name: str) -> bool:
        text = self.text(name, "false").lower()
        if text not in ("true", "false"):
            raise SettingsError(f"{name} is '{text}': write true or false.")
        return text == "true"

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name, str(default))
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise SettingsError(f"{name} is '{text}': write a whole number from {low} to {high}.")
        return int(text)

    def duration(self, name: str, default: timedelta) -> timedelta:
        text = self.text(name, "")
        if not text:
            return default
        try:
            found = parse_duration(text)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}.") from error
        if found <= timedelta():
            raise SettingsError(f"{name} is '{text}': write a duration above zero, for example 15s.")
        return found
