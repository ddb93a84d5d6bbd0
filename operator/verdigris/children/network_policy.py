"""The NetworkPolicy of the model's pods: ports that answer in; names and the artifact store out; what the spec adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from verdigris.api.spec import NetworkPolicySpec
from verdigris.api.spec.network import LabelSelector, NetworkPeer, NetworkPort
from verdigris.children.meta import Manifest, metadata, selector
from verdigris.children.names import GATE_LABEL, GRPC_PORT, HTTP_PORT, Owner, gate_policy_name

API_VERSION = "networking.k8s.io/v1"
_ALONE = NetworkPolicySpec()

_DEFAULT_PORTS = {"http": 80, **dict.fromkeys(("https", "s3", "gs", "az", "oci", "models"), 443)}
_NAMES_A_HOST = {"http", "https", "oci"}
_NAMESPACE_NAME = "kubernetes.io/metadata.name"


def build(
    owner: Owner,
    uris: Iterable[str],
    wished: NetworkPolicySpec = _ALONE,
    *,
    external: bool = False,
    grpc: bool = False,
    shield: bool = False,
) -> Manifest:
    """`uris` are the artifacts of every revision that may have to start: the active one's too, not only the newest.

    Among them are the stores' own addresses where the spec gives them; of one that only a Secret knows, no port is open
    but 443.

    `external`: clients come from outside the cluster (a LoadBalancer or NodePort Service), so ingress has no origin
    unless `wished` says so. `wished.enabled` is the caller's to look at.
    `grpc`: pods of any revision in use answer on its port, too. `shield`: the model's pods may ask each other.
    """
    answering = [HTTP_PORT, GRPC_PORT] if grpc else [HTTP_PORT]
    ingress: Manifest = {"ports": [{"port": port, "protocol": "TCP"} for port in answering]}
    if wished.clients == "Pods" or (wished.clients is None and not external):
        ingress["from"] = [{"namespaceSelector": {}}]
    egress = _egress(owner, uris, models=shield)
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": metadata(owner, owner.name),
        "spec": {
            "podSelector": {"matchLabels": selector(owner)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [ingress, *(_rule("from", rule.sources, rule.ports) for rule in wished.extra_ingress)],
            "egress": [*egress, *(_rule("to", rule.to, rule.ports) for rule in wished.extra_egress)],
        },
    }


def of_gates(owner: Owner, uris: Iterable[str], wished: NetworkPolicySpec = _ALONE) -> Manifest:
    """Of the pods of gates: nobody comes in; out, to names, what they fetch (`uris`) and the model's pods."""
    egress = _egress(owner, uris, models=True)
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": metadata(owner, gate_policy_name(owner.name)),
        "spec": {
            "podSelector": {"matchLabels": {GATE_LABEL: owner.name}},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [*egress, *(_rule("to", rule.to, rule.ports) for rule in wished.extra_egress)],
        },
    }


def _egress(owner: Owner, uris: Iterable[str], *, models: bool) -> list[Manifest]:
    """Names, and where artifacts and rows are; `models`: the model's own pods, too."""
    stores = [store for uri in uris if (store := _split(uri))]
    # No destination on DNS: a node-local cache is no pod, so no selector would match it.
    egress: list[Manifest] = [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}]
    ports = sorted({port for store in stores for port in _ports(store)})
    if ports:
        egress.append({"ports": [{"port": port, "protocol": "TCP"} for port in ports]})
    if models:
        to = {"podSelector": {"matchLabels": selector(owner)}}
        egress.append({"to": [to], "ports": [{"port": HTTP_PORT, "protocol": "TCP"}]})
    # A policy sees the packet after the Service's port became the pod's port, which a URI does not tell.
    namespaces = sorted({space for store in stores if (space := _namespace(store, owner))})
    if namespaces:
        egress.append({"to": [{"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: name}}} for name in namespaces]})
    return egress


def _rule(side: str, peers: Sequence[NetworkPeer], ports: Sequence[NetworkPort]) -> Manifest:
    """Only what was given: an empty list of peers or ports means the same as none, and the API server drops it."""
    made: Manifest = {side: [_peer(peer) for peer in peers], "ports": [port.dump() for port in ports]}
    return {field: stated for field, stated in made.items() if stated}


def _peer(peer: NetworkPeer) -> Manifest:
    selectors = {"podSelector": peer.pod_selector, "namespaceSelector": peer.namespace_selector}
    made: Manifest = {field: _selector(found) for field, found in selectors.items() if found is not None}
    if peer.ip_block is not None:
        made["ipBlock"] = {name: value for name, value in peer.ip_block.dump().items() if value}
    return made


def _selector(stated: LabelSelector) -> Manifest:
    demands = [{name: value for name, value in demand.dump().items() if value} for demand in stated.match_expressions]
    made: Manifest = {"matchLabels": dict(stated.match_labels), "matchExpressions": demands}
    return {field: value for field, value in made.items() if value}


def _split(uri: str) -> SplitResult | None:
    """Its parts; None for what a user called an address in an environment variable and is none."""
    try:
        return urlsplit(uri)
    except ValueError:
        return None


def _ports(store: SplitResult) -> set[int]:
    """The ports to reach; empty for what needs no network, and for a port that is none (the fetch step will say so).

    A registry sends its clients on, to where tokens are issued and to where its blobs are: 443 besides its own port.
    """
    usual = _DEFAULT_PORTS.get(store.scheme)
    try:
        port = store.port or usual
    except ValueError:
        return set()
    return {port for port in (port, usual if store.scheme == "oci" else None) if port}


def _namespace(store: SplitResult, owner: Owner) -> str | None:
    """The namespace of a store inside the cluster: of `name`, `name.namespace` or `name.namespace.svc…`.

    A public `example.com` looks like a Service in a namespace `com`; that rule then simply matches no pod.
    """
    if store.scheme not in _NAMES_A_HOST or not store.hostname or _is_address(store.hostname):
        return None
    parts = store.hostname.split(".")
    if len(parts) == 1:
        return owner.namespace
    return parts[1] if len(parts) == 2 or parts[2] == "svc" else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
