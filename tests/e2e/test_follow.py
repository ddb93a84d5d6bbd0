"""`spec.model.follow` on a real cluster: an alias moves in a registry, and the registry says what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from dev.demo.models import Artifact
from tests.e2e.crowd import scenario
from tests.e2e.places import MLFLOW, MLFLOW_PORT, NAMESPACE
from tests.e2e.scene import NAME, Scene, settled, wait_for

EVERY = "10s"


@dataclass
class Registry:
    """The registry of the tests, as the people see it who register the versions of one model there."""

    scene: Scene

    @property
    def model(self) -> str:
        """Its registered name: each scene has one of its own."""
        return self.scene.namespace

    def register(self, artifact: Artifact) -> str:
        """One more version; returns its number."""
        tags = {"verdigris.version": artifact.version, "verdigris.sha256": artifact.sha256}
        stated = [{"key": key, "value": value} for key, value in tags.items()]
        made = self._post("model-versions/create", {"source": artifact.uri, "tags": stated})
        return str(made["model_version"]["version"])

    def give(self, number: str) -> None:
        """The alias champion to that version."""
        self._post("registered-models/alias", {"alias": "champion", "version": number})

    def serving(self, number: str) -> str | None:
        """What the version's tag says of this model of the scene; None when it has none."""
        where = self._path(f"model-versions/get?name={self.model}&version={number}")
        found = json.loads(self.scene.cluster.kubectl("get", "--raw", where))["model_version"]["tags"]
        tag = f"verdigris.serving.{self.scene.namespace}.{NAME}"
        return next((str(one["value"]) for one in found if one["key"] == tag), None)

    def until_it_says(self, number: str, version: str, *, others: tuple[str, ...]) -> None:
        """Wait until that number is said to serve, and no other is."""

        def told() -> bool:
            says = (self.serving(number) or "").startswith(f"{version} since ")
            return says and all(self.serving(other) is None for other in others)

        wait_for(f"the registry to say that {version} serves", told, within=20, every=0.5)

    def _post(self, call: str, body: dict[str, Any]) -> Any:
        words = ("create", "--raw", self._path(call), "-f", "-")
        return json.loads(self.scene.cluster.kubectl(*words, input=json.dumps({"name": self.model, **body})))

    def _path(self, call: str) -> str:
        return f"/api/v1/namespaces/{NAMESPACE}/pods/mlflow:{MLFLOW_PORT}/proxy/api/2.0/mlflow/{call}"


@scenario
def test_a_moved_alias_is_rolled_out_by_itself_and_back_and_a_rollback_is_told_to_the_registry(scene: Scene) -> None:
    registry = Registry(scene)
    first, second = scene.stock.artifact("1.0.0"), scene.stock.artifact("1.1.0")
    one, two = registry.register(first), registry.register(second)
    registry.give(one)
    follows = {
        "model": {"follow": {"alias": "champion", "every": EVERY, "report": True}},
        "serving": {"env": [{"name": "MLFLOW_TRACKING_URI", "value": MLFLOW}]},
    }
    scene.given_active(replace(first, uri=f"models:/{registry.model}/{one}"), **follows)
    registry.until_it_says(one, "1.0.0", others=(two,))
    generation = scene.generation()

    registry.give(two)
    moved = scene.until("1.1.0 to be rolled out by itself", settled("1.1.0"))
    assert (moved["followed"]["number"], moved["active"]["sha256"]) == (two, second.sha256)
    registry.until_it_says(two, "1.1.0", others=(one,))
    assert scene.condition("Reported")["reason"] == "Reported"

    registry.give(one)
    scene.until("1.0.0 to be back with the alias", settled("1.0.0"))
    registry.until_it_says(one, "1.0.0", others=(two,))

    registry.give(two)
    again = scene.until("1.1.0 again", settled("1.1.0"))
    scene.decide("rollback", again["active"]["revision"])
    back = scene.until("1.0.0 by a person's word", settled("1.0.0"))
    registry.until_it_says(one, "1.0.0", others=(two,))
    assert back["followed"]["number"] == two, "the alias is where people have put it"
    assert scene.generation() == generation, "nobody has written the spec"
    scene.event("AliasMoved", f"(number {two})")
