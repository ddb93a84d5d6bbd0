"""`logs NAME`: what a model's pods write. kubectl shows it; which pods is ours to know."""

from __future__ import annotations

import argparse
import sys

from verdigris.cli import asking
from verdigris.cli.commands.common import kubectl
from verdigris.cli.exits import CliError
from verdigris.cli.model.deployment import Model
from verdigris.cli.model.read import model_of
from verdigris.cli.names import COLOR_LABEL, MODEL_LABEL

_AT_ONCE = 50
"""Logs that are followed at the same time; kubectl refuses more than it was told."""


def run(options: argparse.Namespace) -> int:
    """Of the version on trial, else of the active one. The exit code is kubectl's."""
    cluster = kubectl(options)
    color, namespace = options.color, ""
    if not color:
        model = model_of(cluster.document(asking.model(options.name)))
        ref = model.rollout or model.active
        if ref is None:
            raise CliError(
                f"{model.namespace}/{model.name} has no version that runs: kubectl verdigris why {model.name}."
            )
        color, namespace = ref.color, model.namespace
        print(_whose(model), file=sys.stderr, flush=True)
    labels = f"{MODEL_LABEL}={options.name},{COLOR_LABEL}={color}"
    command = ["logs", f"--selector={labels}", "--prefix", f"--tail={options.tail}", f"--max-log-requests={_AT_ONCE}"]
    command += [f"--container={options.container}"] if options.container else ["--all-containers"]
    command += ["--previous"] * options.previous + ["--follow"] * options.follow
    command += [f"--namespace={namespace}"] if namespace else []
    return cluster.hand_over(command)


def _whose(model: Model) -> str:
    """Which version's logs follow, and that those of a rejected one are gone."""
    if model.rollout is not None:
        return f"Of {model.rollout.version} ({model.rollout.color}), which is on trial:"
    shown = f"Of {model.active.version} ({model.active.color}), which is active" if model.active is not None else ""
    gone = model.rejection
    return f"{shown}; the pods of {gone.version}, which was rejected, have ended:" if gone is not None else f"{shown}:"
