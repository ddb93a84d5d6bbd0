"""One version through dev, staging and production on a real cluster, by the policies of examples/environments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene, Status, active, settled

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "environments"
ENVIRONMENTS = ("dev", "staging", "production")


def apply(name: str, scenes: Mapping[str, Scene]) -> None:
    """The objects of a file there, in the namespaces of these scenes instead of those of the example."""
    for one in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")):
        if one["kind"] == "Namespace":
            continue
        for subject in one.get("subjects", ()):
            group, _, space = subject["name"].rpartition(":")
            subject["name"] = f"{group}:{scenes[space].namespace}"
        scenes[one["metadata"].pop("namespace")].kube.apply(one)


def source(namespace: str, healthy_for: str) -> dict[str, Any]:
    steps = [{"from": {"namespace": namespace, "healthyFor": healthy_for}}]
    return {"rollout": {"steps": steps, "onInconclusive": "Hold"}}


def says(reason: str) -> Callable[[Status], bool]:
    """Whether the step under way has found this of the environment before."""

    def so(status: Status) -> bool:
        steps = (status.get("rollout") or {}).get("steps", ())
        return any((step.get("source") or {}).get("reason") == reason for step in steps)

    return so


@scenario
def test_a_version_goes_from_dev_to_production_and_one_that_never_served_there_does_not(scene: Scene) -> None:
    with ExitStack() as stack:
        scenes = {
            name: stack.enter_context(Scene(scene.cluster, scene.api, scene.stock, f"{scene.namespace}-{name}"))
            for name in ENVIRONMENTS
        }
        dev, staging, production = scenes.values()
        apply("namespaces.yaml", scenes)
        staging.apply("1.1.0", **source(dev.namespace, "2s"))
        production.apply("1.1.0", **source(staging.namespace, "3s"))
        dev.given_active("1.1.0")
        refused = staging.until("it to be refused", says("SourceNotAllowed"))
        assert dev.namespace in refused["rollout"]["message"]
        apply("consent.yaml", scenes)
        tested = staging.until("1.1.0 to serve in staging", settled("1.1.0"))
        served = production.until("1.1.0 to serve in production", settled("1.1.0"))
        assert served["active"]["sha256"] == tested["active"]["sha256"]
        assert served["active"]["since"] > tested["active"]["since"]
        production.event("GatePassed", staging.namespace, "healthy")
        production.apply("1.2.0", **source(staging.namespace, "3s"))
        production.until("1.2.0 to be told to wait", says("SourceServesOther"))
        assert active(production.status()) == "1.1.0"
