"""The model in KServe's SDK: `python kserve_model.py --http_port PORT MODEL.joblib`, run in KServe's own environment.

A `Model` subclass as KServe's documentation has it for a custom predictor.
"""

import sys

import joblib
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import generate_uuid


class Diabetes(Model):
    """Answers the probabilities of both classes."""

    def __init__(self, path: str) -> None:
        super().__init__("diabetes")
        self._path = path
        self.load()

    def load(self) -> bool:
        """Read the pipeline; only then is the model ready."""
        self._pipeline = joblib.load(self._path)
        self.ready = True
        return self.ready

    def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> InferResponse:  # noqa: ARG002
        """Open Inference Protocol in, Open Inference Protocol out."""
        probabilities = self._pipeline.predict_proba(payload.inputs[0].as_numpy())
        output = InferOutput("probabilities", list(probabilities.shape), "FP64")
        output.set_data_from_numpy(probabilities, binary_data=False)
        # Without an id in the request it has none, and then the SDK fails to build its own answer.
        return InferResponse(payload.id or generate_uuid(), self.name, [output])


if __name__ == "__main__":
    ModelServer(enable_grpc=False, enable_latency_logging=False).start([Diabetes(sys.argv[-1])])
