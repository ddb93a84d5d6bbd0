"""A fetch that breaks off goes on where it stopped, when the source can, and never mixes two versions."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.serving.artifact_host import (
    ArtifactHost,
    Behaviour,
    answers,
    artifact_host,
    first_then,
    sends,
    sends_partial,
    sends_ranges,
    stalls,
)
from tests.serving.test_fetch import GOOD, LIMITS, SHA256, get, refusal
from verdigris_serving.fetching.stream import Limits, download
from verdigris_serving.reasons import Reason

SIZE = len(GOOD)
OTHER = bytes(reversed(GOOD))


@pytest.fixture
def host() -> Iterator[ArtifactHost]:
    with artifact_host() as running:
        yield running


def asked(host: ArtifactHost) -> list[str | None]:
    """The ranges that were asked for, one a request."""
    return [headers.get("Range") for headers in host.headers]


def arrives(host: ArtifactHost, behaviour: Behaviour, folder: Path, limits: Limits = LIMITS) -> None:
    assert get(host.on("/m", behaviour), folder / "m", limits=limits) == SHA256
    assert (folder / "m").read_bytes() == GOOD
    assert list(folder.iterdir()) == [folder / "m"]


def test_a_body_that_breaks_off_again_and_again_is_put_together(host: ArtifactHost, tmp_path: Path) -> None:
    piece = SIZE // 5 + 1
    arrives(host, sends_ranges(GOOD, most=piece), tmp_path)

    assert asked(host) == [None, *(f"bytes={piece * number}-" for number in range(1, 5))]
    assert [headers.get("If-Range") for headers in host.headers] == [None, *['"1"'] * 4]


def test_after_a_stall_only_the_rest_is_asked_for(host: ArtifactHost, tmp_path: Path) -> None:
    arrives(host, first_then(stalls(host, GOOD, etag='"1"'), 1, sends_ranges(GOOD)), tmp_path)

    assert asked(host) == [None, f"bytes={SIZE // 2}-"]


def test_the_log_says_from_where_it_goes_on(host: ArtifactHost, tmp_path: Path) -> None:
    said: list[str] = []
    uri = host.on("/m", first_then(sends_ranges(GOOD, most=40), 1, answers(503)))
    with pytest.raises(Exception, match="503"):
        download(
            uri, tmp_path / "m", sha256=SHA256, limits=Limits(0.5, 0.3, 9_999), log=said.append, sleep=lambda _: None
        )

    assert all(line.endswith("s, from byte 40 on") for line in said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("etag", ["", 'W/"1"', "1"], ids=["none", "weak", "malformed"])
def test_without_a_strong_etag_everything_is_asked_for_again(etag: str, host: ArtifactHost, tmp_path: Path) -> None:
    arrives(host, first_then(sends_ranges(GOOD, etag=etag, most=40), 2, sends_ranges(GOOD)), tmp_path)

    assert asked(host) == [None, None, None]


@pytest.mark.parametrize(
    ("then", "requests"),
    [
        pytest.param(sends(GOOD), 2, id="a server that knows no ranges"),
        pytest.param(sends_ranges(GOOD, etag='"2"'), 2, id="the artifact was replaced"),
        pytest.param(first_then(answers(416), 2, sends(GOOD)), 3, id="416"),
        pytest.param(
            first_then(sends_partial(GOOD[9:], f"bytes 9-{SIZE - 1}/{SIZE}"), 2, sends(GOOD)), 3, id="another range"
        ),
        pytest.param(
            first_then(sends_partial(GOOD[40:], f"bytes 40-{SIZE - 1}/{SIZE}", '"2"'), 2, sends(GOOD)),
            3,
            id="the range of another version",
        ),
        pytest.param(
            first_then(sends_partial(OTHER[40:], f"bytes 40-{SIZE - 1}/{SIZE}"), 2, sends(GOOD)),
            3,
            id="another version under the same ETag",
        ),
        pytest.param(
            first_then(sends_partial(GOOD[40:], f"bytes 40-{SIZE - 9}/{SIZE - 8}"), 2, sends(GOOD)),
            3,
            id="more bytes than announced",
        ),
        pytest.param(first_then(sends_partial(GOOD[40:], "everything"), 2, sends(GOOD)), 3, id="no range at all"),
    ],
)
def test_what_does_not_fit_is_thrown_away(then: Behaviour, requests: int, host: ArtifactHost, tmp_path: Path) -> None:
    # `then` counts the requests from the first one on, the broken one included.
    arrives(host, first_then(sends_ranges(GOOD, etag='"1"', most=40), 1, then), tmp_path)

    assert [bool(wanted) for wanted in asked(host)] == [False, True, False][:requests]


def test_bytes_of_one_answer_convict_the_artifact(host: ArtifactHost, tmp_path: Path) -> None:
    uri = host.on("/m", first_then(sends_ranges(OTHER, most=40), 1, sends_ranges(OTHER)))

    failure = refusal(uri, tmp_path)
    assert failure.reason is Reason.CHECKSUM_MISMATCH
    assert asked(host) == [None, "bytes=40-", None]


def test_three_answers_that_end_at_the_same_byte_end_it(host: ArtifactHost, tmp_path: Path) -> None:
    uri = host.on("/m", first_then(sends_ranges(GOOD, most=40), 1, sends_ranges(GOOD, most=0)))

    failure = refusal(uri, tmp_path)
    assert failure.reason is Reason.ARTIFACT_TRUNCATED
    assert f"ended after 40 of {SIZE} bytes" in failure.message
    assert asked(host) == [None, "bytes=40-", "bytes=40-"]


def test_a_resumed_body_is_bounded_too(host: ArtifactHost, tmp_path: Path) -> None:
    whole = GOOD * 40
    uri = host.on("/m", sends_ranges(whole, most=len(whole) // 3))

    failure = refusal(uri, tmp_path, limits=Limits(5.0, 0.3, len(whole) - 1))
    assert failure.reason is Reason.ARTIFACT_TOO_LARGE


def test_the_offsets_only_grow(host: ArtifactHost, tmp_path: Path) -> None:
    arrives(host, sends_ranges(GOOD, most=97), tmp_path)

    offsets = [int(wanted[6:-1]) for wanted in asked(host) if wanted]
    assert len(offsets) > 5
    assert all(later - earlier == 97 for earlier, later in pairwise(offsets))
