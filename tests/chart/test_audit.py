"""The audit log in the chart: off unless asked for, and the least that it needs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import Helm, Manifest, Refused, of_kind, only
from tests.chart.test_rbac import roles
from tests.chart.test_render import environment

ON: dict[str, Any] = {"audit": {"enabled": True}}


@pytest.fixture(scope="module")
def audited(helm: Helm) -> list[Manifest]:
    return helm.render(ON)


def pod(manifests: list[Manifest]) -> dict[str, Any]:
    return dict(only(manifests, "Deployment")["spec"]["template"]["spec"])


def test_it_is_off_unless_it_is_asked_for(default_manifests: list[Manifest]) -> None:
    assert not of_kind(default_manifests, "PersistentVolumeClaim") + of_kind(default_manifests, "ConfigMap")
    assert "VERDIGRIS_AUDIT_FOLDER" not in environment(default_manifests)
    assert "fsGroup" not in pod(default_manifests)["securityContext"]


def test_the_operator_may_read_and_patch_its_spool_and_no_other_configmap(audited: list[Manifest]) -> None:
    rules = [
        (role["kind"], rule)
        for role in roles(audited)
        for rule in role["rules"]
        if {"configmaps", "secrets", "persistentvolumeclaims"} & set(rule["resources"])
        and not role["metadata"]["name"].endswith(("-view", "-edit"))
    ]
    (rule,) = rules
    spool = of_kind(audited, "ConfigMap")[0]["metadata"]["name"]
    only_spool = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [spool], "verbs": ["get", "patch"]}
    assert rule == ("Role", only_spool)
    assert environment(audited)["VERDIGRIS_AUDIT_SPOOL"] == spool


def test_log_and_key_are_mounted_where_the_operator_looks_and_no_missing_key_holds_it(audited: list[Manifest]) -> None:
    (container,) = pod(audited)["containers"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod(audited)["volumes"]}
    told = environment(audited)
    assert told["VERDIGRIS_AUDIT_FOLDER"].startswith(f"{mounts['audit-log']['mountPath']}/")
    assert told["VERDIGRIS_AUDIT_KEY"] == f"{mounts['audit-key']['mountPath']}/audit.key"
    assert mounts["audit-key"]["readOnly"]
    assert volumes["audit-key"]["secret"]["optional"]
    claim = only(audited, "PersistentVolumeClaim")
    assert volumes["audit-log"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert pod(audited)["securityContext"]["fsGroup"] == 65532


def test_a_claim_of_ones_own_is_used(helm: Helm) -> None:
    made = helm.render({"audit": {"enabled": True, "volume": {"existingClaim": "wide"}}})
    assert not of_kind(made, "PersistentVolumeClaim")
    assert {"name": "audit-log", "persistentVolumeClaim": {"claimName": "wide"}} in pod(made)["volumes"]


@pytest.mark.parametrize("mode", ["ReadWriteOnce", "ReadWriteOncePod"])
def test_a_volume_of_one_node_wants_one_replica_which_makes_way_before_the_next(helm: Helm, mode: str) -> None:
    values = {"audit": {"enabled": True, "volume": {"accessMode": mode}}}
    with pytest.raises(Refused, match="set replicas to 1, or give a volume that is ReadWriteMany"):
        helm.render(values)
    made = helm.render({**values, "replicas": 1})
    assert only(made, "Deployment")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_older_values_without_an_audit_log_are_taken(helm: Helm) -> None:
    assert not of_kind(helm.render({"audit": None}), "PersistentVolumeClaim")
