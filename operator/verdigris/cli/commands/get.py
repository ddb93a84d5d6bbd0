"""`get NAME [-w]`: one model as a tree, once or for as long as one looks at it."""

from __future__ import annotations

import argparse

from verdigris.cli import asking
from verdigris.cli.commands.common import here, kubectl, now, put, put_document
from verdigris.cli.exits import REACHED, CliError
from verdigris.cli.kubectl import Kubectl
from verdigris.cli.model.pods import colours, pod_of
from verdigris.cli.model.read import model_of
from verdigris.cli.model.reading import parts
from verdigris.cli.views.tree import Picture, tree


def run(options: argparse.Namespace) -> int:
    """Show it. With -w until Ctrl-C, or until the model is deleted."""
    cluster = kubectl(options)
    if options.watch:
        from verdigris.cli.commands.following import follow  # noqa: PLC0415 - threads, for -w alone: starts are quick

        return follow(cluster, options)
    picture = _picture(cluster, options.name)
    if options.output:
        put_picture(picture, options.output)
    else:
        put(tree(picture, now(), here()))
    return REACHED


def _picture(cluster: Kubectl, name: str) -> Picture:
    model, pods = cluster.documents([asking.model(name), asking.pods(name)])
    if isinstance(model, CliError):
        raise model
    if isinstance(pods, CliError):
        return Picture(model_of(model), pods_unseen=str(pods))
    return Picture(model_of(model), tuple(pod_of(one) for one in parts(pods, "items")))


def put_picture(picture: Picture, form: str, *, compact: bool = False) -> None:
    """Print it as a document."""
    from verdigris.cli.model.published import Tree  # noqa: PLC0415 - all that can be published, for -o alone

    published = Tree(picture.model, colours(picture.model, picture.pods), picture.pods_unseen or None)
    put_document(published, form, [picture.model.name], compact=compact)
