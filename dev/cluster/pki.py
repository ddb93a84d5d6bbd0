"""The cluster's certificates and kubeconfigs, made with the openssl program (3.0 or newer)."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.settings import Settings
from dev.cluster.shell import run

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DAYS = "3650"

# openssl's own default file would add a second basicConstraints to every certificate.
_MINIMAL_CONFIG = "[req]\ndistinguished_name = name\n[name]\n"


@dataclass(frozen=True)
class Pki:
    """The files of one cluster's public key infrastructure; every path is under `directory`."""

    directory: Path

    def cert(self, name: str) -> Path:
        """The certificate of a party, PEM."""
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The private key of a party, PEM."""
        return self.directory / f"{name}.key"

    def kubeconfig(self, name: str) -> Path:
        """The kubeconfig of a component."""
        return self.directory / f"{name}.kubeconfig"


# party -> (subject, whether it is a server). Groups (O=) are what the bootstrap RBAC of Kubernetes knows.
_CLIENTS = {
    "admin": "/O=system:masters/CN=kubernetes-admin",
    "kube-controller-manager": "/CN=system:kube-controller-manager",
    "kube-scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
    "apiserver-kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client",
}


def create(settings: Settings, node_name: str) -> Pki:
    """Make all keys, certificates and kubeconfigs of the cluster, once; a second call changes nothing."""
    pki = Pki(settings.state / "pki")
    done = pki.directory / "complete"
    if done.exists():
        return pki
    pki.directory.mkdir(parents=True, exist_ok=True)
    pki.directory.chmod(0o700)
    (pki.directory / "openssl.cnf").write_text(_MINIMAL_CONFIG)
    _authority(pki, "ca")
    # An authority of its own: else any client certificate could claim to be the aggregation layer.
    _authority(pki, "front-proxy-ca")
    _leaf(pki, "front-proxy-client", "/CN=front-proxy-client", authority="front-proxy-ca")
    api_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    api_names.append("kubernetes.default.svc.cluster.local")
    api_ips = [settings.node_ip, settings.kubernetes_service_ip, "127.0.0.1"]
    _leaf(pki, "apiserver", "/CN=kube-apiserver", dns=api_names, ips=api_ips)
    for name, subject in _CLIENTS.items():
        _leaf(pki, name, subject)
        _write_kubeconfig(pki, name, pki.kubeconfig(name), settings.api_url)
    _kubelet(pki, node_name, settings.node_ip, settings.api_url)
    run(["openssl", "genrsa", "-out", pki.key("service-accounts"), "2048"])
    _write_kubeconfig(pki, "admin", settings.kubeconfig, settings.api_url)
    done.touch()
    return pki


def create_for_machine(settings: Settings, machine: Settings, node_name: str) -> Pki:
    """What a second node has of the cluster's keys: the authority's certificate, and its own kubelet's two pairs."""
    cluster, pki = Pki(settings.state / "pki"), Pki(machine.state / "pki")
    done = pki.directory / "complete"
    if done.exists():
        return pki
    pki.directory.mkdir(parents=True, exist_ok=True)
    pki.directory.chmod(0o700)
    shutil.copy(cluster.cert("ca"), pki.cert("ca"))
    shutil.copy(cluster.directory / "openssl.cnf", pki.directory)
    _kubelet(pki, node_name, machine.node_ip, settings.api_url, signer=cluster)
    done.touch()
    return pki


def _kubelet(pki: Pki, node_name: str, address: str, api_url: str, *, signer: Pki | None = None) -> None:
    """The kubelet's certificate as a server, and its identity for the API server."""
    _leaf(pki, "kubelet-server", f"/CN={node_name}", dns=[node_name], ips=[address], signer=signer)
    _leaf(pki, "kubelet", f"/O=system:nodes/CN=system:node:{node_name}", signer=signer)
    _write_kubeconfig(pki, "kubelet", pki.kubeconfig("kubelet"), api_url)


def _openssl(pki: Pki, name: str, subject: str, *options: str | Path) -> None:
    head: list[str | Path] = ["openssl", "req", "-x509", "-new", *_NEW_KEY, "-config", pki.directory / "openssl.cnf"]
    files: list[str | Path] = ["-keyout", pki.key(name), "-out", pki.cert(name)]
    run([*head, "-days", _DAYS, "-subj", subject, *files, *options])


def _authority(pki: Pki, name: str) -> None:
    usage = "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
    _openssl(pki, name, f"/CN=verdigris-{name}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", usage)


def _leaf(
    pki: Pki,
    name: str,
    subject: str,
    *,
    authority: str = "ca",
    dns: list[str] | None = None,
    ips: list[str] | None = None,
    signer: Pki | None = None,
) -> None:
    """Sign a certificate: for a server when it has names, else for a client. `signer` has the authority's key."""
    signer = signer or pki
    alternatives = [f"DNS:{item}" for item in dns or []] + [f"IP:{item}" for item in ips or []]
    options: list[str | Path] = ["-CA", signer.cert(authority), "-CAkey", signer.key(authority)]
    options += [
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        "keyUsage=critical,digitalSignature",
    ]
    options += ["-addext", f"extendedKeyUsage={'serverAuth' if alternatives else 'clientAuth'}"]
    if alternatives:
        options += ["-addext", f"subjectAltName={','.join(alternatives)}"]
    _openssl(pki, name, subject, *options)


def _write_kubeconfig(pki: Pki, user: str, path: Path, server: str) -> None:
    def inline(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": inline(pki.cert("ca"))}
    identity = {
        "client-certificate-data": inline(pki.cert(user)),
        "client-key-data": inline(pki.key(user)),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "verdigris",
        "clusters": [{"name": "verdigris", "cluster": cluster}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": "verdigris", "context": {"cluster": "verdigris", "user": user}}],
    }
    path.write_text(json.dumps(config, indent=1))  # JSON is YAML
    path.chmod(0o600)
