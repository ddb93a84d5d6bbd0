"""The protocol's operations for one loaded model. Thread-safe: nothing here changes after construction."""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec
from msgspec import UNSET, Struct

from verdigris_serving import __version__
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import LabelPredictor, LoadedModel
from verdigris_serving.model.schema import Row, Said
from verdigris_serving.protocol import binary, csv_table
from verdigris_serving.protocol.explaining import explanation
from verdigris_serving.protocol.messages import (
    AnyRequest,
    CallerFault,
    InferResponse,
    LooseRequest,
    OutputTensor,
    RowsRequest,
    decode_request,
)
from verdigris_serving.protocol.openapi import openapi_document
from verdigris_serving.protocol.outputs import OutputWriter
from verdigris_serving.protocol.spellings import as_tensors, predictions
from verdigris_serving.protocol.tensors import MAX_ROWS, InputReader

JSON, OCTETS = b"application/json", b"application/octet-stream"
_encode = msgspec.json.Encoder().encode
#: In the server's extensions: it passes a share of its requests on, and answers what does not come back well.
SHIELD = "verdigris_shield"
_NO_ANSWER = (
    "row {}: the model has no answer to this combination of values, though each is within its feature's range: it is "
    "too far from what the model was trained on"
)

#: Counts the rows of one answer, to be called once the client has it.
Count = Callable[[], None]
#: Told the rows as the model saw them, and their scores, after each inference that succeeded.
Observer = Callable[[list[Row], list[list[float]]], Count]


class ModelFault(Exception):
    """The model failed on a request that is the caller's right to send: a 5xx. ``request_id`` goes to both ends."""

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id


class Answer(Struct, frozen=True):
    """A status of HTTP (the protocol defines itself by them), a body and what its headers must say.

    ``header_length`` is None, or the number to send as ``Inference-Header-Content-Length``. ``count`` is what the
    Observer made of the rows; None where nobody observes, or nothing was inferred.
    """

    status: int
    body: bytes
    content_type: bytes = JSON
    header_length: int | None = None
    count: Count | None = None


#: The rows as the model saw them, the places clamped, the answer, and what counts it.
_Solved = tuple[list[Row], list[str], list[OutputTensor], Count | None]


def error_answer(status: int, message: str) -> Answer:
    """The protocol's error: ``{"error": message}``."""
    return Answer(status, _encode({"error": message}))


class InferenceService:
    """Metadata and inference for one model; ``observe`` is told of each inference that succeeded."""

    def __init__(self, model: LoadedModel, observe: Observer | None = None, max_rows: int = MAX_ROWS) -> None:
        self.manifest = manifest = model.manifest
        #: What there is instead of what a caller asked for in vain.
        self.here = f'this server has model "{manifest.name}" in version "{manifest.version}"'
        self._observe = observe
        self._max_rows = max_rows
        self._scores = model.predictor.scores
        self._scores_many = model.predictor.scores_many
        own = model.manifest.label_from == "model"
        self._labelled = cast(LabelPredictor, model.predictor).labelled if own else None
        self._reader = InputReader(model.manifest.features, max_rows)
        self._writer = OutputWriter(model.manifest, explanation(model))

    def infer(self, body: bytes, fresh_id: str, header_length: int | None = None) -> Answer:
        """Answer one request; ``fresh_id`` is used when the caller sent no id.

        ``header_length`` is what ``Inference-Header-Content-Length`` said, None without that header (and -1 when it
        was no number). A caller's fault is an Answer with a 4xx. Raises ModelFault when the model has no answer.
        """
        try:
            request = self._read(body, header_length)
            response, count = self.respond(request, fresh_id)
        except CallerFault as fault:
            return error_answer(fault.status, fault.message)
        in_binary = _in_binary(request, response.outputs)
        if not in_binary:
            return Answer(200, _encode(response), count=count)
        outputs, data = binary.detach(response.outputs, in_binary)
        head = _encode(msgspec.structs.replace(response, outputs=outputs))
        return Answer(200, head + data, OCTETS, len(head), count)

    def respond(self, request: AnyRequest, fresh_id: str) -> tuple[InferResponse, Count | None]:
        """The answer to a request that has been decoded, and its count. Raises CallerFault, and ModelFault."""
        manifest, request_id = self.manifest, request.id or fresh_id
        _rows, clamped, outputs, count = self._solve(request, request_id)
        parameters = {"clamped": clamped} if clamped else UNSET
        return InferResponse(manifest.name, manifest.version, request_id, outputs, parameters), count

    def infer_csv(self, body: bytes, fresh_id: str) -> Answer:
        """Answer rows that are sent as CSV by CSV, a line a row; faults as with ``infer``."""
        try:
            answers, count = self.table(csv_table.read_lines(body), fresh_id)
        except CallerFault as fault:
            return error_answer(fault.status, fault.message)
        return Answer(200, csv_table.write(answers), csv_table.CSV, count=count)

    def table(self, lines: Iterator[list[str]], request_id: str) -> tuple[list[list[str]], Count | None]:
        """Cells in, cells out, both below a header, and the count. Raises CallerFault, and ModelFault."""
        reader = csv_table.CsvReader(self.manifest.features, next(lines, []))
        sent = reader.tensors(lines)
        rows, _, outputs, count = self._solve(LooseRequest(inputs=sent), request_id)
        writer = csv_table.CsvWriter(self.manifest.features, self.manifest.classes)
        return [writer.header(outputs), *writer.lines(outputs, sent, rows)], count

    def predict(self, body: bytes, fresh_id: str) -> Answer:
        """Answer one request of KServe V1: ``{"predictions": […]}``, a label a row or a value; faults as above."""
        try:
            request = self._read(body, None)
            whole = msgspec.structs.replace(request, outputs=None)
            _, clamped, outputs, count = self._solve(whole, request.id or fresh_id)
        except CallerFault as fault:
            return error_answer(fault.status, fault.message)
        return Answer(200, predictions(outputs[0], clamped), count=count)

    def _read(self, body: bytes, header_length: int | None) -> AnyRequest:
        head, tail = (body, b"") if header_length is None else binary.split(body, header_length)
        request = decode_request(head)
        if isinstance(request, RowsRequest):
            request = as_tensors(request, self.manifest.features)
        return request if header_length is None else binary.attach(request, tail)

    def _solve(self, request: AnyRequest, request_id: str) -> _Solved:
        """What the request comes to. Raises CallerFault, ModelFault."""
        rows, clamped = self._reader.rows(request)
        names = self._writer.wanted(request, len(rows))
        try:
            said: Sequence[Said] | None = None
            if self._labelled is not None and "label" in names:
                scores, said = self._labelled(rows)
            else:
                scores = [self._scores(rows[0])] if len(rows) == 1 else self._scores_many(rows)
            outputs = self._writer.tensors(names, rows, scores, said)
        except NonFiniteScore as fault:
            if self.manifest.partial:
                raise CallerFault(_NO_ANSWER.format(self._first_without_answer(rows))) from fault
            raise ModelFault(str(fault), request_id) from fault
        count = None if self._observe is None else self._observe(rows, scores)
        return rows, clamped, outputs, count

    def _first_without_answer(self, rows: list[Row]) -> int:
        """The number of the first row that the model has no answer to, by halving: there is one."""
        first, last = 0, len(rows) - 1
        while first < last:
            middle = (first + last) // 2
            try:
                self._scores_many(rows[first : middle + 1])
                first = middle + 1
            except NonFiniteScore:
                last = middle
        return first

    def why_not(self, name: str, version: str = "") -> str:
        """Why there is no such model, or no such version of it, in words; empty when there is."""
        if name != self.manifest.name:
            return f'there is no model "{name[:100]}"; {self.here}'
        if version not in {"", self.manifest.version}:
            return f'there is no version "{version[:100]}"; {self.here}'
        return ""

    def server_metadata(self) -> bytes:
        """The body of ``GET /v2``."""
        return _encode({"name": "verdigris", "version": __version__, "extensions": [binary.EXTENSION, SHIELD]})

    def model_metadata(self) -> bytes:
        """The body of ``GET /v2/models/{model}``: the features by name, in the order of the one-tensor spelling."""
        manifest = self.manifest
        inputs = [{"name": f.name, "datatype": f.datatype, "shape": [-1, 1]} for f in manifest.features]
        return _encode(
            {
                "name": manifest.name,
                "versions": [manifest.version],
                "platform": f"verdigris_{manifest.format}",
                "inputs": inputs,
                "outputs": self._writer.metadata,
            }
        )

    def ready_body(self) -> bytes:
        """The body of ``GET /v2/models/{model}/ready``."""
        return _encode({"name": self.manifest.name, "ready": True})

    def model_list(self) -> bytes:
        """The body of KServe V1's ``GET /v1/models``."""
        return _encode({"models": [self.manifest.name]})

    def openapi(self) -> bytes:
        """The body of ``GET /v2/openapi.json``: this very model's interface as OpenAPI 3.1."""
        return _encode(openapi_document(self.manifest, self._writer.metadata, self._max_rows))


def _in_binary(request: AnyRequest, outputs: list[OutputTensor]) -> list[bool]:
    """For each output whether it is to be answered in binary; empty when none is."""
    if request.parameters is None and request.outputs is None:
        return []
    usual = bool(request.parameters and request.parameters.binary_data_output)
    told = {
        output.name: output.parameters.binary_data
        for output in request.outputs or []
        if output.parameters and output.parameters.binary_data is not None
    }
    chosen = [told.get(output.name, usual) for output in outputs]
    return chosen if any(chosen) else []
