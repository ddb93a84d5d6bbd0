"""What an answer says of its rows, in whichever of the server's forms it comes. Pure.

Read are the labels and the one kind of scores that a model has; whatever else is asked for by name is left aside.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from verdigris_serving.http.codings import Unreadable, unpacked
from verdigris_serving.http.messages import Response
from verdigris_serving.protocol.binary import HEADER, split, unpack
from verdigris_serving.protocol.csv_table import CSV, read_lines
from verdigris_serving.protocol.messages import CallerFault

LABEL = "label"
#: Of a label or of scores: rows, and columns. The product of ten thousand takes seconds.
_MOST_DIMENSIONS = 2
#: The outputs that hold a row's scores, with how the columns begin that they have in CSV.
SCORES = {"probabilities": "probability_", "decision": "decision", "score": "score", "value": "value"}


class NoAnswer(Exception):
    """A body is no inference answer: the sentence says why."""


class Told(NamedTuple):
    """An answer's rows. ``labels`` one a row, None without any; ``scores`` a list a row.

    ``kind`` says what the scores are (an output's name first): only those of one kind can be compared. It is empty
    where there are none.
    """

    labels: Sequence[Any] | None
    scores: Sequence[Sequence[Any]]
    kind: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.scores if self.labels is None else self.labels)


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class _Body(msgspec.Struct):
    outputs: list[_Tensor] | None = None
    predictions: list[Any] | None = None


_decode = msgspec.json.Decoder(_Body).decode


def told(response: Response, first: str, limit: int) -> Told:
    """What a sound answer says. ``first`` is what KServe V1's ``predictions`` are: an output's name.

    It is read up to ``limit`` bytes, once it is unpacked. Raises NoAnswer.
    """
    try:
        body = unpacked(response.body, field(response, b"content-encoding"), limit)
        if response.content_type[: len(CSV)].lower() == CSV:
            return _of_csv(body)
        return _of_json(body, field(response, HEADER), first)
    except Unreadable as error:
        raise NoAnswer(error.message) from error
    except (CallerFault, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise NoAnswer(str(error)) from error


def field(response: Response, name: bytes) -> bytes:
    """The value of a header field, whose name is in lower case as all of a response's are; empty without it."""
    for line in response.fields.split(b"\r\n"):
        if line.startswith(name + b":"):
            return line[len(name) + 1 :].strip()
    return b""


def _of_json(body: bytes, header_length: bytes, first: str) -> Told:
    head, tail = split(body, int(header_length)) if header_length else (body, b"")
    answer = _decode(head)
    if answer.predictions is not None:
        return _of({first: [each if isinstance(each, list) else [each] for each in answer.predictions]})
    if answer.outputs is None:
        raise NoAnswer("it has neither outputs nor predictions")
    found = {}
    for tensor in answer.outputs:
        data = tensor.data
        if data is None:
            size = (tensor.parameters or {}).get("binary_data_size")
            if not isinstance(size, int) or not 0 <= size <= len(tail):
                raise NoAnswer(f'output "{tensor.name[:100]}" has no data')
            data, tail = unpack(tensor.name, tensor.datatype, tail[:size]), tail[size:]
        if tensor.name == LABEL or tensor.name in SCORES:
            found[tensor.name] = _rows(data, tensor)
    return _of(found)


def _rows(data: list[Any], tensor: _Tensor) -> list[list[Any]]:
    shape = tensor.shape
    if not 1 <= len(shape) <= _MOST_DIMENSIONS or min(shape) < 1 or math.prod(shape) != len(data):
        raise NoAnswer(f'output "{tensor.name}" has {len(data)} values and the shape {shape}')
    width = len(data) // shape[0]
    return [data[start : start + width] for start in range(0, len(data), width)]


def _of_csv(body: bytes) -> Told:
    header, *lines = [line for line in read_lines(body) if line] or [[]]
    if any(len(line) != len(header) for line in lines):
        raise NoAnswer("its lines have not as many cells as its header")
    found: dict[str, list[list[Any]]] = {}
    of_labels = [place for place, column in enumerate(header) if column == LABEL or column.startswith(LABEL + "_")]
    if of_labels:
        found[LABEL] = [[line[place] for place in of_labels] for line in lines]
    for name, begins in SCORES.items():
        places = [place for place, column in enumerate(header) if column.startswith(begins)]
        if places:
            found[name] = [[float(line[place]) for place in places] for line in lines]
            return _of(found, tuple(header[place] for place in places))
    return _of(found)


def _of(found: dict[str, list[list[Any]]], columns: tuple[str, ...] = ()) -> Told:
    # Of several labels a row, all have to be the same.
    labels = [row[0] if len(row) == 1 else row for row in found[LABEL]] if LABEL in found else None
    name = next((name for name in SCORES if name in found), None)
    if name is None:
        return Told(labels, [], ())
    scores = found[name]
    if labels is not None and len(labels) != len(scores):
        raise NoAnswer(f"it has {len(labels)} labels and {len(scores)} rows of {name}")
    return Told(labels, scores, (name, *(columns or (str(len(scores[0]) if scores else 0),))))
