"""Webhooks in the chart: a Secret that says who is told, mounted where the operator looks."""

from __future__ import annotations

from tests.chart.helm import Helm, Manifest
from tests.chart.test_audit import pod
from tests.chart.test_render import environment


def test_nobody_is_told_unless_a_secret_says_who(default_manifests: list[Manifest]) -> None:
    assert "VERDIGRIS_WEBHOOKS" not in environment(default_manifests)
    assert "webhooks" not in {volume["name"] for volume in pod(default_manifests)["volumes"]}


def test_the_secret_is_mounted_where_the_operator_looks_and_may_be_missing(helm: Helm) -> None:
    made = helm.render({"webhooks": {"secretName": "who-is-told"}})
    (container,) = pod(made)["containers"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod(made)["volumes"]}
    assert environment(made)["VERDIGRIS_WEBHOOKS"] == f"{mounts['webhooks']['mountPath']}/webhooks.yaml"
    assert mounts["webhooks"]["readOnly"]
    assert volumes["webhooks"]["secret"] == {"secretName": "who-is-told", "optional": True}
