"""`list [-A] [-l] [-w]`: all models, one a line."""

from __future__ import annotations

import argparse
import os
import sys

from verdigris.cli import asking
from verdigris.cli.commands.common import here, kubectl, now, put, put_document
from verdigris.cli.exits import REACHED
from verdigris.cli.kubectl import Kubectl
from verdigris.cli.model.deployment import Model
from verdigris.cli.model.read import model_of
from verdigris.cli.model.reading import parts
from verdigris.cli.screen import Screen, can_redraw
from verdigris.cli.views.lists import models
from verdigris.cli.views.paint import Line, Terminal, line
from verdigris.cli.views.tree import summary
from verdigris.cli.watching import Anew, Change, Ended, News, Watches

_TICK, _SETTLE = 1.0, 0.2


def run(options: argparse.Namespace) -> int:
    """Show them. With -w until Ctrl-C."""
    cluster = kubectl(options)
    if options.watch:
        return _follow(cluster, options)
    answer = cluster.document(asking.models(options.selector, everywhere=options.all_namespaces))
    found = [model_of(one) for one in parts(answer, "items")]
    if options.output:
        _put(found, options.output)
    else:
        put(_lines(found, options.all_namespaces, here()))
    return REACHED


def _put(found: list[Model], form: str, *, compact: bool = False) -> None:
    from verdigris.cli.model.published import ModelList  # noqa: PLC0415 - for -o alone

    put_document(ModelList(tuple(found)), form, [one.name for one in found], compact=compact)


def _lines(found: list[Model], everywhere: bool, terminal: Terminal) -> list[Line]:
    if not found:
        where = "" if everywhere else " in this namespace (-A: in all)"
        return [line(f"There is no model{where}.")]
    return models(found, now(), terminal, namespaces=everywhere)


class _Known:
    """The models that the watch has told of, by namespace and name."""

    def __init__(self) -> None:
        self.models: dict[tuple[str, str], Model] = {}
        self._anew = False

    def take(self, news: News) -> None:
        """Raises CliError when they cannot be watched."""
        if isinstance(news, Ended):
            raise news.error
        if not isinstance(news, Change):
            self._anew = self._anew or isinstance(news, Anew)
            return
        if self._anew:
            self.models, self._anew = {}, False
        model = model_of(news.object)
        if news.type == "DELETED":
            self.models.pop((model.namespace, model.name), None)
        else:
            self.models[model.namespace, model.name] = model

    def sorted(self) -> list[Model]:
        """By namespace and name."""
        return [self.models[key] for key in sorted(self.models)]


def _follow(cluster: Kubectl, options: argparse.Namespace) -> int:
    asked = asking.models(options.selector, everywhere=options.all_namespaces, watch=True)
    with Watches(cluster, {"models": asked}) as watches:
        if options.output or not can_redraw(sys.stdout, os.environ):
            return _write(watches, options.output)
        with Screen(sys.stdout, os.environ) as screen:
            known = _Known()
            while True:
                news = watches.next(_TICK)
                for one in [*news, *(watches.next(_SETTLE) if news else ())]:
                    known.take(one)
                screen.draw(_lines(known.sorted(), options.all_namespaces, screen.terminal))


def _write(watches: Watches, form: str) -> int:
    known = _Known()
    last: dict[str, str] = {}
    while True:
        for one in watches.next(_TICK):
            known.take(one)
            if not isinstance(one, Change):
                continue
            model = model_of(one.object)
            told = f"{model.namespace}/{model.name} was deleted" if one.type == "DELETED" else summary(model, now())
            key = f"{model.namespace}/{model.name}"
            if form:
                _put([model], form, compact=True)
            elif last.get(key) != told:
                print(f"{now():%Y-%m-%dT%H:%M:%SZ} {told}", flush=True)
                last[key] = told
