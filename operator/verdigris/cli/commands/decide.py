"""`approve|promote|abort|retry|rollback NAME`: a RolloutDecision about the revision of now, and what came of it."""

from __future__ import annotations

import argparse
import time

from verdigris.cli import asking, exits
from verdigris.cli.commands.common import kubectl, now, seconds_of
from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Kubectl
from verdigris.cli.model.deciding import about, changes, document
from verdigris.cli.model.read import model_of
from verdigris.cli.model.reading import Raw, part, text
from verdigris.cli.watching import Change, Ended, Watches


def run(options: argparse.Namespace) -> int:
    """Decide. 0: accepted; 1: refused; 6: the revision has moved on; 124: the operator has not answered."""
    cluster, patience = kubectl(options), seconds_of(options.timeout, "--timeout")
    asked, person = cluster.texts_as_documents([asking.model(options.name), asking.whoami()])
    model = model_of(asked)
    chosen = about(model, options.verb, options.revision)
    decision = document(model, options.verb, chosen.revision, _name_of(person), options.reason)
    made = cluster.document(asking.created(decision, f"to {options.verb} a version", dry_run=options.dry_run))
    print(
        f"{options.verb} {model.namespace}/{model.name} {chosen.revision} (version {chosen.version}): {chosen.meaning}"
    )
    if options.dry_run:
        print("Dry run: the API server would take the decision, and nothing was decided.")
        return exits.REACHED
    name = text(part(made, "metadata"), "name")
    answered = _answer(cluster, name, model.namespace, patience)
    if answered is None:
        raise CliError(
            f"RolloutDecision {name} was created, and the operator has not answered within {options.timeout}: "
            "it will when it is back. kubectl verdigris check says whether it is there.",
            exits.TIMEOUT,
        )
    print(f"{text(answered, 'outcome')}: {text(answered, 'message')}")
    if text(answered, "outcome") != "Accepted":
        return exits.ERROR
    for change in changes(model, model_of(cluster.document(asking.model(options.name))), now()):
        print(f"  {change}")
    return exits.REACHED


def _name_of(person: Raw) -> str:
    name = text(part(person, "status", "userInfo"), "username")
    if not name:
        raise CliError("The API server does not say who you are (kubectl auth whoami), so nothing can be decided.")
    return name


def _answer(cluster: Kubectl, name: str, namespace: str, patience: float) -> Raw | None:
    """Its status once it has an outcome; None where there is none in time."""
    until = time.monotonic() + patience
    with Watches(cluster, {"decision": asking.decision(name, namespace, watch=True)}) as watches:
        while (left := until - time.monotonic()) > 0:
            for news in watches.next(left):
                if isinstance(news, Ended):
                    raise news.error
                if isinstance(news, Change) and text(part(news.object, "status"), "outcome"):
                    return part(news.object, "status")
    return None
