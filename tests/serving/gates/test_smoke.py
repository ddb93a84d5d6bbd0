"""The smoke gate: rows from the artifact's own baseline, and what a server must not do with them."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.serving.gates.asking import artifact, ask, file
from tests.serving.gates.stand_in import http, stand_in
from tests.serving.support import contents, server
from verdigris_serving.artifact.archive import Contents, write_archive
from verdigris_serving.artifact.baseline import baseline
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.gate import malformed, synthetic
from verdigris_serving.gate.client import Address
from verdigris_serving.gate.smoke import made
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Feature, Row, allows
from verdigris_serving.protocol.service import InferenceService

#: Every kind of feature that there is for numbers, and what may be sent beyond.
FEATURES = [
    Feature("glucose", nullable=True, minimum=0.0, maximum=1_000.0),
    Feature("insulin", minimum=0.0, maximum=2_000.0, out_of_range="clamp"),
    Feature("age", datatype="INT64", minimum=18.0, maximum=120.0),
]


def packed(features: list[Feature] = FEATURES, *, trained: bool = True) -> bytes:
    """The test model with a baseline of training rows."""
    base = contents(features=features)
    source = random.Random(4)
    rows: list[Row] = [
        [None if source.random() < 0.2 else source.gauss(120, 30), source.expovariate(0.01), source.randint(20, 80)]
        for _ in range(300)
    ]
    made_of = baseline([feature.name for feature in features], rows) if trained else None
    return write_archive(Contents(base.manifest, base.model, base.golden, made_of))


def loaded(data: bytes) -> LoadedModel:
    """The same, verified."""
    return verify_bytes(data, Expectation(), where="test")


@pytest.mark.parametrize("trained", [True, False], ids=["a baseline", "none"])
def test_every_row_may_be_sent_and_all_that_is_special_is_among_them(trained: bool) -> None:
    model = loaded(packed(trained=trained))
    rows = synthetic.rows(model, 400, random.Random(1))
    service = InferenceService(model, None)
    for row in rows:
        assert service.infer(msgspec.json.encode({"rows": [row]}), "test").status == 200, row
    glucose, insulin, age = ([row[name] for row in rows] for name in ("glucose", "insulin", "age"))
    assert None in glucose
    assert None not in insulin + age
    assert {-1.0, 2_001.0} <= set(insulin), "beyond the range where that is clamped"
    assert all(isinstance(value, int) and 18 <= value <= 120 for value in age)
    if trained:
        edges = {entry.name: entry.edges for entry in model.baseline.features}  # type: ignore[union-attr]
        assert set(edges["insulin"]) <= set(insulin)
        assert 0.05 < glucose.count(None) / 400 < 0.4, "as often as in training"


def test_the_same_seed_makes_the_same_rows() -> None:
    model = loaded(packed())
    assert synthetic.rows(model, 50, random.Random(3)) == synthetic.rows(model, 50, random.Random(3))
    assert synthetic.rows(model, 50, random.Random(3)) != synthetic.rows(model, 50, random.Random(4))


@pytest.mark.parametrize(
    ("feature", "some", "never"),
    [
        (Feature("t", datatype="BYTES", categories=["a", "b"]), ["a", "b"], [synthetic.UNSEEN]),
        (Feature("t", datatype="BYTES", categories=["a"], unknown="ignore"), ["a", synthetic.UNSEEN], []),
        (Feature("t", datatype="BYTES"), ["", "a text"], [None]),
        (Feature("t", datatype="BOOL"), [True, False], [None]),
        (Feature("t", categories=[1.0, 2.5]), [1.0, 2.5], [0.0]),
        (Feature("t", datatype="INT32", categories=[1.0, 2.0]), [1, 2], [0]),
    ],
    ids=["texts", "texts and any other", "any text", "truths", "numbers", "whole numbers"],
)
def test_a_feature_of_few_values_has_them_all(feature: Feature, some: list[Any], never: list[Any]) -> None:
    values = synthetic._Values(feature, None)
    drawn = [values.drawn(random.Random(seed)) for seed in range(60)]
    assert all(value in values.special for value in some)
    assert all(value in drawn for value in some)
    assert not any(value in [*values.special, *drawn] for value in never)


def test_every_bad_request_is_one_that_the_server_refuses() -> None:
    model = loaded(packed())
    row = synthetic.rows(model, 1, random.Random(1))[0]
    service = InferenceService(model, None)
    bodies = [*malformed._bodies(model.manifest, row), *malformed._rows(model.manifest, row)]
    assert len(bodies) > 30
    for what, body in bodies:
        assert service.infer(body, "test").status == 400, what


def test_a_text_and_its_unknown_category_are_refused_where_the_feature_says_so() -> None:
    feature = Feature("t", datatype="BYTES", categories=["a"])
    assert [what for what, _ in malformed._values(feature)] == [
        "an object",
        "null",
        "a number where a text is needed",
        "a category that is none",
    ]
    assert not allows(feature, synthetic.UNSEEN)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact, in a folder of its own."""
    path = tmp_path_factory.mktemp("smoke") / "model.vmodel"
    path.write_bytes(packed())
    return path


def asked(path: Path, url: str, **more: Any) -> dict[str, Any]:
    """A document of the smoke gate."""
    return {"model": file(path), "url": url, "rows": 60, **more}


def test_the_server_of_the_artifact_passes(model_file: Path) -> None:
    with server(model_file.parent) as process:
        answer = ask("smoke", asked(model_file, f"http://127.0.0.1:{process.port}", rows=200))
    assert answer.told == ("Pass", "Passed", 0)
    answered, refused = answer.result.checks
    assert answered.n == 182, "180 rows alone, and 2 batches of ten"
    assert refused.n > 40
    assert answer.result.seed == 1


def test_a_server_of_another_version_fails(model_file: Path, tmp_path: Path) -> None:
    artifact(tmp_path / "model.vmodel", version="1.0.1", features=FEATURES)
    with server(tmp_path) as process:
        answer = ask("smoke", asked(model_file, f"http://127.0.0.1:{process.port}"))
    assert answer.told == ("Fail", "ThresholdMissed", 10)
    assert "demo 1.0.1 answered, and the artifact is demo 1.0.0" in answer.result.message


def answering(path: Path) -> Callable[[bytes], bytes]:
    """What the artifact's server answers to a request's bytes, roughly: enough for what is spoilt afterwards."""
    service = InferenceService(loaded(path.read_bytes()))

    def answer(request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        if not head.startswith(b"POST /v2/models/demo/infer "):
            return http(404)
        said = service.infer(body, "test")
        return http(said.status, said.body)

    return answer


def not_finite(body: bytes) -> bytes:
    """The answer with a number that is none."""
    document = json.loads(body)
    document["outputs"][1]["data"][0] = 1e999
    return json.dumps(document).encode()


def one_less(body: bytes) -> bytes:
    """The answer with a value less than its shape says."""
    document = json.loads(body)
    document["outputs"][1]["data"].pop()
    return json.dumps(document).encode()


def a_bit_off(body: bytes) -> bytes:
    """The answer with another probability."""
    document = json.loads(body)
    document["outputs"][1]["data"][0] += 1e-3
    return json.dumps(document).encode()


def spoilt(good: Callable[[bytes], bytes | None], bad: Callable[[int], int] = int) -> Spoil:
    """Another answer in the place of a good one, and another status in that of a refusal."""
    return lambda status, body: good(body) if status == 200 else http(bad(status), body)


Spoil = Callable[[int, bytes], bytes | None]
SPOILT: list[tuple[str, Spoil, str]] = [
    ("500", spoilt(lambda _: http(500)), "it was answered 500"),
    ("no number", spoilt(lambda body: http(200, not_finite(body))), "none of the Open Inference"),
    ("one less", spoilt(lambda body: http(200, one_less(body))), "another number of values"),
    ("a bit off", spoilt(lambda body: http(200, a_bit_off(body))), "another than the artifact gives"),
    ("no JSON", spoilt(lambda _: http(200, b"ok")), "none of the Open Inference"),
    ("closed", spoilt(lambda _: None), "closed without an answer"),
    ("no HTTP", spoilt(lambda _: b"ok\r\n\r\n"), "the answer is no HTTP"),
    ("all well", spoilt(lambda body: http(200, body), lambda _: 200), "it was answered 200"),
    ("500 to bad ones", spoilt(lambda body: http(200, body), lambda _: 500), "it was answered 500"),
]


@pytest.mark.parametrize(("spoil", "why"), [each[1:] for each in SPOILT], ids=[each[0] for each in SPOILT])
def test_a_server_that_does_otherwise_fails(spoil: Spoil, why: str, model_file: Path) -> None:
    sound = answering(model_file)

    async def behaviour(request: bytes) -> bytes | None:
        head, _, body = sound(request).partition(b"\r\n\r\n")
        return spoil(int(head.split()[1]), body)

    with stand_in(behaviour) as url:
        answer = ask("smoke", asked(model_file, url))
    assert answer.told == ("Fail", "ThresholdMissed", 10)
    assert why in answer.result.message


def test_a_server_that_hangs_fails_soon(model_file: Path) -> None:
    async def behaviour(_request: bytes) -> bytes | None:
        await asyncio.Event().wait()
        return None

    with stand_in(behaviour) as url:
        answer = ask("smoke", asked(model_file, url, rows=2_000, answerSeconds=0.2))
    assert answer.told == ("Fail", "ThresholdMissed", 10)
    assert "there was no answer within 0.2 s" in answer.result.message
    assert answer.result.took_seconds < 30, "the rest was not asked"


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_server_that_is_not_there_is_no_verdict(model_file: Path, free_port: int) -> None:
    answer = ask("smoke", asked(model_file, f"http://127.0.0.1:{free_port}"))
    assert answer.told == ("Inconclusive", "Unreachable", 11)
    assert "network policies" in answer.result.message


@pytest.mark.parametrize("url", ["https://h:1", "h:8080", "http://", "http://h:port", "ftp://h", "http://h/?a=b"])
def test_an_address_of_no_service_is_refused(url: str, model_file: Path) -> None:
    answer = ask("smoke", asked(model_file, url))
    assert answer.told == ("Inconclusive", "ConfigInvalid", 2)


def test_a_row_without_an_answer_is_due_one_all_the_same() -> None:
    base = contents(function="log", features=FEATURES)
    model = loaded(write_archive(base))
    questions = made(model, Address("h", 1), 60, seed=1)
    assert all(question.due is not None for question in questions[:60])
    assert any(question.due is not None and not question.due.outputs for question in questions), "log(0) has none"
