"""An alert on a real cluster: by the model's own PrometheusRule, through the cluster's Prometheus."""

from __future__ import annotations

from typing import Any

from dev.faults import processes
from tests.e2e.alerting import Firing, of_cluster
from tests.e2e.crowd import scenario
from tests.e2e.scene import NAME, Scene, wait_for

RULE = {"enabled": True, "downtime": {"after": "0s"}}


def alerted(**rule: Any) -> dict[str, Any]:
    return {"monitoring": {"serviceMonitor": {"interval": "1s"}, "prometheusRule": rule}}


@scenario
def test_a_model_that_is_down_is_told_by_prometheus_until_it_is_back(scene: Scene) -> None:
    prometheus, down = of_cluster(scene.cluster), Firing("VerdigrisModelDown", "critical", scene.namespace)
    scene.given_active("1.0.0", **alerted(**RULE))
    prometheus.until_loaded(scene.namespace)
    pods = scene.kube.list("pods", f"verdigris.dev/model={NAME}")
    up = f'up{{namespace="{scene.namespace}",model="{NAME}"}} == 1'
    wait_for("the pod to be scraped", lambda: bool(prometheus.values(up)), within=60, every=0.5)
    with processes.frozen(pid for pod in pods for pid in processes.of_pod(pod)):
        wait_for("the alert to fire", lambda: down in prometheus.firing(), within=60, every=0.5)
    wait_for("the alert to be over", lambda: down not in prometheus.firing(), within=60, every=0.5)
    scene.patch({"spec": alerted(enabled=False)})
    wait_for("the PrometheusRule to go", lambda: scene.kube.get("prometheusrule", NAME) is None, within=30, every=0.5)
