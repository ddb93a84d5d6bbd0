"""What runs on a node: the kubelet, and kube-proxy, which serves the pods of all nodes of this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.cluster.control_plane import Binary
from dev.cluster.pki import Pki
from dev.cluster.processes import Daemons
from dev.cluster.settings import Settings

NODE_NAME = "verdigris-node"
EVICTION_MEMORY = "100Mi"
"""The kubelet takes it off what pods may request, and evicts pods when the machine has less left."""


def _resolv_conf() -> str:
    """The name servers for pods: a stub resolver on loopback, as systemd-resolved's, is of no use to a pod."""
    real = Path("/run/systemd/resolve/resolv.conf")
    stub = "nameserver 127.0.0.53" in Path("/etc/resolv.conf").read_text()
    return str(real) if stub and real.exists() else "/etc/resolv.conf"


def start_kubelet(
    settings: Settings,
    daemons: Daemons,
    binary: Binary,
    pki: Pki,
    *,
    name: str = NODE_NAME,
    labels: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Start the kubelet on the containerd of these settings. All that it writes is under their state directory.

    `labels` are the Node's when it is registered; `more` is added to the kubelet's configuration file.
    """
    root = settings.state / "kubelet"
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.node_ip,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.cert("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki.cert("kubelet-server")),
        "tlsPrivateKeyFile": str(pki.key("kubelet-server")),
        "clusterDNS": [settings.dns_ip],
        "clusterDomain": "cluster.local",
        "resolvConf": _resolv_conf(),
        "containerRuntimeEndpoint": f"unix://{settings.containerd_socket}",
        "podLogsDir": str(settings.state / "pod-logs"),
        "volumePluginDir": str(root / "volume-plugins"),
        # The machine may have cgroup v1 and swap.
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "makeIPTablesUtilChains": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": EVICTION_MEMORY},
        "maxPods": 200,
        "serializeImagePulls": False,
        # How soon a changed Secret (Prometheus' configuration is one) reaches a running pod; the default is 1 min.
        "syncFrequency": "5s",
        **(more or {}),
    }
    path = settings.state / "kubelet.json"
    path.write_text(json.dumps(config, indent=1))
    flags = {
        "config": path,
        "kubeconfig": pki.kubeconfig("kubelet"),
        "root-dir": root,
        "cert-dir": root / "pki",
        "node-ip": settings.node_ip,
        "hostname-override": name,
        "node-labels": ",".join(f"{key}={value}" for key, value in (labels or {}).items()),
    }
    daemons.start("kubelet", [binary("kubelet"), *(f"--{flag}={value}" for flag, value in flags.items())])


def start_kube_proxy(settings: Settings, daemons: Daemons, binary: Binary, pki: Pki) -> None:
    """Start kube-proxy with nftables. (Its first word about a missing ip6 table is harmless.)"""
    if daemons.running("kube-proxy"):
        # It ends when its configuration file is written, unchanged or not, and does so a moment later.
        return
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(pki.kubeconfig("kube-proxy"))},
        "clusterCIDR": settings.cluster_cidr,
        "hostnameOverride": NODE_NAME,
        "bindAddress": settings.node_ip,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # 0: leave the machine's sysctls as they are.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    path = settings.state / "kube-proxy.json"
    path.write_text(json.dumps(config, indent=1))
    daemons.start("kube-proxy", [binary("kube-proxy"), f"--config={path}"])
