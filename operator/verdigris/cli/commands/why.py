"""`why NAME`: what is the matter, by the operator's own words, with the numbers and the next thing to do."""

from __future__ import annotations

import argparse

from verdigris.cli import asking
from verdigris.cli.commands.common import here, kubectl, now, put, put_document
from verdigris.cli.exits import REACHED, CliError
from verdigris.cli.model.findings import findings
from verdigris.cli.model.pods import pod_of
from verdigris.cli.model.read import model_of
from verdigris.cli.model.reading import parts
from verdigris.cli.views.lists import why


def run(options: argparse.Namespace) -> int:
    """Show every finding, the cause first. Without the right to see pods, all but their number is known."""
    document, pods = kubectl(options).documents([asking.model(options.name), asking.pods(options.name)])
    if isinstance(document, CliError):
        raise document
    model = model_of(document)
    known = None if isinstance(pods, CliError) else [pod_of(one) for one in parts(pods, "items")]
    found = findings(model, now(), known)
    if options.output:
        from verdigris.cli.model.published import Findings  # noqa: PLC0415 - for -o alone

        put_document(Findings(model.name, model.namespace, found), options.output, [model.name])
    else:
        put(why(model, found, here()))
    return REACHED
