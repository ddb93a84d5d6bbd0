"""`recommend NAME`: requests that the model's own use suggests, and the patch that would set them."""

from __future__ import annotations

import argparse
import json

from verdigris.cli import asking
from verdigris.cli.commands.common import here, kubectl, put, put_document
from verdigris.cli.exits import REACHED
from verdigris.cli.model.read import model_of
from verdigris.cli.model.reading import part
from verdigris.cli.views.lists import recommendation


def run(options: argparse.Namespace) -> int:
    """Show it. Nothing is applied."""
    document = kubectl(options).document(asking.model(options.name))
    model = model_of(document)
    asked = part(document, "spec", "serving", "resources", "requests")
    requests = [(name, str(asked[name])) for name in ("cpu", "memory") if name in asked]
    told = model.recommendation
    if options.output:
        from verdigris.cli.model.published import Recommended  # noqa: PLC0415 - for -o alone

        published = Recommended(model.name, model.namespace, dict(requests), told)
        put_document(published, options.output, [model.name])
        return REACHED
    put(recommendation(model, requests, here()))
    if told is not None:
        wanted = {"spec": {"serving": {"resources": {"requests": {"cpu": told.cpu, "memory": told.memory}}}}}
        print(f"  kubectl patch mdep {model.name} -n {model.namespace} --type=merge -p '{json.dumps(wanted)}'")
    return REACHED
