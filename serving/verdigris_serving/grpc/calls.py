"""The calls of the Open Inference Protocol: bytes in, bytes out. What a call needs of a model is told once."""

import json
from collections.abc import Mapping
from typing import Any

from verdigris_serving.grpc import open_inference_pb2 as wire
from verdigris_serving.grpc.messages import answer_of, read, request_of
from verdigris_serving.protocol.messages import CallerFault
from verdigris_serving.protocol.service import Answer, InferenceService, error_answer

#: What clients call the service, and the path of a call to it that asks for an inference.
SERVICE = "inference.GRPCInferenceService"
MODEL_INFER = f"/{SERVICE}/ModelInfer"


class Calls:
    """One model's answers. Thread-safe: nothing here changes after construction."""

    def __init__(self, service: InferenceService) -> None:
        self._service = service
        server = json.loads(service.server_metadata())
        #: The answers of calls that ask about no model.
        self.of_server: Mapping[str, bytes] = {
            "ServerLive": wire.ServerLiveResponse(live=True).SerializeToString(),
            "ServerReady": wire.ServerReadyResponse(ready=True).SerializeToString(),
            "ServerMetadata": wire.ServerMetadataResponse(
                name=server["name"], version=server["version"]
            ).SerializeToString(),
        }
        #: The answers of calls that ask about a model, when it is this one.
        self.of_model: Mapping[str, bytes] = {
            "ModelReady": wire.ModelReadyResponse(ready=True).SerializeToString(),
            "ModelMetadata": _metadata(json.loads(service.model_metadata())).SerializeToString(),
        }

    def about_model(self, call: str, body: bytes) -> Answer:
        """Answer ModelReady or ModelMetadata, whose requests are the same."""
        try:
            asked = read(wire.ModelReadyRequest, body)
        except CallerFault as fault:
            return error_answer(fault.status, fault.message)
        missing = self._service.why_not(asked.name, asked.version)
        return error_answer(404, missing) if missing else Answer(200, self.of_model[call])

    def infer(self, body: bytes, fresh_id: str) -> Answer:
        """Answer ModelInfer. A caller's fault is an Answer with a 4xx, as JSON. Raises ModelFault."""
        try:
            message = read(wire.ModelInferRequest, body)
            missing = self._service.why_not(message.model_name, message.model_version)
            if missing:
                raise CallerFault(missing, 404)
            response, count = self._service.respond(request_of(message), fresh_id)
        except CallerFault as fault:
            return error_answer(fault.status, fault.message)
        return Answer(200, answer_of(response, raw=bool(message.raw_input_contents)), count=count)


def _metadata(told: dict[str, Any]) -> wire.ModelMetadataResponse:
    tensor = wire.ModelMetadataResponse.TensorMetadata
    return wire.ModelMetadataResponse(
        name=told["name"],
        versions=told["versions"],
        platform=told["platform"],
        inputs=[tensor(**one) for one in told["inputs"]],
        outputs=[tensor(**one) for one in told["outputs"]],
    )
