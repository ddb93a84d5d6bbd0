"""Bodies in gzip and deflate, both ways: unpacked within the limit of a body, whatever they claim to be."""

import contextlib
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient import http as tritonclient

from tests.serving.support import ROW, ServerProcess, request_body, server, write_artifact
from tests.serving.wire import Answered, answers, exchange, head
from verdigris_serving.http.codings import Unreadable, acceptable, is_acceptable, packed, unpacked

LIMIT = 200_000
LARGE = request_body([ROW] * 5_000)


def raw_deflate(body: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(body) + packing.flush()


def in_members(body: bytes) -> bytes:
    """As programs write it that compress piece by piece, with an empty one in between."""
    return b"".join(gzip.compress(piece) for piece in (body[:100], b"", body[100:]))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("codings")
    write_artifact(folder / "model.vmodel")
    limits = json.dumps({"body": LIMIT})
    with server(folder, module="tests.serving.tuned_server", TEST_LIMITS=limits) as process:
        yield process


def ask(running: ServerProcess, body: bytes, **fields: str) -> Answered:
    (answer,) = answers(exchange(running.port, head(content_length=str(len(body)), **fields) + body))
    return answer


@pytest.mark.parametrize(
    ("coding", "packing"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("gzip", in_members),
     ("deflate", zlib.compress), ("deflate", raw_deflate), ("identity", bytes)],
)  # fmt: skip
@pytest.mark.parametrize("body", [request_body(id="same"), request_body([ROW] * 4_000, id="same")])
def test_a_packed_request_is_answered_like_a_plain_one(
    running: ServerProcess, coding: str, packing: Any, body: bytes
) -> None:
    answer = ask(running, packing(body), content_encoding=coding)

    assert (answer.status, answer.body) == (200, ask(running, body).body)


BOMB = gzip.compress(b" " * 50_000_000)


@pytest.mark.parametrize(
    ("body", "coding", "status", "says"),
    [
        pytest.param(BOMB, "gzip", 413, f"unpacks to more than {LIMIT} bytes", id="bomb"),
        pytest.param(zlib.compress(b" " * 50_000_000), "deflate", 413, "unpacks to more than", id="bomb of deflate"),
        pytest.param(gzip.compress(b" " * 1_000) * 201, "gzip", 413, "unpacks to more than", id="bomb of members"),
        pytest.param(gzip.compress(b"{}") * 2 + b"\x1f\x8b", "gzip", 400, "breaks off", id="a member broken off"),
        pytest.param(
            gzip.compress(b"{}") + b"\x1f\x8b" + b"x" * 20, "gzip", 400, "is not gzip", id="a member that is none"
        ),
        pytest.param(zlib.compress(b"{}") * 2, "deflate", 400, "bytes stand behind", id="deflate twice"),
        pytest.param(gzip.compress(BOMB), "gzip", 400, "not JSON", id="a bomb in a coding is not unpacked twice"),
        pytest.param(gzip.compress(BOMB), "gzip, gzip", 415, "there are gzip and deflate", id="two codings"),
        pytest.param(request_body(), "br", 415, "there are gzip and deflate", id="unknown"),
        pytest.param(request_body(), "gzip", 400, "is not gzip", id="plain"),
        pytest.param(gzip.compress(request_body())[:-9], "gzip", 400, "breaks off", id="broken off"),
        pytest.param(gzip.compress(b"{}") + b"x", "gzip", 400, "1 bytes stand behind", id="something behind"),
        pytest.param(b"", "gzip", 400, "breaks off", id="nothing"),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_refused_and_the_next_request_answered(
    running: ServerProcess, body: bytes, coding: str, status: int, says: str
) -> None:
    stream = head(content_length=str(len(body)), content_encoding=coding) + body
    refused, after = answers(exchange(running.port, stream + head("/v2/health/live", "GET")))

    assert (refused.status, after.status) == (status, 200)
    assert says in json.loads(refused.body)["error"]
    assert refused.fields.get("accept-encoding") == ("gzip, deflate" if status == 415 else None)


def test_many_empty_members_take_no_longer_than_their_bytes() -> None:
    members = gzip.compress(b"") * 400_000
    began = time.process_time()

    assert unpacked(members, b"gzip", LIMIT) == b""
    assert time.process_time() - began < 10  # seconds; by copying all that is left after each, it would be hours


def test_no_more_of_a_bomb_is_unpacked_than_may_be() -> None:
    tracemalloc.start()
    with pytest.raises(Unreadable):
        unpacked(BOMB, b"gzip", LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * LIMIT


@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_a_large_answer_comes_packed_to_who_asks_for_it(running: ServerProcess, coding: str, unpack: Any) -> None:
    plain = ask(running, LARGE)
    answer = ask(running, LARGE, accept_encoding=coding)

    assert (answer.fields["content-encoding"], answer.fields["vary"]) == (coding, "accept-encoding")
    whole, same = json.loads(unpack(answer.body)), json.loads(plain.body)
    assert whole["outputs"] == same["outputs"]
    assert len(answer.body) < len(plain.body) / 2


def test_a_small_answer_comes_as_it_is(running: ServerProcess) -> None:
    answer = ask(running, request_body(), accept_encoding="gzip, deflate")

    assert "content-encoding" not in answer.fields
    assert json.loads(answer.body)["model_name"] == "demo"


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (b"gzip", b"gzip"),
        (b"GZip, deflate, br", b"gzip"),
        (b"gzip;q=0.2, deflate;q=0.8", b"deflate"),
        (b"gzip;q=0, deflate", b"deflate"),
        (b"gzip; q=0", None),
        (b"*", b"gzip"),
        (b"gzip;q=0, *", b"deflate"),
        (b"br, zstd", None),
        (b"identity", None),
        (b"", None),
        (b"gzip;q=much", None),
        (b"gzip;level=9", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b"x-gzip;q=0, deflate", b"deflate"),
    ],
)
def test_the_coding_of_an_answer_is_the_one_that_the_client_likes_best(accepted: bytes, expected: bytes | None) -> None:
    assert acceptable(accepted) == expected


@pytest.mark.parametrize(
    ("coding", "accepted", "readable"),
    [
        (b"gzip", b"deflate, x-gzip", True),
        (b"br", b"gzip, br", True),
        (b"br", b"*", True),
        (b"br", b"*, br;q=0", False),
        (b"gzip", b"", False),
        (b"gzip, br", b"gzip", False),
        (b"identity", b"", True),
        (b"", b"", True),
    ],
)
def test_who_reads_a_coding_has_said_so(coding: bytes, accepted: bytes, *, readable: bool) -> None:
    assert is_acceptable(coding, accepted) is readable


@given(st.binary(max_size=3_000), st.sampled_from([b"gzip", b"deflate"]))
def test_what_was_packed_unpacks(body: bytes, coding: bytes) -> None:
    assert unpacked(packed(body, coding), coding, 3_000) == body


@given(st.binary(max_size=200), st.sampled_from([b"gzip", b"deflate"]))
def test_any_bytes_unpack_or_are_refused_in_a_sentence(body: bytes, coding: bytes) -> None:
    with contextlib.suppress(Unreadable):
        assert len(unpacked(body, coding, 100)) <= 100


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_tritons_client_packs_its_requests_and_reads_packed_answers(running: ServerProcess, coding: str) -> None:
    client = tritonclient.InferenceServerClient(f"127.0.0.1:{running.port}")
    rows = np.array([ROW] * 500)
    sent = tritonclient.InferInput("features", [500, 3], "FP64")
    sent.set_data_from_numpy(rows)
    plain = client.infer("demo", [sent])
    both = client.infer("demo", [sent], request_compression_algorithm=coding, response_compression_algorithm=coding)
    client.close()

    assert np.array_equal(both.as_numpy("probabilities"), plain.as_numpy("probabilities"))
    assert len(both.as_numpy("label")) == 500


def test_csv_goes_through_the_same_codings(running: ServerProcess) -> None:
    lines = "glucose,insulin,age\n" + "120,80,40\n" * 2_000
    body = gzip.compress(lines.encode())

    answer = ask(running, body, content_type="text/csv; charset=utf-8", content_encoding="gzip", accept_encoding="gzip")
    assert answer.fields["content-type"] == "text/csv"
    assert gzip.decompress(answer.body).count(b"\n") == 2_001
