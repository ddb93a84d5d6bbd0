"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler as plain processes of this machine."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

from dev.cluster.pki import Pki
from dev.cluster.processes import Daemons
from dev.cluster.settings import Settings
from dev.cluster.shell import tail, wait_for

Binary = Callable[[str], Path]
"""Gives the path of a tool, and waits until it is built."""

Flags = dict[str, str | Path]

ETCD_URL = "http://127.0.0.1:2379"

# Tests count the writes of each user from this log. Reads are left out: they are many and nobody counts them.
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
"""


def start_etcd(settings: Settings, daemons: Daemons, binary: Binary) -> None:
    """Start etcd; nothing is synced to the disk, since this cluster is thrown away anyway."""
    peer = "http://127.0.0.1:2380"
    flags: Flags = {
        "name": "default",
        "data-dir": settings.state / "etcd",
        "listen-client-urls": ETCD_URL,
        "advertise-client-urls": ETCD_URL,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }
    daemons.start("etcd", _command(binary("etcd"), flags))


def start_api_server(settings: Settings, daemons: Daemons, binary: Binary, pki: Pki) -> None:
    """Start the API server on the node's address, with audit log, RBAC and the aggregation layer."""
    policy = settings.state / "audit-policy.yaml"
    policy.write_text(_AUDIT_POLICY)
    settings.logs.mkdir(parents=True, exist_ok=True)
    flags: Flags = {
        "etcd-servers": ETCD_URL,
        # Not on all interfaces: pods and this machine reach it here, the outside world has no business with it.
        "bind-address": settings.node_ip,
        "advertise-address": settings.node_ip,
        "secure-port": "6443",
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "client-ca-file": pki.cert("ca"),
        "tls-cert-file": pki.cert("apiserver"),
        "tls-private-key-file": pki.key("apiserver"),
        "kubelet-certificate-authority": pki.cert("ca"),
        "kubelet-client-certificate": pki.cert("apiserver-kubelet-client"),
        "kubelet-client-key": pki.key("apiserver-kubelet-client"),
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": pki.key("service-accounts"),
        "service-account-signing-key-file": pki.key("service-accounts"),
        "service-cluster-ip-range": settings.service_cidr,
        "requestheader-client-ca-file": pki.cert("front-proxy-ca"),
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": pki.cert("front-proxy-client"),
        "proxy-client-key-file": pki.key("front-proxy-client"),
        "audit-policy-file": policy,
        "audit-log-path": settings.audit_log,
        "audit-log-maxsize": "1000",  # MB: a rotation would lose counts
        "profiling": "false",
    }
    daemons.start("kube-apiserver", _command(binary("kube-apiserver"), flags))


def start_controllers(settings: Settings, daemons: Daemons, binary: Binary, pki: Pki) -> None:
    """Start the controller manager and the scheduler; there is one of each, so neither needs an election."""
    common: Flags = {"leader-elect": "false", "bind-address": "127.0.0.1", "profiling": "false"}
    manager: Flags = {
        **common,
        "kubeconfig": pki.kubeconfig("kube-controller-manager"),
        "use-service-account-credentials": "true",
        "service-account-private-key-file": pki.key("service-accounts"),
        "root-ca-file": pki.cert("ca"),
        "cluster-signing-cert-file": pki.cert("ca"),
        "cluster-signing-key-file": pki.key("ca"),
        "service-cluster-ip-range": settings.service_cidr,
        # Default 15 s; tests of autoscaling need not wait that long.
        "horizontal-pod-autoscaler-sync-period": "5s",
    }
    scheduler: Flags = {**common, "kubeconfig": pki.kubeconfig("kube-scheduler")}
    daemons.start("kube-controller-manager", _command(binary("kube-controller-manager"), manager))
    daemons.start("kube-scheduler", _command(binary("kube-scheduler"), scheduler))


def wait_for_api(settings: Settings, daemons: Daemons, pki: Pki, *, timeout: float = 90) -> None:
    """Wait until the API server says that it is ready. Raises ClusterError with the end of its log."""

    def ready() -> bool:
        daemons.require("etcd")
        daemons.require("kube-apiserver")
        return api_ready(settings, pki)

    hint = f"Its log {settings.logs / 'kube-apiserver.log'} ends with:\n{tail(settings.logs / 'kube-apiserver.log')}"
    wait_for("the API server to be ready", ready, timeout=timeout, hint=hint)


def api_ready(settings: Settings, pki: Pki) -> bool:
    """Whether the API server answers /readyz with ok."""
    if not pki.cert("admin").exists():
        return False
    context = ssl.create_default_context(cafile=str(pki.cert("ca")))
    context.load_cert_chain(pki.cert("admin"), pki.key("admin"))
    try:
        with urllib.request.urlopen(f"{settings.api_url}/readyz", context=context, timeout=3) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _command(program: Path, flags: Flags) -> list[str | Path]:
    return [program, *(f"--{name}={value}" for name, value in flags.items())]
