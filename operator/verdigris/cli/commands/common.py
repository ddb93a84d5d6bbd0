"""What the commands share: the connection, the time, and printing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from verdigris.cli import output
from verdigris.cli.exits import USAGE, CliError
from verdigris.cli.kubectl import Connection, Kubectl
from verdigris.cli.model.reading import length_of
from verdigris.cli.names import GROUP
from verdigris.cli.screen import show, terminal
from verdigris.cli.views.paint import Line, Terminal


def kubectl(options: argparse.Namespace) -> Kubectl:
    """kubectl with what is handed on to it."""
    return Kubectl(connection(options))


def connection(options: argparse.Namespace) -> Connection:
    """What is handed on to kubectl."""
    return Connection(
        context=getattr(options, "context", None) or "",
        kubeconfig=getattr(options, "kubeconfig", None) or "",
        namespace=getattr(options, "namespace", None) or "",
        user=getattr(options, "user", None) or "",
        groups=tuple(getattr(options, "groups", None) or ()),
        request_timeout=getattr(options, "request_timeout", None) or "",
    )


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(timezone.utc)


def here() -> Terminal:
    """What stdout can show."""
    return terminal(sys.stdout, os.environ)


def seconds_of(text: str, option: str) -> float:
    """A duration such as 30s or 5m, in seconds. Raises CliError with the code of a usage error."""
    found: timedelta | None = length_of(text)
    if found is None:
        raise CliError(f"{option} {text} is no duration: write for example 30s, 5m or 1h30m.", USAGE)
    return found.total_seconds()


def put(lines: Iterable[Line]) -> None:
    """Print lines for people."""
    show(list(lines))


def put_document(published: Any, form: str, names: Iterable[str] = (), *, compact: bool = False) -> None:
    """Print one of `published.KINDS` in this form; for `name`, the names of the models."""
    if form == "name":
        print("\n".join(f"modeldeployment.{GROUP}/{name}" for name in names), flush=True)
        return
    print(output.written(output.document(published), form, compact=compact), flush=True)
