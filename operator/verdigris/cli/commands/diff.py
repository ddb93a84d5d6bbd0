"""`diff NAME`: the spec against what runs. Exit code 0 also where they differ."""

from __future__ import annotations

import argparse
import sys

from verdigris.cli import asking
from verdigris.cli.commands.common import here, kubectl, put, put_document
from verdigris.cli.exits import REACHED, CliError
from verdigris.cli.model.differences import differences
from verdigris.cli.model.read import model_of
from verdigris.cli.model.reading import parts
from verdigris.cli.views.lists import differences as shown


def run(options: argparse.Namespace) -> int:
    """Show each field that differs. What may not be read is told, and left out."""
    document, children = kubectl(options).documents(
        [
            asking.model(options.name),
            asking.of_model("deployments,services", options.name, "to compare pods and Service"),
        ]
    )
    if isinstance(document, CliError):
        raise document
    if isinstance(children, CliError):
        print(f"Pods and Service are not compared: {children}", file=sys.stderr)
    model = model_of(document)
    found = differences(document, [] if isinstance(children, CliError) else parts(children, "items"))
    if options.output:
        from verdigris.cli.model.published import Differences  # noqa: PLC0415 - for -o alone

        put_document(Differences(model.name, model.namespace, found), options.output, [model.name])
    else:
        put(shown(model, found, here()))
    return REACHED
