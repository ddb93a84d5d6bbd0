"""What Argo CD and Flux make of a model's status: a rollout is in progress, a rejected version has failed."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaRuntime

REPOSITORY = Path(__file__).parents[2]
RECORDED = REPOSITORY / "tests" / "cli" / "recorded"
Object = dict[str, Any]


def recorded(name: str) -> Object:
    """A ModelDeployment as it was in a recorded scene."""
    return dict(json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["model"])


def edited(name: str, change: Callable[[Object], Any]) -> Object:
    """The same, changed."""
    model = copy.deepcopy(recorded(name))
    change(model)
    return model


CASES: Mapping[str, tuple[Object, str, str]] = {
    "a version that serves": (recorded("healthy"), "Healthy", "Current"),
    "a version that was promoted": (recorded("promoted"), "Healthy", "Current"),
    "a version on trial": (recorded("on_trial"), "Progressing", "InProgress"),
    "a version on trial of which nothing is seen": (recorded("blind"), "Progressing", "InProgress"),
    "a version that waits for an approval": (recorded("waiting"), "Progressing", "InProgress"),
    "a version that was rejected": (recorded("rejected"), "Degraded", "Failed"),
    "a spec that nobody has seen yet": (
        edited("healthy", lambda model: model["metadata"].update(generation=99)),
        "Progressing",
        "InProgress",
    ),
    "a model without a status": (edited("healthy", lambda model: model.pop("status")), "Progressing", "Current"),
}
"""What Argo CD is to say of each, and what kstatus says, by which Flux and `kpt` go.

Without any status kstatus takes an object for current: the operator writes one within a second.
"""


def health(model: Object) -> tuple[str, str]:
    """Status and message by the script that docs/alerts.md has for Argo CD (which runs Lua 5.1)."""
    page = (REPOSITORY / "docs" / "alerts.md").read_text(encoding="utf-8")
    (config,) = (text for text in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL) if "local hs" in text)
    ((_, script),) = yaml.safe_load(config)["data"].items()
    lua = LuaRuntime()
    lua.globals().obj = lua.table_from(model, recursive=True)
    answer = lua.execute(script)
    return answer["status"], answer["message"]


def kstatus(model: Object) -> str:
    """What sigs.k8s.io/cli-utils/pkg/kstatus says of a kind that it has no rules of its own for."""
    meta, status = model["metadata"], model.get("status", {})
    if "deletionTimestamp" in meta:
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != meta["generation"]:
        return "InProgress"
    conditions = status.get("conditions", ())
    for condition in conditions:
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    ready = next((condition["status"] for condition in conditions if condition["type"] == "Ready"), "True")
    return "Current" if ready == "True" else "InProgress"


@pytest.mark.parametrize(("model", "argo", "_"), CASES.values(), ids=CASES.keys())
def test_what_argo_cd_says(model: Object, argo: str, _: str) -> None:
    status, message = health(model)
    assert status == argo
    assert message


@pytest.mark.parametrize(("model", "_", "flux"), CASES.values(), ids=CASES.keys())
def test_what_flux_says(model: Object, _: str, flux: str) -> None:
    assert kstatus(model) == flux


def test_a_rejection_is_told_in_the_operators_words() -> None:
    assert "was rejected" in health(recorded("rejected"))[1]


def test_a_pause_is_a_suspension_for_argo_cd() -> None:
    def pause(model: Object) -> None:
        model["spec"]["paused"] = True

    assert health(edited("on_trial", pause))[0] == "Suspended"
    assert health(edited("healthy", pause))[0] == "Healthy", "nothing is held"
