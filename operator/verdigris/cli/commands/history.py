"""`history NAME`: the rollouts that have ended, the last rollback, and who decided what."""

from __future__ import annotations

import argparse

from verdigris.cli import asking
from verdigris.cli.commands.common import here, kubectl, put, put_document
from verdigris.cli.exits import REACHED, CliError
from verdigris.cli.model.read import decision_of, model_of
from verdigris.cli.model.reading import part, parts, text
from verdigris.cli.names import DECISIONS
from verdigris.cli.views.lists import history


def run(options: argparse.Namespace) -> int:
    """Show it. Decisions that may not be listed are taken from the model's own status, which keeps the last ones."""
    document, listed = kubectl(options).documents(
        [asking.model(options.name), asking.everything(DECISIONS, "to show who decided what")]
    )
    if isinstance(document, CliError):
        raise document
    model = model_of(document)
    if isinstance(listed, CliError):
        decided = list(reversed(model.decisions))
    else:
        mine = [one for one in parts(listed, "items") if text(part(one, "spec"), "modelDeployment") == model.name]
        decided = sorted((decision_of(one) for one in mine), key=lambda one: one.at, reverse=True)
    if options.output:
        from verdigris.cli.model.published import History  # noqa: PLC0415 - for -o alone

        published = History(model.name, model.namespace, model.history, tuple(decided), model.last_rollback)
        put_document(published, options.output, [model.name])
    else:
        put(history(model, decided, here()))
    return REACHED
