"""The faults that `make mutate` puts in, and that they are really in."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

from dev.mutation.applying import apply, function_of, module_of, watch
from dev.mutation.mutants import mutants_of, mutated
from verdigris.core import turn
from verdigris.core.judges import errors, power, score, visibility
from verdigris.core.steps import watching

ROOT = Path(__file__).resolve().parents[2]
SCORE = Path("operator/verdigris/core/judges/score.py")
SOURCE = '''
"""Text 1."""
LIMIT = 3
NAMED = other

class Box:
    size: int = 0

    def full(self, count: int = 4) -> bool:
        """Text 2."""
        if self.open:
            raise ValueError(f"{1 + 2} is too much")
        return count >= LIMIT and not self.shut
'''


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "box.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_each_decision_gets_its_faults_and_no_text_or_annotation_does(source: Path) -> None:
    assert [(one.place, one.what) for one in mutants_of(source)] == [
        ("LIMIT", "3 -> 4"),
        ("Box.full", "if self.open: -> if not self.open:"),
        ("Box.full", "return count >= LIMIT and (not self.shut) -> return None"),
        ("Box.full", "count >= LIMIT and (not self.shut) -> count >= LIMIT or not self.shut"),
        ("Box.full", "count >= LIMIT -> count > LIMIT"),
        ("Box.full", "count >= LIMIT -> count < LIMIT"),
        ("Box.full", "not self.shut -> self.shut"),
    ]


def test_a_mutant_differs_in_one_place(source: Path) -> None:
    before = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants_of(source):
        after = ast.unparse(mutated(mutant)).splitlines()
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1, mutant


def test_a_loaded_function_does_what_its_mutant_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code, right = score.start_weight.__code__, score.start_weight(1, 300)
    mutant = next(one for one in mutants_of(SCORE) if one.what == "epoch == 0 -> epoch != 0")
    try:
        apply(mutant)
        with pytest.raises(ZeroDivisionError):
            score.start_weight(1, 300)
    finally:
        score.start_weight.__code__ = code
    assert score.start_weight(1, 300) == right


def test_a_constant_is_another_wherever_it_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = mutants_of(SCORE.with_name("visibility.py"))
    mutant = next(one for one in found if one.place == "VISIBLE_SCRAPES")
    # Whoever has it by now gets it back afterwards: other tests run in this process.
    for module in [one for one in list(sys.modules.values()) if hasattr(one, "VISIBLE_SCRAPES")]:
        monkeypatch.setattr(module, "VISIBLE_SCRAPES", visibility.VISIBLE_SCRAPES)
    apply(mutant)
    assert (visibility.VISIBLE_SCRAPES, watching.VISIBLE_SCRAPES) == (4, 4)


def test_a_file_that_is_watched_tells_which_of_its_functions_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    functions = [one for one in vars(score).values() if isinstance(one, FunctionType)]
    for function in functions:
        monkeypatch.setattr(function, "__code__", function.__code__)
    reached: set[tuple[str, str]] = set()
    watch(str(SCORE), reached)
    assert score.combined(()) == 0.0
    assert score.start_weight(1, 300) == 1.0
    assert reached == {(str(SCORE), "combined"), (str(SCORE), "start_weight")}


def test_a_function_is_found_behind_its_decorators() -> None:
    assert function_of(power, "detectable").__name__ == "detectable"
    assert function_of(turn, "Turn.rollout").__name__ == "rollout"
    assert function_of(errors, "counted") is errors.counted
    assert module_of("operator/verdigris/core/turn.py") == turn.__name__


def test_tests_that_look_at_a_file_notice_its_faults(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    command = [sys.executable, "-m", "dev.mutation", "--target", "judges", "--only", "score.py", "--sample", "6"]
    ran = subprocess.run(
        [*command, "--out", str(out), "tests/judge/test_score.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(out.read_text())
    assert (ran.returncode, report["noticed"]) == (0, 1.0), ran.stdout + ran.stderr
