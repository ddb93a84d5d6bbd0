"""Sound requests, damaged in ways that a seed decides: never an exception, never a fault of the server's."""

import random

import pytest

from tests.serving.invariant import check, seeds

#: What parsers have stumbled over: pieces put into a request at any place.
PIECES = [
    *[b"", b"0", b"-", b"1e999", b"NaN", b"-Infinity", b"9" * 400, b"9" * 5_000, b"1.", b"null", b"true"],
    *[
        b'"',
        b"\\",
        b"\\ud800",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
        b"[",
        b"]",
        b"{",
        b"}",
        b"[" * 2_000,
        b'{"a":' * 2_000,
    ],
    *[b",", b":", b'"id":1,', b'"inputs":[],', b'"data":[],', b'"shape":[1],', b'"parameters":{},', b'"name":"age",'],
    *[b'"binary_data_size":8', b'"BYTES"', b'"BOOL"', b'"FP16"', b'"INT8"', b"\xc3\x28"],
]


def damaged(source: random.Random, body: bytes) -> bytes:
    for _ in range(source.randint(1, 3)):
        start = source.randrange(len(body) + 1)
        end = min(len(body), start + source.choice([0, 0, 1, 4, 20]))
        body = body[:start] + source.choice(PIECES) + body[end:]
    return body


@pytest.mark.parametrize(("number", "seed"), list(enumerate(seeds())))
def test_a_damaged_request_is_answered_or_refused(number: int, seed: tuple[bytes, int | None]) -> None:
    body, header_length = seed
    source = random.Random(number)
    assert check(body, header_length) == 200

    statuses = set()
    for _ in range(2_000):
        mutated = damaged(source, body)
        length = header_length
        if length is not None:
            length += source.choice([0, len(mutated) - len(body), source.randint(-40, 40)])
        statuses.add(check(mutated, length))
    # Damage that never hurts, or always does, would test nothing.
    assert statuses == {200, 400}
