"""The smoke gate: every row that may be sent is answered as the artifact does, and every bad request refused."""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import uvloop

from verdigris_serving.gate import malformed, synthetic
from verdigris_serving.gate.client import Address, Line, Reply, asked, connected, unreachable
from verdigris_serving.gate.config import Smoke
from verdigris_serving.gate.fetched import Fetcher
from verdigris_serving.gate.result import ArtifactRead, Check, Finding, Verdict
from verdigris_serving.model.golden import difference
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.protocol.messages import InferResponse
from verdigris_serving.protocol.service import InferenceService, ModelFault

#: Connections that ask at once: all of the server's paths are gone, and nobody is put under load.
_CONNECTIONS = 4
#: After so many requests without any answer the rest is not asked.
_SILENT = 5
#: Rows of the last requests: a batch takes other ways than one row.
_BATCH = 10
_SAME = 1e-9
_NAMED = 3


@dataclass(frozen=True)
class Question:
    """One request, ``what`` it is in words, and the answer that is due: None for one that must be refused."""

    what: str
    request: bytes
    due: InferResponse | None


def smoke(config: Smoke, fetcher: Fetcher) -> Finding:
    """Ask, compare. Raises Refusal, NotNow."""
    address = Address.of(config.url)
    model = fetcher.model(config.model)
    questions = list(made(model, address, config.rows, config.seed))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        replies = runner.run(_ask_all(questions, address, config.answer_seconds))
    return Finding(
        judge(questions, replies),
        artifact=ArtifactRead(sha256=model.sha256, version=model.manifest.version),
        seed=config.seed,
    )


def made(model: LoadedModel, address: Address, count: int, seed: int) -> list[Question]:
    """``count`` rows that must be answered, the last tenth in batches of ten; then what must be refused."""
    service, source = InferenceService(model), random.Random(seed)
    rows = synthetic.rows(model, count, source)
    alone = count - count // 10 // _BATCH * _BATCH
    parts = [[row] for row in rows[:alone]] + [rows[k : k + _BATCH] for k in range(alone, count, _BATCH)]
    path = f"/v2/models/{model.manifest.name}/infer"
    questions = []
    for number, part in enumerate(parts):
        body = msgspec.json.encode({"id": f"smoke-{number}", "rows": part})
        questions.append(Question(f"row set {number}", address.request(path, body), _due(service, body)))
    bad = malformed.requests(model.manifest, rows[0], address)
    return questions + [Question(each.what, each.request, None) for each in bad]


def _due(service: InferenceService, body: bytes) -> InferResponse | None:
    """What the artifact answers: nothing to a combination that its pipeline itself has no answer to."""
    try:
        answer = service.infer(body, "smoke")
    except ModelFault as fault:
        manifest = service.manifest
        # An answer is due all the same: the row may be sent.
        return InferResponse(manifest.name, manifest.version, fault.request_id, [])
    return msgspec.json.decode(answer.body, type=InferResponse) if answer.status == 200 else None


def judge(questions: Sequence[Question], replies: Sequence[Reply | None]) -> list[Check]:
    """From each question and its reply (None: not asked any more) to two checks. Pure."""
    faults: dict[bool, list[str]] = {True: [], False: []}
    counts = {True: 0, False: 0}
    for question, reply in zip(questions, replies, strict=True):
        good = question.due is not None
        counts[good] += 1
        fault = "it was not asked any more" if reply is None else _fault(question.due, reply)
        if fault:
            faults[good].append(f"{question.what}: {fault}")
    return [
        _check("answered", counts[True], faults[True], "rows that may be sent are answered as the artifact does"),
        _check("refused", counts[False], faults[False], "bad requests are refused with a 4xx"),
    ]


def _check(name: str, count: int, faults: Sequence[str], what: str) -> Check:
    kept = count - len(faults)
    message = f"{kept:,} of {count:,} {what}"
    if faults:
        more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        message += f"; {'; '.join(faults[:_NAMED])}{more}"
    verdict = Verdict.FAIL if faults else Verdict.PASS
    return Check(name=name, verdict=verdict, message=message, value=kept, threshold=count, bound="min", n=count)


def _fault(due: InferResponse | None, reply: Reply) -> str:
    """What is wrong with a reply; empty when nothing is."""
    if reply.fault:
        return reply.fault
    if due is None:
        return "" if 400 <= reply.status < 500 else f"it was answered {reply.status}"
    if reply.status != 200:
        return f"it was answered {reply.status}"
    try:
        got = msgspec.json.decode(reply.body, type=InferResponse)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "the answer is none of the Open Inference Protocol"
    if (got.model_name, got.model_version) != (due.model_name, due.model_version):
        return (
            f"{got.model_name} {got.model_version} answered, and the artifact is {due.model_name} {due.model_version}"
        )
    return _difference(got, due)


def _difference(got: InferResponse, due: InferResponse) -> str:
    shapes = [[(each.name, each.shape) for each in answer.outputs] for answer in (got, due)]
    if shapes[0] != shapes[1]:
        return f"its outputs are {shapes[0]}, and the artifact's {shapes[1]}"
    for own, other in zip(got.outputs, due.outputs, strict=True):
        values, wanted = own.data, other.data
        if not isinstance(values, list) or not isinstance(wanted, list) or len(values) != len(wanted):
            return f"{own.name} has another number of values than its shape says"
        if any(isinstance(value, float) and not math.isfinite(value) for value in values):
            return f"{own.name} is not finite"
        if not _same(values, wanted):
            return f"{own.name} is another than the artifact gives"
    return ""


def _same(values: Sequence[Any], wanted: Sequence[Any]) -> bool:
    pairs = list(zip(values, wanted, strict=True))
    if all(isinstance(value, int | float) for pair in pairs for value in pair):
        return difference(list(values), list(wanted)) <= _SAME
    return all(value == other for value, other in pairs)


async def _ask_all(questions: Sequence[Question], address: Address, within: float) -> list[Reply | None]:
    await _reach(address, within)
    replies: list[Reply | None] = [None] * len(questions)
    work, silent = iter(range(len(questions))), 0

    async def ask_some() -> None:
        nonlocal silent
        line: Line | None = None
        for number in work:
            if silent >= _SILENT:
                return
            line, reply = await _ask(line, address, questions[number].request, within)
            replies[number] = reply
            silent += not reply.status

    await asyncio.gather(*(ask_some() for _ in range(_CONNECTIONS)))
    return replies


async def _ask(line: Line | None, address: Address, request: bytes, within: float) -> tuple[Line | None, Reply]:
    try:
        if line is None or not line.usable:
            line = await connected(address, within)
        reply = await asked(line, request, within)
        if reply.stale:
            line = await connected(address, within)
            reply = await asked(line, request, within)
    except OSError as error:
        return None, Reply(0, fault=f"there was no connection: {error}")
    return line, reply


async def _reach(address: Address, within: float) -> None:
    try:
        (await connected(address, within)).close()
    except OSError as error:
        raise unreachable(address, error) from error
