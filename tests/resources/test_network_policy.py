"""What may reach a model's pods, and what they may reach."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.resources.samples import OWNER
from verdigris.api.spec import NetworkPolicySpec
from verdigris.children import network_policy

DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


def _egress(*uris: str) -> list[Any]:
    rules: list[Any] = network_policy.build(OWNER, uris)["spec"]["egress"]
    assert rules[0] == DNS
    return rules[1:]


def _ports(*ports: int) -> dict[str, Any]:
    return {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}


def _namespaces(*names: str) -> dict[str, Any]:
    return {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in names]}


def test_behind_a_shield_the_models_pods_may_ask_each_other() -> None:
    rules = network_policy.build(OWNER, ("file:///opt/a",), shield=True)["spec"]["egress"]
    pods = {"podSelector": {"matchLabels": {"verdigris.dev/model": "diabetes"}}}
    assert rules == [DNS, {"to": [pods], **_ports(8080)}]


@pytest.mark.parametrize("uri", ["pvc://claim/a", "file:///opt/a"])
def test_a_model_that_needs_no_network_reaches_only_names(uri: str) -> None:
    assert _egress(uri) == []


@pytest.mark.parametrize(
    ("uri", "port"),
    [
        ("https://models.example.com/a", 443),
        ("http://models.example.com/a", 80),
        ("https://user@models.example.com:8443/a", 8443),
        ("https://10.0.0.7/a", 443),
        ("https://[2001:db8::7]:9443/a", 9443),
    ],
)
def test_an_outside_store_is_reached_on_its_port_alone(uri: str, port: int) -> None:
    assert _egress(uri) == [_ports(port)]


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        ("store", "clinic"),
        ("store.models", "models"),
        ("store.models.svc", "models"),
        ("store.models.svc.cluster.local", "models"),
    ],
)
def test_a_store_in_the_cluster_is_reached_on_whatever_port_its_pods_have(host: str, namespace: str) -> None:
    assert _egress(f"http://{host}:9000/a") == [_ports(9000), _namespaces(namespace)]


@pytest.mark.parametrize("uri", ["s3://models/a", "gs://models/a", "az://models/a", "models:/diabetes@champion"])
def test_a_store_that_is_not_named_is_reached_on_the_port_of_https_and_its_bucket_is_no_namespace(uri: str) -> None:
    assert _egress(uri) == [_ports(443)]


@pytest.mark.parametrize(
    ("uri", "rules"),
    [
        ("oci://registry.example.com/models/a:1", [_ports(443)]),
        ("oci://registry.example.com:5000/models/a:1", [_ports(443, 5000)]),
        ("oci://registry.tools.svc:5000/models/a:1", [_ports(443, 5000), _namespaces("tools")]),
    ],
)
def test_a_registry_is_reached_and_what_it_sends_its_clients_on_to(uri: str, rules: list[Any]) -> None:
    assert _egress(uri) == rules


@pytest.mark.parametrize("address", ["http://[", "databricks", "http://mlflow.example.com:port"])
def test_an_address_of_the_users_that_is_none_opens_nothing(address: str) -> None:
    assert _egress("file:///a", address) == []


def test_the_stores_of_all_revisions_stay_reachable() -> None:
    uris = ["https://new.example.org.uk/a", "http://b.models.svc/a", "http://a.models.svc/b", "file:///x"]

    assert _egress(*uris) == [_ports(80, 443), _namespaces("models")]
    assert network_policy.build(OWNER, uris) == network_policy.build(OWNER, reversed(uris))


@pytest.mark.parametrize("uri", ["http://models.example.com:high/a", "http://models.example.com:99999/a"])
def test_a_port_that_is_none_is_left_for_the_fetch_step_to_name(uri: str) -> None:
    assert _egress(uri) == []


def test_clients_come_from_the_cluster_unless_the_service_faces_outside() -> None:
    inside = network_policy.build(OWNER, [])["spec"]["ingress"]
    outside = network_policy.build(OWNER, [], external=True)["spec"]["ingress"]

    assert inside == [{**_ports(8080), "from": [{"namespaceSelector": {}}]}]
    assert outside == [_ports(8080)]


def test_the_port_of_grpc_is_open_where_it_is_answered() -> None:
    assert network_policy.build(OWNER, [], external=True, grpc=True)["spec"]["ingress"] == [_ports(8080, 8081)]


def test_both_directions_are_ruled() -> None:
    assert network_policy.build(OWNER, [])["spec"]["policyTypes"] == ["Ingress", "Egress"]


def _extended(raw: Any, *, external: bool = False) -> Any:
    return network_policy.build(OWNER, [], NetworkPolicySpec.parse(raw), external=external)["spec"]


def test_further_rules_stand_after_the_operators_own() -> None:
    monitoring = {"namespaceSelector": {"matchLabels": {"team": "sre"}}, "podSelector": {}}
    nodes = {"ipBlock": {"cidr": "10.1.0.0/16", "except": ["10.1.7.0/24"]}}
    made = _extended(
        {
            "extraIngress": [{"from": [monitoring, nodes], "ports": [{"port": 9000}]}],
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], "ports": [{"port": 80}]}, {}],
        }
    )
    assert made["ingress"][1:] == [{"from": [monitoring, nodes], **_ports(9000)}]
    assert made["egress"][1:] == [{"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], **_ports(80)}, {}]


def test_a_demand_on_labels_is_written_without_empty_values() -> None:
    demands = [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "In", "values": ["c"]}]
    made = _extended({"extraIngress": [{"from": [{"podSelector": {"matchExpressions": demands}}]}]})
    assert made["ingress"][1] == {"from": [{"podSelector": {"matchExpressions": demands}}]}


@pytest.mark.parametrize(
    ("clients", "external", "anywhere"),
    [("Anywhere", False, True), ("Pods", True, False), (None, True, True), (None, False, False)],
)
def test_who_runs_in_a_nodes_own_network_is_let_in_when_asked(clients: Any, external: bool, anywhere: bool) -> None:
    (rule,) = _extended({"clients": clients}, external=external)["ingress"]
    assert ("from" not in rule) == anywhere


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"extraIngress": [{"from": [{}]}]}, "give ipBlock, or podSelector"),
        ({"extraIngress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]}, "give ipBlock"),
        ({"extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0"}}]}]}, "must be a range of addresses"),
        ({"extraEgress": [{"ports": [{"port": 9, "endPort": 8}]}]}, "endPort must not be below port"),
        (
            {"extraIngress": [{"from": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]}]},
            "need values",
        ),
        ({"podSelector": {}}, "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_is_not_clear_is_refused_with_a_sentence(raw: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NetworkPolicySpec.parse(raw)
