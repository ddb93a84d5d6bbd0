"""Which path means what. The table is built once; a path that is not in it gets a sentence that says why."""

from collections.abc import Collection, Mapping

from verdigris_serving.http.inference import V1
from verdigris_serving.protocol.service import Answer, InferenceService, error_answer

#: How the paths of inference end.
INFERENCES = ("/infer", "/infer/", V1)


class Routes:
    """The paths of the Open Inference Protocol and of KServe V1 for one model; a trailing slash makes no difference.

    ``page`` is what else is answered to GET; ``others`` are the paths of inference that come by another port.
    """

    def __init__(
        self, service: InferenceService, page: Mapping[str, Answer] | None = None, others: Collection[str] = ()
    ) -> None:
        manifest = service.manifest
        bases = [f"/v2/models/{manifest.name}", f"/v2/models/{manifest.name}/versions/{manifest.version}"]
        self._service = service
        self._others = others
        first = f"/v1/models/{manifest.name}"
        #: Where an inference is asked of whichever version there is, and where of any.
        self.of_any_version = frozenset([f"{first}{V1}", *(f"{bases[0]}/infer{slash}" for slash in ("", "/"))])
        self.infer = self.of_any_version | {f"{bases[1]}/infer{slash}" for slash in ("", "/")}
        bodies = {
            "/v2": service.server_metadata(),
            "/v2/health/live": b'{"live":true}',
            "/v2/health/ready": b'{"ready":true}',
            "/v2/openapi.json": service.openapi(),
            "/v1/models": service.model_list(),
            first: service.ready_body(),
        }
        for base in bases:
            bodies[base] = service.model_metadata()
            bodies[f"{base}/ready"] = service.ready_body()
        self._get = {**{path: Answer(200, body) for path, body in bodies.items()}, **(page or {})}

    def label(self, path: str) -> str:
        """The path in this server's own words: a caller may have written anything into it."""
        if path in self.infer or path in self._others:
            return "infer"
        plain = path.rstrip("/") or "/"
        return plain if plain in self._get or plain == "/metrics" else "unknown"

    def look_up(self, method: str, path: str) -> tuple[Answer, str]:
        """The answer to anything but an inference request, and what to put into ``Allow`` (empty: nothing)."""
        plain = path.rstrip("/") or "/"
        if plain in self._get:
            if method in {"GET", "HEAD"}:
                return self._get[plain], ""
            return error_answer(405, f"{method} is not defined for this path; use GET"), "GET"
        if path in self.infer:
            return error_answer(405, f"{method} is not defined for inference; use POST"), "POST"
        return error_answer(404, self._why_not(plain)), ""

    def _why_not(self, path: str) -> str:
        manifest = self._service.manifest
        parts = path.split("/")[1:]
        if parts[1:2] != ["models"] or parts[0] not in {"v1", "v2"} or len(parts) < 3:
            return f"there is no such path; {self._service.here}, under /v2/models/{manifest.name}"
        model = parts[2].removesuffix(V1) if parts[0] == "v1" else parts[2]
        version = parts[4] if len(parts) > 4 and parts[3] == "versions" else ""
        if missing := self._service.why_not(model, version):
            return missing
        protocol = "/ready and /infer" if parts[0] == "v2" else f"{manifest.name}{V1}"
        return f"there is no such path under /{parts[0]}/models/{manifest.name}; the protocol has {protocol}"
