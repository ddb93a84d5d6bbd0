"""``verdigris-model serve``: the very server that runs in pods, on this machine alone unless told otherwise."""

import argparse
import json
import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verdigris_serving.artifact.cli import MAX_BYTES, Commands, Failure
from verdigris_serving.artifact.verify import Expectation
from verdigris_serving.environment import max_bytes
from verdigris_serving.http.limits import Limits
from verdigris_serving.http.listener import DEFAULT_PORT, listen
from verdigris_serving.laptop import model as models
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.protocol.example import example
from verdigris_serving.settings import ModelSettings, ServerSettings

#: Seconds that open connections get after Ctrl-C.
_GRACE = 1.0
#: Nobody gives orders to a server on a laptop.
_NO_FILE = Path(os.devnull) / "none"


def add(commands: Commands) -> None:
    """Add the command."""
    serve = commands.add_parser("serve", help="serve a model on this machine")
    models.add_options(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine)")
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"default {DEFAULT_PORT}; 0 takes a free one")
    serve.add_argument("--no-page", action="store_true", help="answer requests only, without the page at /")
    serve.add_argument("--max-body-mib", type=int, default=8, metavar="MIB", help="largest request (default 8)")
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> None:
    if sys.platform == "win32":
        raise Failure("serving needs Linux or macOS: on Windows, run it in WSL")
    if not 1 <= options.max_body_mib <= 1_024:
        raise Failure(f"--max-body-mib {options.max_body_mib}: a number from 1 to 1024 is needed")
    # On Windows the server's packages are not there.
    from verdigris_serving.serve import run  # noqa: PLC0415

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    model, told = models.load(options)
    listener = _listen(options.host, options.port)
    for line in (*told, *_banner(model, options.host, listener.getsockname()[1], page=not options.no_page)):
        print(line, flush=True)
    settings = _settings(options)
    run(model, settings, Limits.for_bodies_of(settings.max_body), listener)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(port, host)
    except (OSError, OverflowError) as error:
        raise Failure(f"port {port} of {host} cannot be listened on: {error}; another one: --port 0") from error


def _settings(options: argparse.Namespace) -> ServerSettings:
    return ServerSettings(
        model=ModelSettings(options.model, Expectation(), max_bytes(os.environ, MAX_BYTES)),
        port=options.port,
        traffic_file=_NO_FILE,
        shield_file=_NO_FILE,
        grpc_port=None,
        concurrency=8,
        queue=64,
        access_log=0.0,
        grace=_GRACE,
        max_body=options.max_body_mib * 2**20,
        page=not options.no_page,
    )


def _banner(model: LoadedModel, host: str, port: int, *, page: bool) -> Iterator[str]:
    manifest = model.manifest
    shown = f"[{host}]" if ":" in host else host
    base = f"http://{'localhost' if host in {'', '0.0.0.0', '::'} else shown}:{port}"
    yield f"{manifest.name} {manifest.version}, format {manifest.format}, {len(manifest.features)} features: {base}/"
    if page:
        yield f"  a form to ask it      {base}/"
    yield f"  its OpenAPI document  {base}/v2/openapi.json"
    yield "  ask it from a shell"
    yield f"    {curl(base, model)}"
    yield "Ctrl-C ends it."


def curl(base: str, model: LoadedModel) -> str:
    """A command that asks the model served at ``base`` about one row, and works as it stands."""
    body: dict[str, Any] = {"rows": [example(model)]}
    url = f"{base}/v2/models/{model.manifest.name}/infer"
    return f"curl -s {shlex.quote(url)} -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
