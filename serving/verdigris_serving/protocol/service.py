"""The protocol's operations for one loaded model. Thread-safe: nothing here changes after construction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from verdigris_serving import __version__
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Manifest, Row
from verdigris_serving.protocol.messages import (
    CallerFault,
    InferRequest,
    InferResponse,
    LooseRequest,
    OutputTensor,
    decode_request,
)
from verdigris_serving.protocol.tensors import InputReader

_LABEL_DATATYPES: dict[type, str] = {bool: "BOOL", int: "INT64", str: "BYTES"}
_encode = msgspec.json.Encoder().encode


class ModelFault(Exception):
    """The model failed on a request that is the caller's right to send: a 5xx. ``request_id`` goes to both ends."""

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id


@dataclass(frozen=True)
class Answer:
    """A status of HTTP (the protocol defines itself by them) and a body of JSON."""

    status: int
    body: bytes


def error_answer(status: int, message: str) -> Answer:
    """The protocol's error: ``{"error": message}``."""
    return Answer(status, _encode({"error": message}))


class InferenceService:
    """Metadata and inference for one model; ``observe`` is told the rows and scores of each inference that succeeds."""

    def __init__(
        self, model: LoadedModel, observe: Callable[[list[Row], list[list[float]]], None] | None = None
    ) -> None:
        self.manifest = model.manifest
        self._observe = observe
        self._predictor = model.predictor
        self._reader = InputReader(model.manifest.features)
        self._outputs = output_metadata(model.manifest)
        self._output_names = frozenset(output["name"] for output in self._outputs)

    def infer(self, body: bytes, fresh_id: str) -> Answer:
        """Answer one request; ``fresh_id`` is used when the caller sent no id.

        A caller's fault is an Answer with a 4xx. Raises ModelFault when the model has no answer.
        """
        try:
            request = decode_request(body)
            rows = self._reader.rows(request)
            wanted = self._wanted(request)
        except CallerFault as fault:
            return error_answer(fault.status, fault.message)
        request_id = request.id or fresh_id
        try:
            scores = [self._predictor.scores(row) for row in rows]
        except NonFiniteScore as fault:
            raise ModelFault(str(fault), request_id) from fault
        if self._observe is not None:
            self._observe(rows, scores)
        outputs = [tensor for tensor in self._tensors(scores) if wanted is None or tensor.name in wanted]
        manifest = self.manifest
        return Answer(200, _encode(InferResponse(manifest.name, manifest.version, request_id, outputs)))

    def _wanted(self, request: InferRequest | LooseRequest) -> set[str] | None:
        if not request.outputs:
            return None
        wanted = {output.name for output in request.outputs}
        unknown = wanted - self._output_names
        if unknown:
            have = ", ".join(sorted(self._output_names))
            raise CallerFault(f'there is no output "{min(unknown)[:100]}"; this model gives {have}')
        return wanted

    def _tensors(self, scores: list[list[float]]) -> list[OutputTensor]:
        manifest, count = self.manifest, len(scores)
        if manifest.task == "regression":
            return [OutputTensor("value", "FP64", [count], [row[0] for row in scores])]
        labels = [manifest.classes[_choose(row, manifest.threshold)] for row in scores]
        probabilities = scores[0] if count == 1 else [value for row in scores for value in row]
        return [
            OutputTensor("label", self._outputs[0]["datatype"], [count], labels),
            OutputTensor("probabilities", "FP64", [count, len(manifest.classes)], probabilities),
        ]

    def server_metadata(self) -> bytes:
        """The body of ``GET /v2``."""
        return _encode({"name": "verdigris", "version": __version__, "extensions": []})

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
                "outputs": self._outputs,
            }
        )

    def ready_body(self) -> bytes:
        """The body of ``GET /v2/models/{model}/ready``."""
        return _encode({"name": self.manifest.name, "ready": True})


def output_metadata(manifest: Manifest) -> list[dict[str, Any]]:
    """Name, datatype and shape of each output, in the order they are answered."""
    if manifest.task == "regression":
        return [{"name": "value", "datatype": "FP64", "shape": [-1]}]
    return [
        {"name": "label", "datatype": _LABEL_DATATYPES[type(manifest.classes[0])], "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, len(manifest.classes)]},
    ]


def _choose(probabilities: list[float], threshold: float | None) -> int:
    """The index of the class to answer: the second of two at or above the threshold, else the likeliest."""
    if threshold is not None:
        return int(probabilities[1] >= threshold)
    return max(range(len(probabilities)), key=probabilities.__getitem__)
