"""What `helm test` says when something is wrong; that it passes is seen on a real cluster, in test_install.py."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from tests.chart.helm import CHART

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def smoke(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a world where nothing is wrong but that no operator and no Prometheus listens."""
    spec = importlib.util.spec_from_file_location("smoke", CHART / "files" / "smoke.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("OPERATOR_URL", NOBODY)
    monkeypatch.setenv("VERDIGRIS_NAMESPACES", "clinic,lab")
    monkeypatch.setenv("VERDIGRIS_PROMETHEUS_ADDRESS", NOBODY)
    answer_with(module, monkeypatch, served=["modeldeployments", "rolloutdecisions"], allowed=True)
    return module


def answer_with(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *, served: list[str], allowed: bool) -> None:
    """An API server that serves these resources and allows, or forbids, what it is asked about."""

    def api(path: str, body: Any = None) -> dict[str, Any]:
        assert (body is None) == path.endswith("/v1alpha1")
        return {"resources": [{"name": name} for name in served], "status": {"allowed": allowed}}

    monkeypatch.setattr(module, "api", api)


def test_an_operator_that_does_not_answer_fails_and_all_else_is_still_checked(
    smoke: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke.main() == 1
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(f"failed: the operator does not answer at {NOBODY}/readyz")
    assert "kubectl logs" in first
    assert [line[:3] for line in others] == ["ok:"] * 3


def test_a_silent_prometheus_is_a_note_that_names_the_value_to_set(smoke: ModuleType) -> None:
    said = smoke.prometheus_answers()
    assert said.startswith(f"note: Prometheus does not answer at {NOBODY}/api/v1/query")
    assert said.endswith("set prometheus.address")


def test_a_missing_crd_is_named(smoke: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(smoke, monkeypatch, served=["modeldeployments"], allowed=True)
    with pytest.raises(smoke.Failed, match="does not serve rolloutdecisions: apply the chart's CRDs"):
        smoke.resources_are_served()


def test_a_missing_right_is_told_with_its_namespace(smoke: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(smoke, monkeypatch, served=[], allowed=False)
    with pytest.raises(smoke.Failed, match="may not list modeldeployments in namespace clinic"):
        smoke.operator_may_work()
    monkeypatch.setenv("VERDIGRIS_NAMESPACES", "")
    with pytest.raises(smoke.Failed, match="may not list modeldeployments in all namespaces"):
        smoke.operator_may_work()
