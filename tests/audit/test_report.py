"""The report of a period: what it tells is what happened, and it is a page that needs nothing else."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.audit.logs import NOW, SIGNER
from tests.audit.test_facts import MODEL, abort, promotion, refused_gate, rollback
from tests.audit.test_merkle import led_to
from verdigris.adapters.audit.folder import read
from verdigris.adapters.audit.log import Log
from verdigris.audit.event import Entry, What, entry_of, gap, operator_started
from verdigris.audit.facts import changes, removed
from verdigris.audit.merkle import leaf_hash, root
from verdigris.auditor.main import main
from verdigris.auditor.report import story
from verdigris.auditor.report.page import Source, as_html

Capture = pytest.CaptureFixture[str]


def told() -> list[Entry]:
    """Four models, each with a history of its own, and an operator that could not write for a while."""
    found = [operator_started("1.2.3", "operator-1", NOW)]
    for name, scenario in (("good", promotion), ("bad", rollback), ("stopped", abort), ("unfit", refused_gate)):
        statuses, world = scenario()
        model = replace(MODEL, name=name, uid=f"uid-{name}")
        found += changes(None, statuses[0], model, world.now)
        for before, after in pairwise(statuses):
            found += changes(before, after, model, world.now)
        if name == "stopped":
            found.append(removed(statuses[-1], model, world.now))
    return [*found, gap(3, found[-1].at, "operator-1", 0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    (path / "audit.pub").write_text(f"{SIGNER.verifier}\n")
    log = Log.open(path / "log", SIGNER, lambda: NOW)
    log.append([entry.dump() for entry in told()])
    log.close()
    return path


def report(folder: Path, capsys: Capture, *more: str) -> str:
    capsys.readouterr()
    assert main(["report", str(folder / "log"), "--key", str(folder / "audit.pub"), *more]) == 0
    return capsys.readouterr().out


def model(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in document["models"] if one["subject"] == f"clinic/{name}"]
    return dict(found)


@pytest.fixture
def document(folder: Path, capsys: Capture) -> dict[str, Any]:
    return dict(json.loads(report(folder, capsys, "-o", "json")))


def test_each_version_that_served_is_told_with_its_time_its_yes_and_its_gates(document: dict[str, Any]) -> None:
    first, second = model(document, "good")["served"]
    assert (first["began"]["data"]["version"], first["until"]) == ("1.0.0", second["began"]["at"])
    assert (second["began"]["data"]["version"], second["until"]) == ("1.1.0", None)
    assert [(yes["data"]["by"], yes["data"]["reason"]) for yes in second["approvals"]] == [
        ("alice", "the board has seen it")
    ]
    assert [(gate["data"]["gate"], gate["data"]["checks"][0]["value"]) for gate in second["gates"]] == [
        ("Quality", 0.83),
        ("Fairness", 0.83),
    ]
    assert [share["data"]["share"] for share in second["shares"]] == [10.0, 100.0, 100]
    assert second["limits"]["data"]["policy"]["analysis"]["errorRate"]["factor"] == 2.0
    assert (first["approvals"], first["gates"]) == ([], [])


def test_a_version_that_was_taken_back_is_told_with_what_it_was_taken_back_for(document: dict[str, Any]) -> None:
    bad = model(document, "bad")
    ((back, restored),) = bad["rollbacks"]
    assert (back["data"]["from"], back["data"]["reason"]) == ("1.1.0", "ErrorRateDoubled")
    assert back["data"]["evidence"]["candidate"]["errors"] > 10
    assert restored["data"]["seconds"] >= 0
    assert [one["began"]["data"]["version"] for one in bad["served"]] == ["1.0.0"]


def test_what_did_not_get_through_is_told_with_the_gate_that_refused_it(document: dict[str, Any]) -> None:
    (refused,) = model(document, "unfit")["refused"]
    assert refused["ended"]["data"]["reason"] == "QualityGateFailed"
    assert [gate["data"]["verdict"] for gate in refused["gates"]] == ["Fail"]


def test_a_model_that_was_deleted_served_until_then(document: dict[str, Any]) -> None:
    stopped = model(document, "stopped")
    assert stopped["deleted"]["at"] == stopped["served"][-1]["until"]
    assert [(made["data"]["by"], made["data"]["verb"]) for made in stopped["decisions"]] == [("bob", "abort")]


def test_every_line_has_a_proof_that_leads_to_the_signed_root(folder: Path, document: dict[str, Any]) -> None:
    lines = read(folder / "log").lines
    leaves = [leaf_hash(line) for line in lines]
    proofs = {int(number): path for number, path in document["log"]["proofs"].items()}
    named = {int(number) for number in re.findall(r'"entry": (\d+)', json.dumps(document))}
    assert named == proofs.keys()
    for number, path in proofs.items():
        steps = [base64.b64decode(step) for step in path]
        assert led_to(leaves[number], number, len(lines), steps) == root(leaves)
    assert base64.b64encode(root(leaves)).decode() in document["log"]["checkpoint"]


def test_a_period_has_what_served_as_it_began_and_nothing_that_came_after(folder: Path, capsys: Capture) -> None:
    statuses, _ = promotion()
    middle = statuses[len(statuses) // 2].rollout
    assert middle is not None
    at = ["--from", middle.started_at.isoformat(), "-o", "json"]
    later = json.loads(report(folder, capsys, *at))
    assert [one["began"]["data"]["version"] for one in model(later, "good")["served"]] == ["1.0.0", "1.1.0"]
    earlier = json.loads(report(folder, capsys, "--to", middle.started_at.isoformat(), "-o", "json"))
    assert [one["began"]["data"]["version"] for one in model(earlier, "good")["served"]] == ["1.0.0"]
    nothing = json.loads(report(folder, capsys, "--to", "2020-01-01", "-o", "json"))
    assert nothing["models"] == []


def test_one_model_can_be_asked_for(folder: Path, capsys: Capture) -> None:
    alone = json.loads(report(folder, capsys, "--model", "clinic/bad", "-o", "json"))
    assert [one["subject"] for one in alone["models"]] == ["clinic/bad"]
    assert [one["data"]["dropped"] for one in alone["gaps"]] == [3]


def test_the_page_needs_no_script_and_no_other_host_and_prints(folder: Path, capsys: Capture) -> None:
    page = report(folder, capsys)
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert not re.findall(r"https?://", page)
    assert "@media print" in page
    assert set(re.findall(r'href="#(entry-\d+)"', page)) == set(re.findall(r'id="(entry-\d+)"', page))
    for words in ("the board has seen it", "ErrorRateDoubled", "QualityGateFailed", "40+", "3 entries found no room"):
        assert words in page


def test_what_people_write_is_text_on_the_page(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "audit.pub").write_text(f"{SIGNER.verifier}\n")
    log = Log.open(tmp_path / "log", SIGNER, lambda: NOW)
    decision = next(entry for entry in told() if entry.what == "decision")
    log.append([replace(decision, data={**decision.data, "reason": "<img src=x>"}).dump()])
    log.close()
    page = report(tmp_path, capsys)
    assert "&lt;img src=x&gt;" in page
    assert "<img" not in page


def test_a_log_without_entries_has_a_report_that_says_so(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "audit.pub").write_text(f"{SIGNER.verifier}\n")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "checkpoints").touch()
    assert "Nothing is recorded of this time." in report(tmp_path, capsys)


def test_a_rollback_that_was_never_restored_does_not_take_a_later_one_s() -> None:
    whats: list[tuple[What, float | None]] = [("rolledback", None), ("rolledback", None), ("restored", 1.5)]
    found = [
        entry_of(MODEL, what, (what, str(at)), NOW + timedelta(minutes=at), data={"to": "1.0.0", "seconds": seconds})
        for at, (what, seconds) in enumerate(whats)
    ]
    events = [{**entry.dump(), "sequence": f"{number:012d}"} for number, entry in enumerate(found)]
    (told_of,) = story.of(events, None, None).models
    assert [(back.entry, restored and restored.entry) for back, restored in told_of.rollbacks] == [(0, None), (1, 2)]


def test_an_alias_that_moved_is_told() -> None:
    data = {"model": "diabetes", "alias": "champion", "number": "2", "version": "1.1.0", "sha256": "c" * 64}
    move = {**entry_of(MODEL, "moved", ("moved",), NOW, data=data).dump(), "sequence": "000000000000"}
    whole = story.of([move], None, None)
    assert [line.data["number"] for line in whole.models[0].moves] == ["2"]
    assert whole.numbers == [0], "it has its proof"
    assert "diabetes@champion" in as_html(whole, Source("key", 1, "checkpoint", {}))
