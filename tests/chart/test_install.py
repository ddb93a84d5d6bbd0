"""The chart on a real cluster: accepted as a whole, installed, tested by its own test, uninstalled, installed again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from dev.cluster import Cluster
from tests.chart.helm import CHART, REPOSITORY, Helm, Manifest, Refused, of_kind, pod_specs
from tests.chart.kubectl import Answer, Denied, Kubectl, changes, eventually
from tests.web.test_incluster import Page, csrf_of
from tests.web.test_on_cluster import shown

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

RELEASE = "chart-test"
OPERATORS, MODELS = "chart-test", "chart-test-models"
PAGE = f"system:serviceaccount:{OPERATORS}:{RELEASE}-page"
OWNER_ANNOTATIONS = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")
CHILDREN = (
    "deployments",
    "services",
    "horizontalpodautoscalers",
    "controllerrevisions",
    "poddisruptionbudgets",
    "networkpolicies",
    "serviceaccounts",
    "servicemonitors",
)
EVERYTHING = {
    "page": {"enabled": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "x"}},
    "monitoring": {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}},
    "networkPolicy": {"ingressFrom": [{"namespaceSelector": {}}], "extraEgress": [{"ports": [{"port": 8443}]}]},
    "commonLabels": {"team": "ml"},
    "podAnnotations": {"example.com/a": "b"},
    "serviceAccount": {"annotations": {"example.com/role": "x"}},
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "imagePullSecrets": [{"name": "pull"}],
}


@pytest.fixture(scope="module")
def namespaces(kubectl: Kubectl) -> Iterator[None]:
    """One namespace for the operator and one for models, both admitting restricted pods only."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kubectl.run("delete", "namespace", OPERATORS, MODELS, "--ignore-not-found")
    for name in (OPERATORS, MODELS):
        kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}])
    # A dry run of a pod needs its account to be there.
    account = {"name": RELEASE, "namespace": OPERATORS}
    kubectl.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}])
    yield
    kubectl.run("delete", "namespace", OPERATORS, MODELS, "--wait=false")


def into(namespace: str, manifests: list[Manifest]) -> list[Manifest]:
    """The manifests, with everything that has a namespace in this one."""
    text = json.dumps(manifests).replace('"namespace": "verdigris-system"', f'"namespace": "{namespace}"')
    return list(json.loads(text))


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("values", [{}, EVERYTHING, {**EVERYTHING, "watchNamespaces": [MODELS]}])
def test_the_api_server_accepts_every_manifest_without_a_warning(
    helm: Helm, kubectl: Kubectl, values: dict[str, Any]
) -> None:
    manifests = into(OPERATORS, helm.render(values, release=RELEASE))
    answer = kubectl.apply(manifests, "--dry-run=server")
    assert len(answer.out.splitlines()) == len(manifests)
    assert answer.warnings == ""


@pytest.mark.usefixtures("namespaces")
def test_a_namespace_with_restricted_pods_takes_the_operators(helm: Helm, kubectl: Kubectl) -> None:
    for number, (_, spec) in enumerate(pod_specs(into(OPERATORS, helm.render(release=RELEASE)))):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}", "namespace": OPERATORS}}
        kubectl.create({**pod, "spec": spec}, "--dry-run=server")


def owners(kubectl: Kubectl) -> dict[str, dict[str, str]]:
    """CRD name -> by which release helm thinks that it was made."""
    found = json.loads(kubectl.run("get", "-o", "json", "-f", REPOSITORY / "crds").out)["items"]
    return {crd["metadata"]["name"]: crd["metadata"].get("annotations", {}) for crd in found}


@pytest.fixture(scope="module")
def installed(helm: Helm, kubectl: Kubectl, cluster: Cluster, namespaces: None) -> Iterator[str]:  # noqa: ARG001
    """A release that serves one namespace, so that it leaves the models of other tests alone; yields helm's notes."""
    cluster.load_images()
    before = owners(kubectl)
    kubectl.run("delete", "serviceaccount", RELEASE, "--namespace", OPERATORS, "--ignore-not-found")
    try:
        yield install(helm, kubectl, cluster)
    finally:
        helm.run("uninstall", RELEASE, *where(cluster), "--ignore-not-found", "--wait")
        for name, annotations in before.items():
            words = [f"{key}={annotations[key]}" if key in annotations else f"{key}-" for key in OWNER_ANNOTATIONS]
            kubectl.run("annotate", "crd", name, "--overwrite", *words)


def where(cluster: Cluster) -> list[str]:
    return ["--namespace", OPERATORS, "--kubeconfig", str(cluster.kubeconfig)]


def install(helm: Helm, kubectl: Kubectl, cluster: Cluster) -> str:
    """Take over the CRDs from whoever made them, for the cluster is shared with other tests. Returns what helm said."""
    words = ["install", RELEASE, str(CHART), *where(cluster), "--wait", "--timeout", "120s", "--take-ownership"]
    try:
        return helm.run(*words, values={"watchNamespaces": [MODELS], "page": {"enabled": True}})
    except Refused as refused:
        raise AssertionError(f"{refused}\nThe operator said:\n{logs(kubectl)}") from refused


def logs(kubectl: Kubectl) -> str:
    selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
    return kubectl.run("logs", "--namespace", OPERATORS, "--selector", selector, "--tail=-1").out


def objects(kubectl: Kubectl, kind: str, namespace: str = OPERATORS) -> list[Manifest]:
    answer: Answer = kubectl.run("get", kind, "--namespace", namespace, "-o", "json")
    return list(json.loads(answer.out)["items"])


def operator_pods(kubectl: Kubectl) -> list[str]:
    return [
        pod["metadata"]["name"]
        for pod in objects(kubectl, "pods")
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"
    ]


def test_the_notes_say_what_is_served_and_what_to_do_next(installed: str) -> None:
    assert f"serves the namespaces {MODELS}" in installed
    assert f"--clusterrole={RELEASE}-approver" in installed
    assert "WARNING" not in installed


@pytest.mark.usefixtures("installed")
def test_one_of_two_replicas_leads(kubectl: Kubectl) -> None:
    pods = operator_pods(kubectl)
    assert len(pods) == 2

    def somebody_leads() -> bool:
        held = [lease["spec"].get("holderIdentity", "") for lease in objects(kubectl, "leases")]
        return len(held) == 1 and any(held[0].startswith(pod) for pod in pods)

    eventually("a replica holds the one Lease", somebody_leads)


@pytest.mark.usefixtures("installed")
def test_helm_test_passes_and_says_what_it_checked(helm: Helm, cluster: Cluster) -> None:
    said = helm.run("test", RELEASE, *where(cluster), "--logs")
    assert "Phase:          Succeeded" in said
    assert f"ok: the operator is ready at http://{RELEASE}.{OPERATORS}.svc:8080/readyz" in said
    assert "ok: the API server serves modeldeployments, rolloutdecisions" in said
    assert f"ok: the operator may list modeldeployments in {MODELS}" in said


@pytest.mark.usefixtures("installed")
def test_the_operator_takes_no_disturbance_that_would_leave_none(kubectl: Kubectl) -> None:
    (budget,) = objects(kubectl, "poddisruptionbudgets")
    eventually(
        "one disruption is allowed",
        lambda: objects(kubectl, "poddisruptionbudgets")[0]["status"].get("disruptionsAllowed") == 1,
    )
    assert budget["spec"]["maxUnavailable"] == 1


@pytest.mark.usefixtures("installed")
def test_the_operators_rights_are_enough_to_start_a_model(kubectl: Kubectl) -> None:
    """The artifact cannot be fetched, which is no matter: every child is made all the same, and none is refused."""
    sized = model("rights")
    sized["spec"]["autoscaling"] = {"minReplicas": 2, "maxReplicas": 3}
    kubectl.apply([sized])
    eventually("every child is there", lambda: all(owned(kubectl, kind) for kind in CHILDREN))
    eventually("it has its size", lambda: owned(kubectl, "deployments")[0]["spec"]["replicas"] == 2)
    eventually("an Event tells of it", lambda: "ModelDeployment" in told_about(kubectl))
    # On a cluster with another operator that one may have been first; ours has looked and was not refused either.
    eventually("our operator has dealt with it", lambda: reconciles(kubectl) > 0)
    assert "forbidden" not in logs(kubectl).lower()
    kubectl.run("delete", "modeldeployment", "rights", "--namespace", MODELS)


def owned(kubectl: Kubectl, kind: str) -> list[Manifest]:
    return [
        found
        for found in objects(kubectl, kind, MODELS)
        if any(owner["kind"] == "ModelDeployment" for owner in found["metadata"].get("ownerReferences", []))
    ]


def reconciles(kubectl: Kubectl) -> float:
    """Reconciles that the operator's replicas have ended well."""
    pages = [
        kubectl.run("get", "--raw", f"/api/v1/namespaces/{OPERATORS}/pods/{name}:8080/proxy/metrics").out
        for name in operator_pods(kubectl)
    ]
    ended_well = r'^verdigris_controller_runtime_reconcile_total\{result="(?:success|requeue_after)"\} (\S+)$'
    found = re.findall(ended_well, "\n".join(pages), re.MULTILINE)
    return sum(map(float, found))


def told_about(kubectl: Kubectl) -> set[str]:
    return {event["involvedObject"]["kind"] for event in objects(kubectl, "events", MODELS)}


@pytest.mark.usefixtures("installed")
def test_limited_to_a_namespace_the_operator_may_nothing_elsewhere(kubectl: Kubectl) -> None:
    operator = f"system:serviceaccount:{OPERATORS}:{RELEASE}"
    assert kubectl.allows(operator, "list", "modeldeployments", MODELS)
    for namespace in ("default", "kube-system", OPERATORS):
        for verb, resource in (("list", "modeldeployments"), ("create", "deployments"), ("patch", "pods")):
            assert not kubectl.allows(operator, verb, resource, namespace), namespace
    assert not kubectl.allows(operator, "get", "secrets", MODELS)


def model(name: str) -> Manifest:
    """One whose artifact cannot be fetched: its first rollout stays under way."""
    spec = {"model": {"version": "1.0.0", "uri": "http://artifacts.invalid/m.vmodel", "sha256": "0" * 64}}
    kind = {"apiVersion": "verdigris.dev/v1alpha1", "kind": "ModelDeployment"}
    return {**kind, "metadata": {"name": name, "namespace": MODELS}, "spec": spec}


def account(kubectl: Kubectl, name: str) -> str:
    """A new ServiceAccount, as somebody who signs in; returns a token of theirs."""
    kubectl.run("create", "serviceaccount", name, "--namespace", MODELS)
    return kubectl.run("create", "token", name, "--namespace", MODELS, "--duration=10m").out.strip()


@pytest.mark.usefixtures("installed")
async def test_the_page_runs_and_lets_each_person_see_and_decide_what_they_may(kubectl: Kubectl) -> None:
    alice, bob = account(kubectl, "alice"), account(kubectl, "bob")
    decides = (f"--clusterrole={RELEASE}-approver", f"--serviceaccount={MODELS}:alice")
    kubectl.run("create", "rolebinding", "alice-decides", *decides, "--namespace", MODELS)
    kubectl.apply([model("seen")])
    eventually("its rollout is under way", lambda: bool(rollout(kubectl, "seen")))
    at, decisions = f"/models/{MODELS}/seen", f"/models/{MODELS}/seen/decisions"
    form = {"verb": "abort", "revision": rollout(kubectl, "seen"), "reason": "seen on the page"}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        with kubectl.forwarding(f"service/{RELEASE}-page", 80, OPERATORS) as address:
            page = Page(None, address, session)  # type: ignore[arg-type]
            one, other = await page.somebody(alice), await page.somebody(bob)
            of_one, (_, _, of_other) = await shown(one, "/", at), await other.ask("GET", "/")
            assert f"as <strong>system:serviceaccount:{MODELS}:alice</strong>" in of_one
            assert at not in of_other
            assert (await other.ask("GET", at))[0] == 404
            assert (await other.ask("POST", decisions, {**form, "csrf": csrf_of(of_other)}))[0] == 404
            assert (await one.ask("POST", decisions, {**form, "csrf": csrf_of(of_one)}))[0] == 303
    (made,) = objects(kubectl, "rolloutdecisions", MODELS)
    # The admission policy lets nobody give another name than that of their own token.
    assert (made["spec"]["requestedBy"], made["spec"]["verb"]) == (f"system:serviceaccount:{MODELS}:alice", "abort")
    eventually(
        "the operator has answered",
        lambda: objects(kubectl, "rolloutdecisions", MODELS)[0].get("status", {}).get("outcome") == "Accepted",
    )
    kubectl.run("delete", "modeldeployment", "seen", "--namespace", MODELS)


def rollout(kubectl: Kubectl, name: str) -> str:
    """The revision that is being rolled out; empty while none is."""
    (found,) = [one for one in objects(kubectl, "modeldeployments", MODELS) if one["metadata"]["name"] == name]
    return str((found.get("status", {}).get("rollout") or {}).get("revision", ""))


@pytest.mark.usefixtures("installed")
def test_the_page_may_read_and_change_nothing(kubectl: Kubectl) -> None:
    told = kubectl.run("auth", "can-i", "--list", "--namespace", MODELS, user=PAGE).out
    assert "modeldeployments" in told
    assert changes(told) == []
    for verb, resource in (("create", "rolloutdecisions"), ("patch", "modeldeployments"), ("delete", "pods")):
        assert not kubectl.allows(PAGE, verb, resource, MODELS)


def test_models_outlive_the_release_and_a_new_one_takes_them_over(
    installed: str, helm: Helm, kubectl: Kubectl, cluster: Cluster
) -> None:
    assert installed
    kubectl.apply([model("kept")])
    (before,) = objects(kubectl, "modeldeployments", MODELS)

    helm.run("uninstall", RELEASE, *where(cluster), "--wait")
    (between,) = objects(kubectl, "modeldeployments", MODELS)
    with pytest.raises(Denied, match="not found"):
        kubectl.run("get", "deployment", RELEASE, "--namespace", OPERATORS)
    # Not --take-ownership: the same release finds its own CRDs.
    helm.run(
        "install", RELEASE, CHART, *where(cluster), "--wait", "--timeout", "120s", values={"watchNamespaces": [MODELS]}
    )

    (after,) = objects(kubectl, "modeldeployments", MODELS)
    assert before["metadata"]["uid"] == between["metadata"]["uid"] == after["metadata"]["uid"]
    kubectl.run("delete", "modeldeployment", "kept", "--namespace", MODELS)


def test_every_crd_is_kept_on_uninstall(default_manifests: list[Manifest]) -> None:
    for crd in of_kind(default_manifests, "CustomResourceDefinition"):
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
