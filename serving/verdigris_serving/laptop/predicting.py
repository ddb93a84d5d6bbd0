"""``verdigris-model predict``: the answers to a CSV file, as the server would give them, without a server."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from verdigris_serving.artifact.cli import Commands, Failure
from verdigris_serving.artifact.tables import are_truths
from verdigris_serving.laptop import model as models
from verdigris_serving.model.headers import quoted
from verdigris_serving.model.schema import Feature
from verdigris_serving.protocol import csv_table
from verdigris_serving.protocol.messages import CallerFault
from verdigris_serving.protocol.service import InferenceService, ModelFault

_STDIN = Path("-")


def add(commands: Commands) -> None:
    """Add the command."""
    predict = commands.add_parser("predict", help="answer the rows of a CSV file, without a server")
    models.add_options(predict)
    predict.add_argument("table", type=Path, help="CSV: a header of feature names; empty is missing; - for stdin")
    predict.add_argument("--out", type=Path, help="where to write the answers as CSV (default: standard output)")
    predict.add_argument(
        "--keep", action="append", default=[], metavar="COLUMN", help="copy a column, a feature or not, to the answers"
    )
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> None:
    model, told = models.load(options)
    for line in (*told, *filter(None, [model.told])):
        print(line, file=sys.stderr)
    # As many rows as the file has: there is no caller here who could ask for too many.
    service = InferenceService(model, max_rows=sys.maxsize)
    try:
        answers = csv_table.write(_answers(service, _read(options.table), options.keep))
    except (CallerFault, ModelFault) as fault:
        raise Failure(f"{options.table}: {fault.message}{_counting(fault.message)}") from fault
    _write(options.out, answers)


def _counting(message: str) -> str:
    """How rows are counted, behind a message that names one."""
    return " (rows are counted from 0, below the header)" if re.search(r"\brow \d", message) else ""


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == _STDIN else path.read_bytes()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error


def _answers(service: InferenceService, table: bytes, keep: list[str]) -> Iterator[list[str]]:
    """The lines of the answer: what is kept, then what the model says. Raises CallerFault, ModelFault."""
    lines = list(csv_table.read_lines(table))
    header = [name.strip() for name in lines[0]] if lines else []
    lines = [line for line in lines if line or len(header) == 1]
    lacking = next((name for name in keep if name not in header), None)
    if lacking is not None:
        raise CallerFault(f'there is no column "{lacking}" to keep; the header has {", ".join(header)}')
    features = {feature.name for feature in service.manifest.features}
    csv_table.check_lacking(service.manifest.features, header)
    foreign = [name for name in header if name not in features and name not in keep]
    if foreign:
        more = " ".join(f"--keep {shlex.quote(name)}" for name in foreign[:20])
        raise CallerFault(
            f"the header has {quoted(foreign)}, which is no feature of this model: copy it to the answers with {more}, "
            "or leave it out"
        )
    ragged = next((number for number, line in enumerate(lines[1:]) if len(line) != len(header)), None)
    if ragged is not None:
        raise CallerFault(f"row {ragged}: {len(lines[ragged + 1])} cells; the header has {len(header)}")
    lines[1:] = _with_truths(header, lines[1:], service.manifest.features)
    kept = [header.index(name) for name in keep]
    dropped = {place for place in kept if header[place] not in features}
    asked = ([cell for place, cell in enumerate(line) if place not in dropped] for line in lines)
    answers, _ = service.table(asked, "predict")
    for line, answer in zip(lines, answers, strict=True):
        yield [*(line[place] for place in kept), *answer]


def _with_truths(header: list[str], lines: list[list[str]], features: Sequence[Feature]) -> list[list[str]]:
    """The lines with 1 and 0 in a column of true and false whose feature is a number: so the pipeline takes them."""
    numbers = {feature.name for feature in features if feature.datatype not in {"BOOL", "BYTES"}}
    truths = {p for p, name in enumerate(header) if name in numbers and are_truths([line[p] for line in lines])}
    if not truths:
        return lines
    ones = {"true": "1", "false": "0"}
    return [
        [ones.get(cell.strip().lower(), cell) if p in truths else cell for p, cell in enumerate(line)] for line in lines
    ]


def _write(path: Path | None, answers: bytes) -> None:
    if path is None:
        sys.stdout.buffer.write(answers)
        sys.stdout.buffer.flush()
        return
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(answers)
        os.replace(part, path)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from error
