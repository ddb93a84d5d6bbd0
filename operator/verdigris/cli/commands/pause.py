"""`pause|resume NAME`: spec.paused, a field and no decision, because a state that is held belongs to the manifest."""

from __future__ import annotations

import argparse

from verdigris.cli import asking
from verdigris.cli.commands.common import kubectl
from verdigris.cli.exits import REACHED, SUPERSEDED, CliError
from verdigris.cli.model.read import model_of

_WHY = "kubernetes.io/change-cause"
"""The annotation by which kubectl's own commands say why something was changed."""


def run(options: argparse.Namespace) -> int:
    """Set it, and say what that means."""
    cluster, wanted = kubectl(options), options.verb == "pause"
    model = model_of(cluster.document(asking.model(options.name)))
    revision = model.rollout.revision if model.rollout is not None else model.target
    if options.revision and options.revision != revision:
        raise CliError(f"Nothing was done: the revision is {revision} by now, not {options.revision}.", SUPERSEDED)
    if model.paused == wanted:
        print(f"{model.namespace}/{model.name}: spec.paused is {str(wanted).lower()} already.")
        return REACHED
    patch: dict[str, object] = {"spec": {"paused": wanted}}
    if options.reason:
        patch["metadata"] = {"annotations": {_WHY: f"{options.verb}: {options.reason}"}}
    asked = asking.patched(model.name, model.namespace, patch, f"to {options.verb} it", dry_run=options.dry_run)
    cluster.document(asked)
    dry = " (dry run: nothing was written)" if options.dry_run else ""
    then = "every rollout holds where it is; a rollback still works" if wanted else "rollouts go on"
    print(f"{model.namespace}/{model.name}: spec.paused is {str(wanted).lower()}: {then}{dry}.")
    print("Where the manifest is in Git, set it there as well: else it comes back.")
    return REACHED
