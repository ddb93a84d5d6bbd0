"""Runs inside the cluster: a model registry that answers as MLflow does what the operator and the fetch step ask."""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = "/api/2.0/mlflow/"
MODELS: dict[str, list[dict[str, Any]]] = {}
"""The versions of each registered model; number 1 comes first."""
ALIASES: dict[tuple[str, str], str] = {}
LOCK = Lock()
Json = dict[str, Any]


class Unknown(Exception):
    """There is no such model, version or alias."""


def create(said: Json) -> Json:
    """`model-versions/create`, which here makes the model, too."""
    versions = MODELS.setdefault(said["name"], [])
    number = str(len(versions) + 1)
    versions.append({**said, "version": number, "status": "READY"})
    return {"model_version": versions[-1]}


def give(said: Json) -> Json:
    """`registered-models/alias`, POST."""
    version_of(said)
    ALIASES[said["name"], said["alias"]] = said["version"]
    return {}


def by_alias(said: Json) -> Json:
    """`registered-models/alias`, GET."""
    number = ALIASES.get((said["name"], said["alias"]))
    if number is None:
        raise Unknown(f"Registered model alias {said['alias']} not found.")
    return {"model_version": version_of({**said, "version": number})}


def version_of(said: Json) -> Json:
    """The version that is named."""
    versions = MODELS.get(said["name"], [])
    if not 0 < int(said["version"]) <= len(versions):
        raise Unknown(f"Model Version (name={said['name']}, version={said['version']}) not found")
    return versions[int(said["version"]) - 1]


def search(said: Json) -> Json:
    """`model-versions/search`, by the one filter that the operator uses."""
    asked = re.fullmatch("name='(.*)' AND tags.`(.*)` LIKE '%'", said["filter"])
    if asked is None:
        raise Unknown(f"this stand-in does not know the filter {said['filter']}")
    found = [one for one in MODELS.get(asked[1], []) if any(tag["key"] == asked[2] for tag in one["tags"])]
    return {"model_versions": found}


def tag(said: Json) -> Json:
    """`model-versions/set-tag`; `delete-tag` where it has no value."""
    version = version_of(said)
    version["tags"] = [one for one in version["tags"] if one["key"] != said["key"]]
    if "value" in said:
        version["tags"].append({"key": said["key"], "value": said["value"]})
    return {}


CALLS = {
    ("POST", "model-versions/create"): create,
    ("POST", "registered-models/alias"): give,
    ("GET", "registered-models/alias"): by_alias,
    ("GET", "model-versions/get"): lambda said: {"model_version": version_of(said)},
    ("GET", "model-versions/get-download-uri"): lambda said: {"artifact_uri": version_of(said)["source"]},
    ("GET", "model-versions/search"): search,
    ("POST", "model-versions/set-tag"): tag,
    ("DELETE", "model-versions/delete-tag"): tag,
}


class Handler(BaseHTTPRequestHandler):
    """One call of MLflow's REST API."""

    def do_GET(self) -> None:
        """What is asked by a query."""
        self._answer({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

    def do_POST(self) -> None:
        """What is asked by a JSON object."""
        self._answer(json.loads(self._body()))

    def do_DELETE(self) -> None:
        """As a POST."""
        self.do_POST()

    def _body(self) -> bytes:
        """With its length, as MLflow's clients send it, or in chunks, as the API server's proxy does."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _answer(self, said: Json) -> None:
        call = CALLS.get((self.command, urlsplit(self.path).path.removeprefix(API)))
        try:
            with LOCK:
                status, answer = (200, call(said)) if call else (404, {})
        except Unknown as unknown:
            status, answer = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": str(unknown)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
