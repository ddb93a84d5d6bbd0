"""`lint`: by the models of the CRD where they are installed, else by the API server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.stage import Stage

GOOD = """\
apiVersion: verdigris.dev/v1alpha1
kind: ModelDeployment
metadata: {name: diabetes}
spec:
  model: {version: 1.0.0, uri: https://models.example.com/d.vmodel, allowUnverified: true}
  serving: {resources: {requests: {cpu: 100m}}}
"""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CASES = [
    ("strategy: Green", "spec.rollout.strategy", "BlueGreen"),
    ("bake: soon", "spec.rollout.bake", "must be a duration"),
    ("bakes: 5m", "spec.rollout.bakes", "is no field of this version"),
    ("strategy: Recreate", "spec.rollout", "allowDowntime: true"),
]


def manifest(rollout: str) -> str:
    return f"{GOOD}  rollout: {{{rollout}}}\n"


@pytest.mark.parametrize(("rollout", "path", "told"), CASES)
def test_each_fault_is_told_with_its_path_and_what_to_do(
    stage: Stage, tmp_path: Path, rollout: str, path: str, told: str
) -> None:
    (tmp_path / "m.yaml").write_text(manifest(rollout))
    code, out, err = stage.run("lint", "-f", str(tmp_path / "m.yaml"))
    assert code == 1
    assert f"m.yaml: ModelDeployment diabetes: {path}" in out
    assert told in out
    assert "checked by the models of the CRD (offline)" in err
    assert stage.calls() == []


def test_what_is_right_has_no_fault(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(GOOD))
    code, out, err = stage.run("lint", "-f", "-")
    assert (code, out) == (0, "")
    assert err.startswith("1 object in 1 file, 0 faults")


class _Stdin:
    def __init__(self, text: str) -> None:
        self.read = lambda: text


def test_every_example_of_this_repository_is_right(stage: Stage) -> None:
    code, out, err = stage.run("lint", "-f", str(EXAMPLES))
    assert (code, out) == (0, "")
    assert int(err.split()[0]) > 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "it is no YAML"),
        (GOOD.replace("v1alpha1", "v9"), "write verdigris.dev/v1alpha1"),
        (GOOD.replace("name: diabetes", "name: Diabetes_1"), "metadata.name"),
        (GOOD.partition("spec:")[0] + "spec: 7\n", "must be an object"),
        (f"kind: List\nitems:\n- {GOOD.replace(chr(10), chr(10) + '  ').replace('1.0.0', 'one')}", "semantic version"),
    ],
)
def test_what_is_no_manifest_of_ours_is_told_so(stage: Stage, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    code, out, _ = stage.run("lint", "-f", str(tmp_path / "m.yaml"))
    assert (code, told in out) == (1, True)


def test_a_folder_without_manifests_and_a_file_that_is_not_there_are_errors(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no manifest" in stage.run("lint", "-f", str(tmp_path / "empty"))[2]
    assert "cannot be read" in stage.run("lint", "-f", str(tmp_path / "nothing.yaml"))[2]


def test_without_the_models_the_api_server_is_asked(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "verdigris.cli.offline", None)
    monkeypatch.delattr("verdigris.cli.offline", raising=False)
    (tmp_path / "good.yaml").write_text(GOOD)
    code, _, err = stage.run("lint", "-f", str(tmp_path / "good.yaml"))
    assert (code, "checked by the API server (kubectl apply --dry-run=server)" in err) == (0, True)
    (tmp_path / "bad.yaml").write_text(manifest("strategy: Green"))
    code, out, _ = stage.run("lint", "-f", str(tmp_path / "bad.yaml"))
    assert (code, 'Unsupported value: "Green"' in out) == (1, True)
    stage.holds("away", True)
    assert "Check the context" in stage.run("lint", "-f", str(tmp_path / "good.yaml"))[2]
