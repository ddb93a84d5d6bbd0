"""Held-out rows, and what the model answers to them: by the very code that answers requests."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from verdigris_serving.gate.refusals import Refusal
from verdigris_serving.model.headers import quoted
from verdigris_serving.model.labels import position_of
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import InvalidModel, Manifest, score_count, score_name
from verdigris_serving.protocol import csv_table
from verdigris_serving.protocol.messages import CallerFault, LooseRequest, OutputTensor
from verdigris_serving.protocol.service import InferenceService, ModelFault

#: Most rows that are judged on.
MOST_ROWS = 1_000_000
#: Rows that are answered at a time: so memory holds answers, not rows.
_CHUNK = 2_000
_ROW = re.compile(r"\brow (\d+)\b")
_NO_NUMBER = {"", "nan", "null", "none", "na", "n/a"}


class NoAnswer(Exception):
    """The model has no answer to a row that a client may send; the message says which, after ``rows`` good ones."""

    def __init__(self, message: str, rows: int) -> None:
        super().__init__(message)
        self.rows = rows


@dataclass
class Answers:
    """Column by column, one entry a row.

    ``truths`` are positions among the classes, or values; empty where no target was asked for. ``labels`` are
    positions, ``scores`` what the model says beside them (one number a row for a value, a decision, or the second of
    two classes; else a list). ``attributes`` are the cells of further columns, by name.
    """

    manifest: Manifest
    truths: list[float] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    scores: list[Any] = field(default_factory=list)
    attributes: dict[str, list[str]] = field(default_factory=dict)
    rows: int = 0


def answered(model: LoadedModel, path: Path, target: str = "", attributes: Sequence[str] = ()) -> Answers:
    """What the model answers to each row of a CSV file. Raises Refusal where it is no data for this model, NoAnswer."""
    service = InferenceService(model)
    answers = Answers(model.manifest, attributes={name: [] for name in attributes})
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv_table.cells(file)
            columns = _Columns(next(lines, []), model.manifest, target, attributes)
            full = (line for line in lines if line)
            while chunk := list(islice(full, _CHUNK)):
                _add(answers, columns, service, chunk)
    except CallerFault as fault:
        raise Refusal("DataInvalid", f"the data: {fault.message}") from fault
    except UnicodeDecodeError as error:
        raise Refusal("DataInvalid", "the data is no CSV: it is no UTF-8. Write it as CSV in UTF-8") from error
    if not answers.rows:
        raise Refusal("DataInvalid", "the data has no row below its header: at least one is needed")
    return answers


class _Columns:
    """Where the model's features, the target and the attributes are in a line."""

    def __init__(self, header: Sequence[str], manifest: Manifest, target: str, attributes: Sequence[str]) -> None:
        names = [name.strip() for name in header]
        wanted = [feature.name for feature in manifest.features]
        csv_table.check_lacking(manifest.features, names)
        lacking = [name for name in (*filter(None, [target]), *attributes) if name not in names]
        if lacking:
            raise CallerFault(f"the header has no column {quoted(lacking)}; it has {quoted(names)}")
        twice = next((name for name in (*wanted, target, *attributes) if names.count(name) > 1), None)
        if twice is not None:
            raise CallerFault(f'the header has "{twice[:100]}" twice')
        self.width = len(names)
        self.target = names.index(target) if target else None
        self.attributes = {name: names.index(name) for name in attributes}
        self._features = [names.index(name) for name in wanted]
        self.reader = csv_table.CsvReader(manifest.features, wanted)

    def features(self, line: Sequence[str]) -> list[str]:
        """The cells of the features, in the model's order."""
        return [line[place] for place in self._features]


def _add(answers: Answers, columns: _Columns, service: InferenceService, chunk: list[list[str]]) -> None:
    first = answers.rows
    if first + len(chunk) > MOST_ROWS:
        raise CallerFault(f"it has more than {MOST_ROWS:,} rows: draw that many of them at random")
    ragged = next((number for number, line in enumerate(chunk) if len(line) != columns.width), None)
    if ragged is not None:
        raise CallerFault(f"row {first + ragged}: {len(chunk[ragged])} cells; the header has {columns.width}")
    try:
        sent = columns.reader.tensors(map(columns.features, chunk))
        response, _ = service.respond(LooseRequest(inputs=sent), "gate")
    except CallerFault as fault:
        told = (
            f"{_counted_from(first, fault.message)} (rows are counted from 0). A client's request would be refused so"
        )
        raise CallerFault(f"{told}: leave such rows out") from fault
    except ModelFault as fault:
        raise _no_answer(service, columns, chunk, first) from fault
    _keep(answers, {output.name: output for output in response.outputs}, len(chunk))
    if columns.target is not None:
        truth = _truth_of(answers.manifest)
        answers.truths += [truth(line[columns.target], first + number) for number, line in enumerate(chunk)]
    for name, place in columns.attributes.items():
        answers.attributes[name] += [line[place].strip() for line in chunk]
    answers.rows += len(chunk)


def _counted_from(first: int, message: str) -> str:
    """The message with the row's number in the data, where it has the one in this chunk."""
    return _ROW.sub(lambda found: f"row {int(found[1]) + first}", message)


def _no_answer(service: InferenceService, columns: _Columns, chunk: list[list[str]], first: int) -> NoAnswer:
    for number, line in enumerate(chunk, first):
        try:
            service.respond(LooseRequest(inputs=columns.reader.tensors([columns.features(line)])), "gate")
        except ModelFault as fault:
            told = f"the model has no answer to row {number} of the data (rows are counted from 0): {fault.message}"
            return NoAnswer(f"{told}. A client would get a 500", number)
    return NoAnswer(f"the model has no answer to the rows from {first} on together. A client would get a 500", first)


def _keep(answers: Answers, outputs: dict[str, OutputTensor], rows: int) -> None:
    manifest = answers.manifest
    if manifest.classes:
        places = {label: place for place, label in enumerate(manifest.classes)}
        answers.labels += [places[label] for label in _data(outputs["label"])]
    name, width = score_name(manifest), score_count(manifest)
    if not name:
        return
    data = _data(outputs[name])
    if name == "probabilities" and width == 2:
        answers.scores += data[1::2]
    elif width == 1:
        answers.scores += data
    else:
        answers.scores += [data[row * width : (row + 1) * width] for row in range(rows)]


def _data(output: OutputTensor) -> list[Any]:
    assert isinstance(output.data, list)  # nothing was asked for in binary
    return output.data


def _truth_of(manifest: Manifest) -> Callable[[str, int], float]:
    """Reads what is true of a row. Raises CallerFault naming it."""
    known: dict[str, int] = {}

    def position(cell: str) -> int:
        if cell not in known:
            known[cell] = position_of(manifest, cell)
        return known[cell]

    def truth(cell: str, row: int) -> float:
        cell = cell.strip()
        if cell.lower() in _NO_NUMBER:
            raise CallerFault(f"row {row}: the target is missing; leave out rows of which nobody knows what is true")
        try:
            value = position(cell) if manifest.classes else float(cell)
        except (InvalidModel, ValueError) as error:
            needed = f"none of the model's classes, {quoted([str(c) for c in manifest.classes])}"
            told = needed if manifest.classes else "no number, which is what this model predicts"
            raise CallerFault(f"row {row}: the target is {told}") from error
        if not math.isfinite(value):
            raise CallerFault(f"row {row}: the target is no finite number")
        return value

    return truth
