"""Who may decide what, asked of a real API server: the policy, the custom verbs and the roles of the chart."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import REPOSITORY, Helm, Manifest
from tests.chart.kubectl import Denied, Kubectl, eventually

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

RELEASE = "policy-test"
NAMESPACE = "policy-test"
KINDS = {"ClusterRole", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
numbers = itertools.count(1)


def decision(verb: str, model: str, requested_by: str, namespace: str = NAMESPACE) -> Manifest:
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "RolloutDecision",
        "metadata": {"name": f"{verb}-{next(numbers)}", "namespace": namespace},
        "spec": {
            "modelDeployment": model,
            "revision": "5d41402abc",
            "verb": verb,
            "reason": "seen on the dashboard",
            "requestedBy": requested_by,
        },
    }


def binding(name: str, kind: str, role: str, namespace: str = NAMESPACE) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{name}-{role}".replace(":", "-"), "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [subject(name)],
    }


def subject(name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def one_model_role(model: str = "diabetes") -> Manifest:
    """What a cluster's owner writes by hand: approve this one model, and create decisions."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": f"approve-{model}", "namespace": NAMESPACE},
        "rules": [
            {
                "apiGroups": ["verdigris.dev"],
                "resources": ["modeldeployments"],
                "resourceNames": [model],
                "verbs": ["approve"],
            },
            {"apiGroups": ["verdigris.dev"], "resources": ["rolloutdecisions"], "verbs": ["create"]},
        ],
    }


@pytest.fixture(scope="module")
def api(helm: Helm, kubectl: Kubectl) -> Iterator[Kubectl]:
    """A cluster with the chart's policy and roles: alice approves, bob aborts, carol approves one model, dave edits."""
    manifests = [m for m in helm.render({"crds": {"install": False}}, release=RELEASE) if m["kind"] in KINDS]
    names = [NAMESPACE, f"{NAMESPACE}-2"]
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    people = [
        binding("alice", "ClusterRole", f"{RELEASE}-approver"),
        binding("bob", "ClusterRole", f"{RELEASE}-aborter"),
        one_model_role(),
        binding("carol", "Role", "approve-diabetes"),
        binding("dave", "ClusterRole", "edit"),
        binding("victor", "ClusterRole", "view"),
    ]
    kubectl.run("delete", "namespace", *names, "--ignore-not-found")
    kubectl.apply([*namespaces, *manifests, *people])
    eventually(
        "the API server has taken up the policy",
        lambda: bool(refusal(kubectl, decision("approve", "diabetes", "nobody"), None, "--dry-run=server")),
    )
    yield kubectl
    kubectl.run("delete", "namespace", *names, "--wait=false")
    for manifest in manifests:
        kubectl.run("delete", manifest["kind"], manifest["metadata"]["name"])


def refusal(kubectl: Kubectl, manifest: Manifest, user: str | None, *options: str) -> str:
    """Why the API server refused to create this, or "" when it did create it."""
    try:
        kubectl.create(manifest, *options, user=user)
    except Denied as denial:
        return str(denial)
    return ""


@pytest.mark.parametrize("verb", ["approve", "promote", "abort", "retry", "rollback"])
def test_an_approver_may_take_every_decision(api: Kubectl, verb: str) -> None:
    assert refusal(api, decision(verb, "diabetes", "alice"), "alice") == ""


def test_an_aborter_may_abort(api: Kubectl) -> None:
    assert refusal(api, decision("abort", "diabetes", "bob"), "bob") == ""


@pytest.mark.parametrize("verb", ["approve", "promote", "retry", "rollback"])
def test_an_aborter_may_do_nothing_else(api: Kubectl, verb: str) -> None:
    said = refusal(api, decision(verb, "diabetes", "bob"), "bob")
    assert said.rstrip().endswith(f"denied request: bob may not {verb} diabetes")


def test_a_decision_in_another_name_is_refused(api: Kubectl) -> None:
    said = refusal(api, decision("approve", "diabetes", "bob"), "alice")
    assert said.rstrip().endswith("denied request: requestedBy must be your own name, alice")


def test_not_even_the_administrator_decides_in_another_name(api: Kubectl) -> None:
    assert "requestedBy must be your own name" in refusal(api, decision("approve", "diabetes", "alice"), None)


def test_the_right_to_decide_may_be_limited_to_one_model(api: Kubectl) -> None:
    assert refusal(api, decision("approve", "diabetes", "carol"), "carol") == ""
    assert "carol may not approve fraud" in refusal(api, decision("approve", "fraud", "carol"), "carol")
    assert "carol may not rollback diabetes" in refusal(api, decision("rollback", "diabetes", "carol"), "carol")


def test_the_example_needs_the_rights_that_it_names(api: Kubectl) -> None:
    example = yaml.safe_load((REPOSITORY / "examples" / "approve.yaml").read_text())
    author, model = example["spec"]["requestedBy"], example["spec"]["modelDeployment"]
    example["metadata"]["namespace"] = NAMESPACE
    assert "forbidden" in refusal(api, example, author)
    api.apply([one_model_role(model), {**binding("author", "Role", f"approve-{model}"), "subjects": [subject(author)]}])
    eventually("the author may create decisions", lambda: refusal(api, example, author, "--dry-run=server") == "")
    assert refusal(api, example, author) == ""


def test_a_right_in_one_namespace_is_none_in_another(api: Kubectl) -> None:
    elsewhere = f"{NAMESPACE}-2"
    assert 'cannot create resource "rolloutdecisions"' in refusal(
        api, decision("approve", "diabetes", "alice", elsewhere), "alice"
    )
    api.apply([binding("alice", "ClusterRole", f"{RELEASE}-aborter", elsewhere)])
    eventually("alice may create decisions there", lambda: api.allows("alice", "create", "rolloutdecisions", elsewhere))
    assert "alice may not approve diabetes" in refusal(
        api, decision("approve", "diabetes", "alice", elsewhere), "alice"
    )


def test_a_service_account_decides_under_its_full_name(api: Kubectl) -> None:
    robot = f"system:serviceaccount:{NAMESPACE}:pipeline"
    api.apply([binding(robot, "ClusterRole", f"{RELEASE}-approver")])
    eventually("the pipeline may decide", lambda: api.allows(robot, "create", "rolloutdecisions", NAMESPACE))
    assert refusal(api, decision("approve", "diabetes", robot), robot) == ""
    assert f"must be your own name, {robot}" in refusal(api, decision("approve", "diabetes", "pipeline"), robot)


def test_a_decision_cannot_be_changed_by_anybody(api: Kubectl) -> None:
    taken = decision("approve", "diabetes", "alice")
    api.create(taken, user="alice")
    for verb, user in (("rollback", None), ("rollback", "alice")):
        with pytest.raises(Denied) as denial:
            api.run(
                "patch", "rolloutdecision", taken["metadata"]["name"], "--namespace", NAMESPACE,
                "--type=merge", "--patch", json.dumps({"spec": {"verb": verb}}), user=user,
            )  # fmt: skip
        assert ("cannot be changed" if user is None else "cannot patch") in str(denial.value)


def test_a_dry_run_is_judged_like_the_real_thing(api: Kubectl) -> None:
    said = refusal(api, decision("promote", "diabetes", "bob"), "bob", "--dry-run=server")
    assert "bob may not promote diabetes" in said


def test_the_schema_speaks_before_the_policy(api: Kubectl) -> None:
    said = refusal(api, decision("explode", "diabetes", "alice"), "alice")
    assert "spec.verb" in said
    assert "rollback" in said


def test_the_clusters_own_roles_know_the_models(api: Kubectl) -> None:
    eventually("edit is aggregated", lambda: api.allows("dave", "create", "modeldeployments", NAMESPACE))
    eventually("view is aggregated", lambda: api.allows("victor", "list", "modeldeployments", NAMESPACE))
    assert api.allows("dave", "delete", "modeldeployments", NAMESPACE)
    assert api.allows("victor", "get", "rolloutdecisions", NAMESPACE)
    assert not api.allows("victor", "create", "modeldeployments", NAMESPACE)
    assert not api.allows("dave", "create", "rolloutdecisions", NAMESPACE)
    assert not api.allows("dave", "approve", "modeldeployments", NAMESPACE)
    assert not api.allows("dave", "patch", "modeldeployments/status", NAMESPACE)


def test_every_decision_is_in_the_audit_log(api: Kubectl, audit_log: Path) -> None:
    taken = decision("approve", "diabetes", "alice")
    words = f"alice decided: approve {NAMESPACE}/diabetes revision 5d41402abc, because: seen on the dashboard"
    with audit_log.open() as log:
        log.seek(0, os.SEEK_END)
        api.create(taken, user="alice")
        written = ""

        def noted() -> bool:
            nonlocal written
            written += log.read()
            lines = [line for line in written.splitlines(keepends=True) if line.endswith("\n")]
            events = [json.loads(line) for line in lines if taken["metadata"]["name"] in line]
            notes = [event.get("annotations", {}).get(f"{RELEASE}-decisions/decision") for event in events]
            return words in notes

        eventually("the decision is in the audit log", noted)


def test_the_api_server_found_no_fault_in_the_policys_expressions(api: Kubectl) -> None:
    policy = json.loads(api.run("get", "validatingadmissionpolicy", f"{RELEASE}-decisions", "-o", "json").out)
    assert policy["status"].get("typeChecking", {}).get("expressionWarnings", []) == []
