"""The rights that the chart gives: to the operator no more than it needs, to people by their own words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import NAMESPACE, Helm, Manifest, of_kind
from verdigris.adapters.kube.transport import kinds
from verdigris.core.facts.source import PROMOTE_FROM

DECISIONS = {"approve", "promote", "abort", "retry", "rollback"}
FORBIDDEN_TO_THE_OPERATOR = {
    "secrets",
    "configmaps",
    "nodes",
    "namespaces",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "pods/exec",
    "customresourcedefinitions",
    "serviceaccounts/token",
}
FORBIDDEN_VERBS = {"bind", "escalate", "impersonate", "deletecollection"} | DECISIONS


def roles(manifests: list[Manifest]) -> list[Manifest]:
    return of_kind(manifests, "Role") + of_kind(manifests, "ClusterRole")


def role(manifests: list[Manifest], name: str) -> list[dict[str, Any]]:
    (found,) = [role for role in roles(manifests) if role["metadata"]["name"] == name]
    return list(found["rules"])


def verbs(manifests: list[Manifest], name: str, resource: str) -> set[str]:
    return {verb for rule in role(manifests, name) if resource in rule["resources"] for verb in rule["verbs"]}


@pytest.fixture(scope="module")
def limited(helm: Helm) -> list[Manifest]:
    return helm.render({"watchNamespaces": ["clinic", "lab"]})


def test_no_role_holds_a_wildcard(default_manifests: list[Manifest], limited: list[Manifest]) -> None:
    for found in roles(default_manifests) + roles(limited):
        for rule in found["rules"]:
            words = rule["apiGroups"] + rule["resources"] + rule["verbs"]
            assert not [word for word in words if "*" in word], found["metadata"]["name"]


def test_the_operator_has_no_right_that_could_give_it_more(default_manifests: list[Manifest]) -> None:
    for rule in role(default_manifests, "verdigris") + role(default_manifests, "verdigris-lease"):
        assert not set(rule["resources"]) & FORBIDDEN_TO_THE_OPERATOR
        assert not set(rule["verbs"]) & FORBIDDEN_VERBS


def test_the_operator_may_not_change_what_people_write(default_manifests: list[Manifest]) -> None:
    for resource in ("modeldeployments", "rolloutdecisions"):
        assert verbs(default_manifests, "verdigris", resource) <= {"get", "list", "watch"}
        assert verbs(default_manifests, "verdigris", f"{resource}/status") == {"patch"}


@pytest.mark.parametrize("kind", kinds.CHILDREN, ids=lambda kind: kind.kind)
def test_the_operator_may_watch_and_apply_every_child(default_manifests: list[Manifest], kind: kinds.Resource) -> None:
    granted = [
        set(rule["verbs"])
        for rule in role(default_manifests, "verdigris")
        if kind.group in rule["apiGroups"] and kind.plural in rule["resources"]
    ]
    assert len(granted) == 1
    assert granted[0] >= {"list", "watch", "create", "patch"}


def test_the_operator_has_rights_over_routes_only_where_they_are_asked_for(
    helm: Helm, default_manifests: list[Manifest]
) -> None:
    asked = helm.render({"gatewayApi": {"enabled": True}})
    wanted = {"list", "watch", "create", "patch", "delete"}
    assert verbs(asked, "verdigris", kinds.HTTP_ROUTE.plural) == wanted
    assert verbs(default_manifests, "verdigris", kinds.HTTP_ROUTE.plural) == set()
    assert verbs(asked, "verdigris", "gateways") == set()


def test_the_operator_may_watch_who_answers_and_change_nothing_about_it(default_manifests: list[Manifest]) -> None:
    assert verbs(default_manifests, "verdigris", "endpointslices") == {"list", "watch"}


def test_the_operator_may_remove_pods_but_make_none(default_manifests: list[Manifest]) -> None:
    assert verbs(default_manifests, "verdigris", "pods") == {"list", "watch", "patch", "delete"}
    assert verbs(default_manifests, "verdigris", "pods/eviction") == {"create"}


def test_the_lease_is_the_only_one_that_the_operator_may_hold(default_manifests: list[Manifest]) -> None:
    for rule in role(default_manifests, "verdigris-lease"):
        assert rule.get("resourceNames") == (None if rule["verbs"] == ["create"] else ["verdigris"])
    (binding,) = [b for b in of_kind(default_manifests, "RoleBinding") if b["metadata"]["name"] == "verdigris-lease"]
    assert binding["metadata"]["namespace"] == NAMESPACE


def test_by_default_three_cluster_roles_are_bound_to_the_operator_and_nobody_else(
    default_manifests: list[Manifest],
) -> None:
    bindings = of_kind(default_manifests, "ClusterRoleBinding")
    assert [binding["roleRef"]["name"] for binding in bindings] == ["verdigris-nodes", "verdigris", "verdigris-policy"]
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "verdigris", "namespace": NAMESPACE}]


def test_of_nodes_and_of_pods_elsewhere_the_operator_may_only_see_what_there_is(
    default_manifests: list[Manifest],
) -> None:
    assert role(default_manifests, "verdigris-nodes") == [
        {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["list"]}
    ]


@pytest.mark.parametrize("values", [{"capacity": {"readNodes": False}}, {"watchNamespaces": ["clinic"]}])
def test_the_operator_can_do_without_the_nodes(helm: Helm, values: dict[str, Any]) -> None:
    manifests = helm.render(values)
    assert not [found for found in roles(manifests) if found["metadata"]["name"] == "verdigris-nodes"]
    for found in (found for found in roles(manifests) if found["metadata"]["name"] == "verdigris"):
        assert not [rule for rule in found["rules"] if "nodes" in rule["resources"]]
    names = {b["roleRef"]["name"] for b in of_kind(manifests, "ClusterRoleBinding")}
    assert "verdigris-nodes" not in names


def test_the_operator_may_read_what_holds_up_pods(default_manifests: list[Manifest]) -> None:
    assert verbs(default_manifests, "verdigris", "resourcequotas") == {"list"}
    assert verbs(default_manifests, "verdigris", "limitranges") == {"list"}
    assert verbs(default_manifests, "verdigris", "events") >= {"list"}


def test_limited_to_namespaces_the_operator_has_roles_only(
    limited: list[Manifest], default_manifests: list[Manifest]
) -> None:
    assert not of_kind(limited, "ClusterRoleBinding")
    assert "verdigris" not in {found["metadata"]["name"] for found in of_kind(limited, "ClusterRole")}
    operators = [found for found in of_kind(limited, "Role") if found["metadata"]["name"] == "verdigris"]
    assert [found["metadata"]["namespace"] for found in operators] == ["clinic", "lab"]
    for found in operators:
        assert found["rules"] == role(default_manifests, "verdigris")
    bindings = [found for found in of_kind(limited, "RoleBinding") if found["metadata"]["name"] == "verdigris"]
    assert [found["metadata"]["namespace"] for found in bindings] == ["clinic", "lab"]
    assert all(found["subjects"][0]["namespace"] == NAMESPACE for found in bindings)


def test_the_narrow_mode_leaves_nothing_outside_of_its_namespaces(helm: Helm) -> None:
    """For who may not make anything for the whole cluster; the CRDs are then there already."""
    narrow = {
        "watchNamespaces": ["clinic"],
        "rbac": {"people": False},
        "crds": {"install": False},
        "decisions": {"policy": {"enabled": False}},
    }
    manifests = helm.render(narrow)
    assert not [found["kind"] for found in manifests if "namespace" not in found["metadata"]]
    assert {found["metadata"]["namespace"] for found in manifests} == {NAMESPACE, "clinic"}


def test_of_the_admission_policy_the_operator_may_read_its_own(default_manifests: list[Manifest]) -> None:
    (rule,) = role(default_manifests, "verdigris-policy")
    assert (rule["resourceNames"], rule["verbs"]) == (["verdigris-decisions"], ["get"])


def test_editors_of_models_decide_nothing(default_manifests: list[Manifest]) -> None:
    assert verbs(default_manifests, "verdigris-edit", "modeldeployments") == {"create", "update", "patch", "delete"}
    assert not verbs(default_manifests, "verdigris-edit", "rolloutdecisions")
    assert not verbs(default_manifests, "verdigris-edit", "modeldeployments/status")
    assert verbs(default_manifests, "verdigris-edit", "modeldeployments/scale") == {"get", "update", "patch"}


def test_approvers_have_every_decision_and_aborters_one(default_manifests: list[Manifest]) -> None:
    reading = {"get", "list", "watch"}
    assert verbs(default_manifests, "verdigris-approver", "modeldeployments") == reading | DECISIONS
    assert verbs(default_manifests, "verdigris-aborter", "modeldeployments") == reading | {"abort"}
    for name in ("verdigris-approver", "verdigris-aborter"):
        assert verbs(default_manifests, name, "rolloutdecisions") == reading | {"create"}


def test_who_agrees_that_another_namespace_asks_gives_nobody_a_right_to_read(
    default_manifests: list[Manifest], limited: list[Manifest]
) -> None:
    rule = {"apiGroups": ["verdigris.dev"], "resources": ["modeldeployments"], "verbs": [PROMOTE_FROM]}
    assert role(default_manifests, "verdigris-promote-from") == [rule]
    assert verbs(default_manifests, "verdigris", kinds.LOCAL_ACCESS_REVIEW.plural) == {"create"}
    assert verbs(limited, "verdigris-promote-source", kinds.LOCAL_ACCESS_REVIEW.plural) == {"create"}
    assert verbs(limited, "verdigris-promote-source", "modeldeployments") == {"get"}


@pytest.mark.parametrize(
    ("name", "joins"),
    [
        ("verdigris-promote-from", {"admin"}),
        ("verdigris-view", {"view", "edit", "admin"}),
        ("verdigris-edit", {"edit", "admin"}),
        ("verdigris-approver", set()),
        ("verdigris-aborter", set()),
    ],
)
def test_roles_for_people_join_the_clusters_own(default_manifests: list[Manifest], name: str, joins: set[str]) -> None:
    (found,) = [found for found in of_kind(default_manifests, "ClusterRole") if found["metadata"]["name"] == name]
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    labels = {key.removeprefix(prefix) for key in found["metadata"]["labels"] if key.startswith(prefix)}
    assert labels == joins
