"""The real API server by HTTP: one connection for hundreds of questions, where kubectl would need a process each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import config

BAD_REQUEST, CONFLICT, UNPROCESSABLE = 400, 409, 422
API = "/apis/verdigris.dev/v1alpha1"


@dataclass(frozen=True)
class Answer:
    """What the API server said: the object as it would be stored, or why not."""

    code: int
    body: Mapping[str, Any]

    @property
    def accepted(self) -> bool:
        """Whether it would be stored."""
        return self.code in {200, 201}

    @property
    def is_invalid(self) -> bool:
        """Whether the CRD is against it. An admission policy (403) is asked after the CRD's own checks."""
        return self.code in {BAD_REQUEST, UNPROCESSABLE}

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec after defaulting."""
        found: Mapping[str, Any] = self.body["spec"]
        return found

    @property
    def status(self) -> Mapping[str, Any]:
        """The status."""
        found: Mapping[str, Any] = self.body["status"]
        return found

    @property
    def message(self) -> str:
        """Why it was refused."""
        return str(self.body.get("message", ""))


class ApiServer:
    """Asks for the creation of objects in one namespace; with `dry_run` nothing is stored."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._client = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        self.namespace = namespace

    def create(self, plural: str, manifest: Mapping[str, Any], *, dry_run: bool = True) -> Answer:
        """POST the manifest, with unknown fields refused as kubectl does it."""
        options = "fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self._send("POST", f"{self._path(plural)}?{options}", manifest)

    def replace_status(self, plural: str, name: str, status: Mapping[str, Any]) -> Answer:
        """PUT a whole status; nothing is stored. Again when an operator that runs here wrote in between."""
        path = f"{self._path(plural)}/{name}"
        for _ in range(5):
            manifest = {**self._send("GET", path).body, "status": status}
            answer = self._send("PUT", f"{path}/status?fieldValidation=Strict&dryRun=All", manifest)
            if answer.code != CONFLICT:
                break
        return answer

    def _path(self, plural: str) -> str:
        return f"{API}/namespaces/{self.namespace}/{plural}"

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        response = self._client.call_api(method, self._client.configuration.host + path, headers, body)
        return Answer(response.status, json.loads(response.read()))
