"""How the outside comes to the clients' Service: as the spec says, and otherwise as the cluster has it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.resources.samples import OWNER
from verdigris.adapters.kube.writing.compare import difference
from verdigris.adapters.kube.writing.fields import strays
from verdigris.adapters.kube.writing.patches import ways_to_make
from verdigris.api.spec import ServiceSpec
from verdigris.api.status import ServiceAddress
from verdigris.children import service

OUTSIDE: dict[str, Any] = {
    "type": "LoadBalancer",
    "port": 8000,
    "nodePort": 30080,
    "loadBalancerClass": "example.com/internal",
    "loadBalancerSourceRanges": ["10.0.0.0/8", "fd00::/8"],
    "externalTrafficPolicy": "Local",
    "ipFamilyPolicy": "PreferDualStack",
    "ipFamilies": ["IPv6", "IPv4"],
}


def clients(raw: Any) -> Any:
    return service.clients(OWNER, ServiceSpec.parse(raw), "blue")


def test_every_field_of_the_outside_reaches_the_service() -> None:
    made = clients(OUTSIDE)["spec"]
    stated = {name: made[name] for name in OUTSIDE if name not in ("port", "nodePort")}
    assert stated == {name: value for name, value in OUTSIDE.items() if name not in ("port", "nodePort")}
    (port,) = made["ports"]
    assert (port["port"], port["nodePort"], port["targetPort"]) == (8000, 30080, "http")


def test_what_is_not_given_is_left_to_the_cluster() -> None:
    assert set(clients({})["spec"]) == {"type", "ports", "selector", "sessionAffinity", "internalTrafficPolicy"}
    allocated = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "loadBalancerSourceRanges": ["10.0.0.0/8"]}
    live = {**clients({}), "spec": {**clients({})["spec"], **allocated}}
    assert difference(clients({}), live) is None
    assert strays(clients({}), live) == []


@pytest.mark.parametrize("field", [name for name in OUTSIDE if name != "port"])
def test_an_edit_of_what_is_given_is_seen(field: str) -> None:
    wanted, live = clients(OUTSIDE), clients(OUTSIDE)
    place = live["spec"]["ports"][0] if field == "nodePort" else live["spec"]
    place[field] = ["IPv4"] if isinstance(place[field], list) else "other"
    assert difference(wanted, live) is not None


def test_a_service_that_is_made_again_keeps_what_is_given_and_is_bare_at_the_least() -> None:
    first, *_, bare = ways_to_make(clients(OUTSIDE), ServiceAddress(address="10.96.0.7", node_port=31000))
    assert (first["spec"]["clusterIP"], first["spec"]["ports"][0]["nodePort"]) == ("10.96.0.7", 30080)
    assert bare["spec"] == {**clients({"port": 8000})["spec"], "type": "ClusterIP"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"loadBalancerClass": "example.com/internal"}, "set type: LoadBalancer"),
        ({"type": "NodePort", "loadBalancerSourceRanges": ["10.0.0.0/8"]}, "set type: LoadBalancer"),
        ({"nodePort": 30080}, "LoadBalancer or NodePort"),
        ({"externalTrafficPolicy": "Local"}, "LoadBalancer or NodePort"),
        ({"ipFamilies": ["IPv4", "IPv6"]}, "need ipFamilyPolicy"),
        ({"ipFamilies": ["IPv4", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}, "must differ"),
        ({"type": "LoadBalancer", "loadBalancerSourceRanges": ["everybody"]}, "range of addresses"),
    ],
)
def test_what_cannot_go_together_is_refused_with_a_sentence(raw: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ServiceSpec.parse(raw)
