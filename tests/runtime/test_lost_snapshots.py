"""Somebody deletes the ControllerRevisions of a model: what runs stays as it is, and is kept again (law 7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.samples import DEFAULTS, OWNER, spec
from tests.runtime.baking import bakes
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.observe import observe
from verdigris.children import controller_revision, deployment, pod_template
from verdigris.children.names import MODEL_LABEL, REVISION_LABEL, Defaults

COLORED = ("diabetes-blue", "diabetes-green")


def snapshots(stage: Stage) -> dict[str, Any]:
    return {name: raw["data"] for (kind, _, name), raw in stage.api.objects.items() if kind == "ControllerRevision"}


def templates(stage: Stage) -> list[Any]:
    found = (stage.api.objects.get(("Deployment", KEY.namespace, name)) for name in COLORED)
    return [raw["spec"]["template"] for raw in found if raw is not None]


def upgraded(stage: Stage) -> None:
    """Another operator has another image in mind for new pods."""
    stage.reconciler._defaults = Defaults("verdigris/serving:9.9.9", "http://prometheus")


def lose(stage: Stage) -> None:
    for ref in [ref for ref in stage.api.objects if ref[0] == "ControllerRevision"]:
        del stage.api.objects[ref]


@pytest.mark.parametrize("reached", [settled, bakes], ids=["steady", "in a bake"])
async def test_an_upgrade_touches_no_pod_and_what_runs_is_kept_again(reached: Any) -> None:
    stage = Stage()
    await reached(stage)
    kept, run = snapshots(stage), templates(stage)
    upgraded(stage)
    lose(stage)
    await stage.reconcile()
    assert templates(stage) == run
    assert snapshots(stage) == kept


@pytest.mark.parametrize("labels", [[REVISION_LABEL], [REVISION_LABEL, MODEL_LABEL]], ids=["one", "all"])
@pytest.mark.parametrize("reached", [settled, bakes], ids=["steady", "in a bake"])
async def test_one_that_lost_its_labels_is_no_lost_one_and_gets_them_back(reached: Any, labels: list[str]) -> None:
    """Nothing else may be written of it: the API server refuses any other data for good."""
    stage = Stage()
    await reached(stage)
    upgraded(stage)
    kept = snapshots(stage)
    for (kind, _, name), raw in stage.api.objects.items():
        if kind == "ControllerRevision":
            for label in labels:
                del raw["metadata"]["labels"][label]
            stage.api.put({**raw})
        elif kind == "Deployment" and name in COLORED:
            raw["spec"]["template"]["spec"] |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}
    await stage.reconcile(2)
    assert snapshots(stage) == kept
    found = [
        raw["metadata"]["labels"] for (kind, _, _), raw in stage.api.objects.items() if kind == "ControllerRevision"
    ]
    assert all(label in one for one in found for label in labels)


async def test_one_that_somebody_has_tampered_with_is_not_taken_for_lost() -> None:
    stage = Stage()
    await settled(stage)
    for (kind, _, _), raw in stage.api.objects.items():
        if kind == "ControllerRevision":
            raw["data"] = {"version": 1}
    picture = await observe(stage.api, KEY, DEFAULTS)
    assert picture
    assert picture.observed.deployments
    assert picture.observed.snapshots == {}


@pytest.mark.parametrize("uri", ["https://models.example.com/d.vmodel", "pvc://models/a/d.vmodel"])
def test_what_is_read_back_is_what_was_kept(uri: str) -> None:
    asked = spec({"model": {"version": "1.0.0", "uri": uri, "sha256": "a" * 64, "format": "linear"}})
    template = pod_template.build(OWNER, asked, "v1-1", DEFAULTS)
    back = controller_revision.of_running(deployment.build(OWNER, "green", template, "v1-1"))
    assert back
    assert (back.revision, back.version, back.sha256, back.uri) == ("v1-1", "1.0.0", "a" * 64, uri)
    assert back.pod_template == template


@pytest.mark.parametrize("template", [None, {}, {"metadata": {"labels": {}}, "spec": {"containers": []}}])
def test_of_what_nobody_built_nothing_is_read_back(template: Any) -> None:
    assert controller_revision.of_running({"spec": {"template": template}}) is None
