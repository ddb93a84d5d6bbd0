"""The page in the chart: off by default, may read only, and has nothing of the operator's rights."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import NAMESPACE, Helm, Manifest, Refused, of_kind, pod_specs
from verdigris.app.settings import from_environment

PAGE = {"page": {"enabled": True, "url": "https://models.example.com"}}
READS = {"list", "watch"}
REVIEWS = {"tokenreviews", "subjectaccessreviews"}


@pytest.fixture(scope="module")
def page(helm: Helm) -> list[Manifest]:
    return ours(helm.render(PAGE))


def ours(manifests: list[Manifest]) -> list[Manifest]:
    return [one for one in manifests if one["metadata"]["name"].startswith("verdigris-page")]


def rules(manifests: list[Manifest]) -> list[dict[str, Any]]:
    return [rule for kind in ("Role", "ClusterRole") for one in of_kind(manifests, kind) for rule in one["rules"]]


def test_there_is_no_page_by_default(default_manifests: list[Manifest]) -> None:
    assert ours(default_manifests) == []


def test_older_values_have_no_page(helm: Helm) -> None:
    assert ours(helm.render({"page": None})) == []


def test_it_may_read_and_ask_and_nothing_else(page: list[Manifest]) -> None:
    for rule in rules(page):
        if set(rule["resources"]) <= REVIEWS:
            assert rule["verbs"] == ["create"]
        else:
            assert set(rule["verbs"]) <= READS
            assert "resourceNames" not in rule
    read = {resource for rule in rules(page) for resource in rule["resources"]} - REVIEWS
    assert read == {"modeldeployments", "rolloutdecisions", "pods", "services", "deployments"}


def test_nobody_but_its_own_account_has_these_rights_and_it_has_no_others(helm: Helm) -> None:
    manifests = helm.render(PAGE)
    own = {"kind": "ServiceAccount", "name": "verdigris-page", "namespace": NAMESPACE}
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for one in of_kind(manifests, kind):
            of_page = one["roleRef"]["name"].startswith("verdigris-page")
            assert (own in one["subjects"]) == of_page
            assert not of_page or one["subjects"] == [own]


def test_limited_to_namespaces_it_reads_in_these_alone(helm: Helm) -> None:
    manifests = ours(helm.render({**PAGE, "watchNamespaces": ["clinic", "lab"]}))
    assert [one["metadata"]["namespace"] for one in of_kind(manifests, "Role")] == ["clinic", "lab"]
    everywhere = rules(of_kind(manifests, "ClusterRole"))
    assert {resource for rule in everywhere for resource in rule["resources"]} == REVIEWS


def test_its_pod_is_as_restricted_as_the_operators(page: list[Manifest]) -> None:
    ((_, spec),) = pod_specs(page)
    (container,) = spec["containers"]
    assert (spec["securityContext"]["runAsNonRoot"], spec["serviceAccountName"]) == (True, "verdigris-page")
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["command"] == ["python3", "-m", "verdigris.web.incluster"]


def test_it_understands_what_it_is_told(helm: Helm) -> None:
    values = {**PAGE, "watchNamespaces": ["clinic"], "prometheus": {"matchers": {"cluster": "eu-1"}}}
    ((_, spec),) = pod_specs(ours(helm.render(values)))
    settings = from_environment({one["name"]: one["value"] for one in spec["containers"][0]["env"]})
    assert settings.page_url == "https://models.example.com"
    assert settings.namespaces == ("clinic",)
    assert settings.prometheus_matchers == {"cluster": "eu-1"}
    assert settings.port == spec["containers"][0]["ports"][0]["containerPort"]


@pytest.mark.parametrize("url", ["http://models.example.com", "https://a.example/path", "models.example.com"])
def test_tokens_do_not_go_in_clear(helm: Helm, url: str) -> None:
    with pytest.raises(Refused, match="/page/url"):
        helm.render({"page": {"enabled": True, "url": url}})


def test_its_service_and_policy_select_its_pod_and_those_of_the_operator_do_not(helm: Helm) -> None:
    manifests = helm.render({**PAGE, "page": {"enabled": True, "ingressFrom": [{"podSelector": {}}]}})
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in of_kind(manifests, "Deployment")
    }
    for service in of_kind(manifests, "Service"):
        wanted = service["spec"]["selector"].items()
        assert [name for name, labels in pods.items() if wanted <= labels.items()] == [service["metadata"]["name"]]
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(manifests, "NetworkPolicy")}
    assert policies["verdigris-page"]["podSelector"]["matchLabels"].items() <= pods["verdigris-page"].items()
    assert policies["verdigris-page"]["ingress"][0]["from"] == [{"podSelector": {}}]
