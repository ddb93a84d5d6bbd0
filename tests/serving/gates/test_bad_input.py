"""Whatever a gate is given: the right verdict, one word, a sentence with what to do, and no traceback."""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gates.asking import FEATURES, artifact, ask, table
from tests.serving.gates.test_quality import HEADER, patients

Document = dict[str, Any]
Spoil = Callable[[Document, Path], None]

BAD, LATER, UNDECIDED, FAILED = 2, 11, 11, 10


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A document of the quality gate that passes, as text."""
    folder = tmp_path_factory.mktemp("sound")
    data = {**table(folder / "data.csv", HEADER, patients(300)), "target": "outcome"}
    document = {"model": artifact(folder / "m.vmodel"), "data": data, "thresholds": {"auc": {"min": 0.6}}}
    assert ask("quality", document).code == 0
    return json.dumps(document), folder


def field(path: str, value: Any) -> Spoil:
    """Sets one field; None takes it away."""

    def spoil(document: Document, _folder: Path) -> None:
        *way, last = path.split(".")
        for name in way:
            document = document.setdefault(name, {})
        if value is None:
            document.pop(last)
        else:
            document[last] = value

    return spoil


def data_of(change: Callable[[list[list[Any]]], list[list[Any]]], header: list[str] = HEADER) -> Spoil:
    """Other rows."""

    def spoil(document: Document, folder: Path) -> None:
        rows = change(patients(300))
        document["data"] = {**table(folder / "other.csv", header, rows), "target": "outcome"}

    return spoil


def each(place: int, value: Any) -> Callable[[list[list[Any]]], list[list[Any]]]:
    """The same value in a column of all rows."""
    return lambda rows: [[*row[:place], value, *row[place + 1 :]] for row in rows]


def one(place: int, value: Any) -> Callable[[list[list[Any]]], list[list[Any]]]:
    """A value in a column of row 250."""

    def change(rows: list[list[Any]]) -> list[list[Any]]:
        rows[250][place] = value
        return rows

    return change


def five(rows: list[list[Any]]) -> list[list[Any]]:
    """Rows of both classes, as few as there can be."""
    ill, well = ([row for row in rows if row[3] == truth] for truth in (1, 0))
    return [*ill[:3], *well[:2]]


def bytes_of(content: bytes) -> Spoil:
    """A file that is no table."""

    def spoil(document: Document, folder: Path) -> None:
        document["data"] = {**table(folder / "other.csv", [], []), "target": "outcome"}
        (folder / "other.csv").write_bytes(content)
        document["data"]["sha256"] = hashlib.sha256(content).hexdigest()

    return spoil


def model_of(**changes: Any) -> Spoil:
    """Another model."""

    def spoil(document: Document, folder: Path) -> None:
        document["model"] = artifact(folder / "other.vmodel", **changes)

    return spoil


def versus(metric: str, **changes: Any) -> Spoil:
    """A comparison with another active version."""

    def spoil(document: Document, folder: Path) -> None:
        active = artifact(folder / "active.vmodel", version="0.9.0", **changes)
        document["versusActive"] = {"metric": metric, "margin": 0.01, "active": active}

    return spoil


REGRESSION = {"task": "regression", "classes": [], "threshold": None}
TABLE: list[tuple[str, Spoil, int, str, str]] = [
    ("no data", field("data.uri", "file:///no/such.csv"), BAD, "DataNotFound", "there is no file"),
    ("data of another hash", field("data.sha256", "0" * 64), BAD, "ChecksumMismatch", "data.sha256 is that of another"),
    ("no checksum", field("data.sha256", None), BAD, "ConfigInvalid", "sha256"),
    ("a source of no kind", field("data.uri", "ftp://h/d.csv"), LATER, "DataUnreachable", "data.uri"),
    ("data beyond the limit", field("data.maxBytes", 100), BAD, "DataTooLarge", "larger than 100 bytes"),
    ("no model", field("model.uri", "file:///no.vmodel"), BAD, "ArtifactNotFound", "model.uri"),
    ("a model of another hash", field("model.sha256", "0" * 64), BAD, "ChecksumMismatch", "the model"),
    ("a model of another name", field("model.name", "other"), BAD, "ModelMismatch", 'asks for "other"'),
    ("a missing feature", data_of(lambda rows: [r[1:] for r in rows], HEADER[1:]), BAD, "DataInvalid", '"glucose"'),
    ("a missing target", field("data.target", "truth"), BAD, "DataInvalid", 'no column "truth"'),
    ("no target at all", field("data.target", ""), BAD, "ConfigInvalid", "data.target is empty"),
    ("one class only", data_of(each(3, 1)), BAD, "DataInvalid", "0 rows of class 0"),
    ("a NaN target", data_of(one(3, "NaN")), BAD, "DataInvalid", "row 250: the target is missing"),
    ("an empty target", data_of(one(3, "")), BAD, "DataInvalid", "row 250: the target is missing"),
    ("a target of no class", data_of(one(3, 2)), BAD, "DataInvalid", "row 250: the target is none of the model's"),
    ("a target of many values", data_of(each(3, 0.37)), BAD, "DataInvalid", "row 0: the target is none of"),
    ("a feature that is a text", data_of(one(1, "many")), BAD, "DataInvalid", "row 250"),
    ("a feature out of range", data_of(one(1, 9_999)), BAD, "DataInvalid", "A client's request would be refused so"),
    ("a row cut short", data_of(lambda rows: [*rows[:9], rows[9][:2]]), BAD, "DataInvalid", "row 9: 2 cells"),
    ("5 rows", data_of(five), UNDECIDED, "NotDecided", "at least 30 rows are needed"),
    ("no row", data_of(lambda rows: rows[:0]), BAD, "DataInvalid", "no row below its header"),
    ("an empty file", bytes_of(b""), BAD, "DataInvalid", "header"),
    ("a file of zeros", bytes_of(b"\0" * 10_000), BAD, "DataInvalid", "the data"),
    ("a file of no letters", bytes_of(b"\xff\xfe\x00" * 9), BAD, "DataInvalid", "no UTF-8"),
    ("a cell without an end", bytes_of(b'glucose,insulin,age,outcome\n"1'), BAD, "DataInvalid", "no CSV"),
    ("semicolons", bytes_of(b"glucose;insulin;age;outcome\n1;2;3;0\n"), BAD, "DataInvalid", "commas are needed"),
    ("min above max", field("thresholds.auc.max", 0.5), BAD, "ConfigInvalid", "no value is both"),
    ("an AUC beyond 1", field("thresholds.auc.min", 85), BAD, "ConfigInvalid", "lies between 0 and 1"),
    ("a threshold of nothing", field("thresholds.auc", {}), BAD, "ConfigInvalid", "neither min nor max"),
    ("nothing asked for", field("thresholds", {}), BAD, "ConfigInvalid", "asks for nothing"),
    ("a metric of no kind", field("thresholds.gini", {"min": 0}), BAD, "ConfigInvalid", "gini"),
    ("a field of no kind", field("treshold", 1), BAD, "ConfigInvalid", "treshold"),
    ("a confidence of 95", field("confidence", 95), BAD, "ConfigInvalid", "confidence"),
    ("auc of a value", model_of(**REGRESSION), BAD, "MetricUndefined", "ask for mae, r2, rmse"),
    ("r2 of classes", field("thresholds.r2", {"min": 0.5}), BAD, "MetricUndefined", "predicts 2 classes"),
    ("calibration compared", versus("calibration"), BAD, "ConfigInvalid", "compare brier or log_loss"),
    ("another kind of active", versus("auc", classes=[0, 2]), BAD, "NotComparable", "they cannot be compared"),
]


@pytest.mark.parametrize("case", [each[1:] for each in TABLE], ids=[each[0] for each in TABLE])
def test_what_quality_is_given(case: tuple[Spoil, int, str, str], sound: tuple[str, Path], tmp_path: Path) -> None:
    spoil, code, reason, sentence = case
    document = json.loads(sound[0])
    spoil(document, tmp_path)
    answer = ask("quality", document)
    assert answer.told == ("Inconclusive", reason, code)
    assert sentence in answer.result.message
    assert "spec.model" not in answer.result.message, "the fields of this document are meant"


@pytest.mark.parametrize(
    "case",
    [
        ({"disparateImpact": None}, BAD, "ConfigInvalid", "asks for nothing"),
        ({"attributes": []}, BAD, "ConfigInvalid", "attributes"),
        ({"attributes": [{"name": "sex"}]}, BAD, "DataInvalid", 'no column "sex"'),
        ({"attributes": [{"name": "age"}]}, BAD, "DataInvalid", "say in bins"),
        ({"attributes": [{"name": "age", "bins": [50, 30]}]}, BAD, "ConfigInvalid", "bins must ascend"),
        ({"attributes": [{"name": "age"}, {"name": "age"}]}, BAD, "ConfigInvalid", "the same name twice"),
        ({"attributes": [{"name": "one"}]}, UNDECIDED, "NotDecided", "one group only"),
        ({"attributes": [{"name": "two", "privileged": "c"}]}, BAD, "ConfigInvalid", "has no group c in the data"),
        ({"favourable": "good"}, BAD, "ConfigInvalid", "the model's classes are [0, 1]"),
        ({"disparateImpact": {"min": 1.2}}, BAD, "ConfigInvalid", "disparateImpact.min"),
        ({"equalOpportunity": {"maxDifference": 0.1}}, BAD, "ConfigInvalid", "name its column in data.target"),
    ],
)
def test_what_fairness_is_given(case: tuple[Document, int, str, str], sound: tuple[str, Path], tmp_path: Path) -> None:
    change, code, reason, sentence = case
    rows = [[*row[:3], "all", "ab"[number % 2]] for number, row in enumerate(patients(300))]
    data = table(tmp_path / "groups.csv", [*FEATURES, "one", "two"], rows)
    model = json.loads(sound[0])["model"]
    usual = {"attributes": [{"name": "two"}], "disparateImpact": {"min": 0.2}}
    document = {"model": model, "data": data, **usual, **change}
    answer = ask("fairness", {name: value for name, value in document.items() if value is not None})
    assert answer.told == ("Inconclusive", reason, code)
    assert sentence in answer.result.message


def test_fairness_of_a_value_is_refused(sound: tuple[str, Path], tmp_path: Path) -> None:
    document = json.loads(sound[0])
    del document["thresholds"]
    model = artifact(tmp_path / "value.vmodel", **REGRESSION)
    answer = ask("fairness", {**document, "model": model, "attributes": [{"name": "who"}], "disparateImpact": {}})
    assert answer.told == ("Inconclusive", "MetricUndefined", BAD)


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"null", b'{"model": 1}', b"\xff\xff", b"[" * 100_000])
@pytest.mark.parametrize("gate", ["quality", "fairness", "smoke", "load"])
def test_what_is_no_document_is_refused(gate: str, document: bytes) -> None:
    answer = ask(gate, document)
    assert answer.told == ("Inconclusive", "ConfigInvalid", BAD)
    assert f"the {gate} gate" in answer.result.message


def test_a_source_that_is_away_may_be_asked_again(sound: tuple[str, Path]) -> None:
    document = json.loads(sound[0])
    document["data"]["uri"] = "http://127.0.0.1:9/data.csv"
    answer = ask("quality", document, VERDIGRIS_FETCH_DEADLINE="0.5")
    assert answer.told == ("Inconclusive", "DataUnreachable", LATER)


def test_a_million_rows_are_the_most(sound: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verdigris_serving.gate.rows.MOST_ROWS", 299)
    answer = ask("quality", json.loads(sound[0]))
    assert answer.told == ("Inconclusive", "DataInvalid", BAD)
    assert "more than 299 rows" in answer.result.message


def process(*arguments: str, folder: Path, **env: str) -> tuple[int, str, str, bytes]:
    """The gate as a process: exit code, standard output, standard error, termination message."""
    termination = folder / "termination"
    termination.touch()
    whole = {**os.environ, "VERDIGRIS_TERMINATION_LOG": str(termination), **env}
    command = [sys.executable, "-m", "verdigris_serving.gate", *arguments]
    done = subprocess.run(command, env=whole, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr, termination.read_bytes()


def test_the_process_leaves_its_answer_where_the_kubelet_looks(sound: tuple[str, Path], tmp_path: Path) -> None:
    code, out, err, termination = process("quality", folder=tmp_path, VERDIGRIS_GATE=sound[0])
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads(termination)
    assert json.loads(out)["verdict"] == "Pass"


def test_a_process_without_a_document_says_what_to_give(tmp_path: Path) -> None:
    code, out, err, _ = process("quality", folder=tmp_path)
    assert (code, err) == (2, "")
    assert "give --config FILE" in json.loads(out)["message"].replace("Give", "give")


def test_a_gate_that_takes_too_long_ends_itself_without_a_verdict(sound: tuple[str, Path], tmp_path: Path) -> None:
    document = json.loads(sound[0])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        document["data"]["uri"] = f"http://127.0.0.1:{silent.getsockname()[1]}/data.csv"
        document["deadlineSeconds"] = 0.5
        code, out, _, _ = process("quality", folder=tmp_path, VERDIGRIS_GATE=json.dumps(document))
    answer = json.loads(out)
    assert (code, answer["verdict"], answer["reason"]) == (11, "Inconclusive", "DeadlineExceeded")
    assert math.isclose(answer["tookSeconds"], 0.5, abs_tol=5)


def test_a_crash_is_no_verdict(sound: tuple[str, Path], tmp_path: Path) -> None:
    # Without a module of its own the program fails in a way that it does not know.
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import verdigris_serving.gate.quality as q\nq.estimate = None\n")
    way = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    code, out, err, termination = process("quality", folder=tmp_path, VERDIGRIS_GATE=sound[0], PYTHONPATH=way)
    assert (code, out, termination) == (70, "", b"")
    assert "no verdict on the model" in err
