"""The statuses that were seen last: each change is told once, to everybody."""

from __future__ import annotations

import pytest

from verdigris.adapters.kube.reading.port import Key
from verdigris.api.status import ModelDeploymentStatus
from verdigris.app.statuses import Statuses
from verdigris.audit.model import Model

KEY = Key("clinic", "diabetes")
OLD, NEW = ModelDeploymentStatus(), ModelDeploymentStatus(observed_generation=2)
Told = tuple[str, ModelDeploymentStatus | None, ModelDeploymentStatus | None]


class Heard:
    def __init__(self) -> None:
        self.changes: list[Told] = []

    def changed(self, model: Model, before: ModelDeploymentStatus | None, after: ModelDeploymentStatus | None) -> None:
        self.changes.append((model.uid, before, after))


class Broken(Heard):
    def changed(self, model: Model, before: ModelDeploymentStatus | None, after: ModelDeploymentStatus | None) -> None:
        super().changed(model, before, after)
        raise RuntimeError("a bug")


def test_each_change_is_told_once_and_a_model_that_was_made_anew_was_deleted_before() -> None:
    heard, models = Heard(), Statuses()
    models.follow(heard)
    for status in (OLD, OLD, NEW):
        models.saw(KEY, "one", status)
    models.saw(KEY, "two", NEW)
    models.gone(KEY)
    models.gone(KEY)
    first = [("one", None, OLD), ("one", OLD, NEW), ("one", NEW, None)]
    assert heard.changes == [*first, ("two", None, NEW), ("two", NEW, None)]
    assert list(models) == []


def test_a_follower_that_fails_keeps_no_other_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    heard, models = Heard(), Statuses()
    models.follow(Broken(), heard)
    models.saw(KEY, "one", OLD)
    models.saw(KEY, "one", NEW)
    assert len(heard.changes) == 2
    assert "a change is lost to Broken. Please report it" in caplog.text
    assert [status for _, status in models] == [NEW]
