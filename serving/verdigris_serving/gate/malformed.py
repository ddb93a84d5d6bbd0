"""Requests that a server has to refuse: what people and programs send by mistake, and what attackers send first."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from verdigris_serving.gate.client import Address
from verdigris_serving.gate.synthetic import UNSEEN, Sent
from verdigris_serving.model.schema import Feature, Manifest, is_free_text


@dataclass(frozen=True)
class Bad:
    """``what`` is wrong with the bytes of ``request``."""

    what: str
    request: bytes


def requests(manifest: Manifest, row: Sent, address: Address) -> Iterator[Bad]:
    """Every bad request that there is for this model; ``row`` is one that it answers."""
    path = f"/v2/models/{manifest.name}/infer"
    for what, body in (*_bodies(manifest, row), *_rows(manifest, row)):
        yield Bad(what, address.request(path, body))
    good = json.dumps({"rows": [row]}).encode()
    yield Bad("a model that is not there", address.request("/v2/models/no-such-model/infer", good))
    yield Bad(
        "a version that is not there", address.request(f"/v2/models/{manifest.name}/versions/0.0.0-none/infer", good)
    )
    yield Bad("a path that is not there", address.request("/no/such/path", method="GET"))
    yield Bad("a method that is not defined", address.request(path, method="DELETE"))
    host = f"host: {address.host}\r\n".encode()
    target = f"{address.path}{path}".encode()
    yield Bad("a length that is no number", b"POST %b HTTP/1.1\r\n%bcontent-length: ten\r\n\r\n" % (target, host))
    yield Bad(
        "a length beyond every limit", b"POST %b HTTP/1.1\r\n%bcontent-length: 99999999999\r\n\r\n" % (target, host)
    )
    yield Bad(
        "a chunk without a size",
        b"POST %b HTTP/1.1\r\n%btransfer-encoding: chunked\r\n\r\nzz\r\n" % (target, host),
    )
    yield Bad("a line that is no request", b"HELLO\r\n\r\n")
    yield Bad("a field of 64 KiB", b"GET %b HTTP/1.1\r\n%bx-long: %b\r\n\r\n" % (target, host, b"a" * 65_536))


def _bodies(manifest: Manifest, row: Sent) -> Iterator[tuple[str, bytes]]:
    width = len(manifest.features)
    yield "no body", b""
    yield "a body that is no JSON", b'{"inputs": ['
    yield "a body that is no UTF-8", b'{"id": "\xff\xfe"}'
    yield "a list in place of an object", b"[]"
    yield "nothing in it", b"{}"
    yield "no tensor", b'{"inputs": []}'
    yield "no row", b'{"rows": []}'
    yield "two spellings at once", _json({"inputs": [], "rows": [row]})
    yield "a name twice", b'{"rows": [], "rows": []}'
    yield "lists within lists", b'{"rows": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    yield "an output that there is none of", _json({"rows": [row], "outputs": [{"name": "no-such-output"}]})
    tensor = {"name": "all", "shape": [1, width + 1], "datatype": "FP64", "data": [0.0] * (width + 1)}
    yield "a tensor of another width", _json({"inputs": [tensor]})
    yield "less data than its shape says", _json({"inputs": [{**tensor, "shape": [2, width], "data": [0.0]}]})
    yield "a shape below zero", _json({"inputs": [{**tensor, "shape": [-1, width]}]})
    yield "a datatype that is none", _json({"inputs": [{**tensor, "shape": [1, width], "datatype": "FP7"}]})


def _rows(manifest: Manifest, row: Sent) -> Iterator[tuple[str, bytes]]:
    first = manifest.features[0].name
    yield "a feature that is missing", _json({"rows": [{k: v for k, v in row.items() if k != first}]})
    yield "a feature that is none", _json({"rows": [{**row, "no such feature": 1}]})
    yield "a row that is a text", _json({"rows": ["row"]})
    yield "a row of another width", _json({"rows": [[*row.values(), 1]]})
    for feature in manifest.features:
        for what, value in _values(feature):
            # NaN and a number of 400 digits are written as people write them, which json.dumps does for the one.
            yield f"{what} for {feature.name}", _json({"rows": [{**row, feature.name: value}]})


def _values(feature: Feature) -> Iterator[tuple[str, object]]:
    """What must not be sent for one feature."""
    yield "an object", {"value": 1}
    if not feature.nullable:
        yield "null", None
    if feature.datatype == "BYTES":
        yield "a number where a text is needed", 1
        if not is_free_text(feature) and feature.unknown == "reject":
            yield "a category that is none", UNSEEN
        return
    yield "a text where a number is needed", "many"
    yield "NaN", float("nan")
    if feature.datatype == "BOOL":
        return
    yield "a number beyond every range", 10**400
    if feature.out_of_range == "reject" and feature.minimum is not None:
        yield "a value below the least", feature.minimum - 1
    if feature.out_of_range == "reject" and feature.maximum is not None:
        yield "a value above the most", feature.maximum + 1
    if feature.datatype.startswith("INT"):
        yield "a fraction where a whole number is needed", 0.5


def _json(document: object) -> bytes:
    return json.dumps(document).encode()
