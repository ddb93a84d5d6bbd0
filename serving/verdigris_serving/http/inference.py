"""From a whole inference request to its response: the body's coding, the spelling, the answer's form, and faults.

The path says in which protocol is answered, ``Content-Type`` whether the rows are CSV, ``Accept-Encoding`` whether a
large answer is packed. Thread-safe: it is asked on the event loop and in threads.
"""

import logging
import time
from collections.abc import Callable, Mapping

from verdigris_serving.http import codings
from verdigris_serving.http.huge_bodies import HUGE, HugeBodyLock
from verdigris_serving.http.messages import VERSION, Request, Response
from verdigris_serving.logs import Sparse
from verdigris_serving.model.schema import Manifest
from verdigris_serving.protocol.binary import HEADER
from verdigris_serving.protocol.csv_table import CSV
from verdigris_serving.protocol.service import Answer, InferenceService, ModelFault, error_answer

#: The end of KServe V1's paths of inference.
V1 = ":predict"
#: From a body, and an id for who sent none, to the answer.
Spelling = Callable[[bytes, str], Answer]
_log = logging.getLogger("verdigris.http")


class Inference:
    """Answers requests for one model; ``limit`` is the most bytes that a body may have once it is unpacked.

    ``spellings``: what is sent to these paths, where it is neither the protocol's JSON nor CSV.
    The lock is for threads alone: what is computed on the event loop is never huge.
    """

    def __init__(
        self, service: InferenceService, limit: int, lock: HugeBodyLock, spellings: Mapping[str, Spelling]
    ) -> None:
        self._service = service
        self._limit = limit
        self._huge_bodies = lock
        self._version = version_field(service.manifest)
        self._faults = Sparse()
        self._spellings = {f"/v1/models/{service.manifest.name}{V1}": service.predict, **spellings}

    def answer(self, request: Request, fresh_id: str) -> Response:
        """The response; whatever goes wrong inside becomes a 500 without a trace."""
        try:
            answer = self._answer(request, fresh_id)
        except codings.Unreadable as refusal:
            answer = error_answer(refusal.status, refusal.message)
        except ModelFault as fault:
            self._report(fault.message, fault.request_id, trace=False)
            answer = error_answer(500, f"internal error, id {fault.request_id}: {fault.message}")
        except Exception:
            self._report("an inference failed in a way the server does not know", fresh_id, trace=True)
            answer = error_answer(500, f"internal error, id {fresh_id}")
        return _response(request, answer, self._version)

    def _answer(self, request: Request, fresh_id: str) -> Answer:
        headers, body = request.headers, request.body
        if b"content-encoding" in headers:
            body = codings.unpacked(body, headers[b"content-encoding"], self._limit)
        if len(body) <= HUGE:
            return self._answer_body(request, body, fresh_id)
        with self._huge_bodies:
            if request.abandoned:  # while it waited
                return error_answer(503, "nobody waits for the answer any more")
            return self._answer_body(request, body, fresh_id)

    def _answer_body(self, request: Request, body: bytes, fresh_id: str) -> Answer:
        headers, service = request.headers, self._service
        if headers.get(b"content-type", b"")[: len(CSV)].lower() == CSV:
            return service.infer_csv(body, fresh_id)
        spelling = self._spellings.get(request.path)
        if spelling is not None:
            return spelling(body, fresh_id)
        return service.infer(body, fresh_id, _header_length(request))

    def _report(self, message: str, request_id: str, *, trace: bool) -> None:
        held = self._faults.allow(time.monotonic())
        if held is not None:
            fields = {"request": request_id, "not_logged_before": held}
            _log.error("%s", message, exc_info=trace, extra={"fields": fields})


def version_field(manifest: Manifest) -> bytes:
    """The header field that says which version has answered."""
    return b"%b: %b\r\n" % (VERSION, manifest.version.encode())


def _response(request: Request, answer: Answer, fields: bytes) -> Response:
    body = answer.body
    if answer.header_length is not None:
        fields += b"%b: %d\r\n" % (HEADER, answer.header_length)
    if answer.status == 415:
        fields += b"accept-encoding: %b\r\n" % codings.OFFER
    if len(body) >= codings.SMALLEST and b"accept-encoding" in request.headers:
        coding = codings.acceptable(request.headers[b"accept-encoding"])
        if coding is not None:
            body = codings.packed(body, coding)
            fields += b"content-encoding: %b\r\nvary: accept-encoding\r\n" % coding
    return Response(answer.status, body, answer.content_type, fields, answer.count)


def _header_length(request: Request) -> int | None:
    """What ``Inference-Header-Content-Length`` says; None without it, -1 when it is no number."""
    said = request.headers.get(HEADER)
    if said is None:
        return None
    return int(said) if said.isdigit() and len(said) < 20 else -1
