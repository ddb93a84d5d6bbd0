"""`get NAME -w`: the tree, drawn anew at each change; in a pipe one line, or one document, a change."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Any

from verdigris.cli import asking
from verdigris.cli.commands.common import now
from verdigris.cli.commands.get import put_picture
from verdigris.cli.exits import REACHED
from verdigris.cli.kubectl import Kubectl
from verdigris.cli.model.pods import Pod, pod_of
from verdigris.cli.model.read import model_of
from verdigris.cli.model.reading import part, text
from verdigris.cli.screen import Screen, can_redraw
from verdigris.cli.views.tree import Picture, summary, tree
from verdigris.cli.watching import Anew, Away, Change, Ended, News, Watches

_TICK = 1.0
"""Seconds after which it is drawn again although nothing has come: times go on."""
_SETTLE = 0.2
"""Seconds for which more news are awaited before the next picture: many small changes come together."""


class Known:
    """What the watches have told so far."""

    def __init__(self) -> None:
        self.model: Mapping[str, Any] | None = None
        self.deleted = False
        self._pods: dict[str, Pod] = {}
        self._unseen = ""
        self._away = ""
        self._anew = False

    def take(self, news: News) -> None:
        """Raises CliError when the model itself cannot be watched."""
        if isinstance(news, Ended):
            if news.source == "model":
                raise news.error
            self._unseen = str(news.error)
        elif isinstance(news, Anew):
            self._anew = self._anew or news.source == "pods"
        elif isinstance(news, Away):
            self._away = str(news.error)
        elif news.source == "model":
            self._away = ""
            self.deleted = news.type == "DELETED"
            self.model = news.object
        else:
            self._take_pod(news)

    def _take_pod(self, news: Change) -> None:
        if self._anew:
            # What the last watch told may be gone by now.
            self._pods, self._anew = {}, False
        name = text(part(news.object, "metadata"), "name")
        if news.type == "DELETED":
            self._pods.pop(name, None)
        else:
            self._pods[name] = pod_of(news.object)

    def picture(self) -> Picture | None:
        """None as long as the model is not known."""
        if self.model is None:
            return None
        pods = tuple(self._pods[name] for name in sorted(self._pods))
        return Picture(model_of(self.model), pods, self._unseen, self._away)


def follow(cluster: Kubectl, options: argparse.Namespace) -> int:
    """Until Ctrl-C, or until the model is deleted."""
    redrawn = can_redraw(sys.stdout, os.environ) and not options.output
    # A line a change needs no pods, and they may be many.
    sources = {"model": asking.watched_model(options.name)}
    if redrawn:
        sources["pods"] = asking.pods(options.name, watch=True)
    with Watches(cluster, sources) as watches:
        if redrawn:
            with Screen(sys.stdout, os.environ) as screen:
                return _draw(watches, screen)
        return _write(watches, options.output)


def _draw(watches: Watches, screen: Screen) -> int:
    known = Known()
    while not known.deleted:
        news = watches.next(_TICK)
        for one in [*news, *(watches.next(_SETTLE) if news else ())]:
            known.take(one)
        picture = known.picture()
        if picture is not None:
            screen.draw(tree(picture, now(), screen.terminal))
    return REACHED


def _write(watches: Watches, form: str) -> int:
    """One line, or one document, a change. What only repeats the last one is left out."""
    known, last = Known(), ""
    while not known.deleted:
        for one in watches.next(_TICK):
            known.take(one)
            picture = known.picture()
            if picture is None or not isinstance(one, Change):
                continue
            told = summary(picture.model, now())
            if form:
                put_picture(picture, form, compact=True)
            elif told != last:
                print(f"{now():%Y-%m-%dT%H:%M:%SZ} {told}", flush=True)
                last = told
    print("The model was deleted.", file=sys.stderr)
    return REACHED
