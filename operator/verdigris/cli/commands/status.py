"""`status NAME [--until] [--timeout]`: for scripts. What came of it is the exit code."""

from __future__ import annotations

import argparse
import time

from verdigris.cli import asking, exits
from verdigris.cli.commands.common import kubectl, now, put_document, seconds_of
from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Kubectl
from verdigris.cli.model.deployment import Model
from verdigris.cli.model.findings import findings
from verdigris.cli.model.outcome import Outcome, outcome_of
from verdigris.cli.model.read import model_of
from verdigris.cli.views.tree import summary
from verdigris.cli.watching import Change, Ended, News, Watches

_WANTED = {
    "healthy": ("Healthy",),
    "paused": ("Paused",),
    "gated": ("Gated",),
    "rolledback": ("RolledBack",),
}
_ENDS_ANY_WAIT = ("RolledBack", "Failed", "Superseded")
_ENDS_WAIT_FOR_HEALTH = (*_ENDS_ANY_WAIT, "Gated", "Paused")


def run(options: argparse.Namespace) -> int:
    """Tell where it stands; with --until wait for it. The exit codes are those of `exits`."""
    cluster = kubectl(options)
    if options.until:
        seconds_of(options.timeout, "--timeout")
        return _wait(cluster, options)
    model = model_of(cluster.document(asking.model(options.name)))
    outcome = outcome_of(model, now(), options.revision)
    _tell(model, outcome, options.output)
    return outcome.code


def _tell(model: Model, outcome: Outcome, form: str) -> None:
    if form:
        from verdigris.cli.model.published import Status  # noqa: PLC0415 - for -o alone

        put_document(Status(model.name, model.namespace, outcome), form, [model.name])
    else:
        print(f"{model.namespace}/{model.name}: {outcome.state}: {outcome.message}", flush=True)


class _Wait:
    """What a wait knows. It is about the revision that was asked for when it began."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._revision: str = options.revision
        self._told = ""
        self.model: Model | None = None

    def take(self, news: News) -> int | None:
        """The exit code, where the wait is over by this. Raises CliError when it cannot go on."""
        if isinstance(news, Ended):
            raise news.error
        if not isinstance(news, Change):
            return None
        self.model = model_of(news.object)
        if news.type == "DELETED":
            raise CliError(f"{self.model.namespace}/{self.model.name} was deleted while it was waited for.")
        return self.look()

    def look(self) -> int | None:
        """As `take`, as time alone may have changed something."""
        if self.model is None:
            return None
        self._revision = self._revision or (self.model.target if self.model.seen else "")
        outcome = self.outcome(self.model)
        if _is_over(outcome, self._options.until):
            _tell(self.model, outcome, self._options.output)
            return exits.REACHED if outcome.state in _WANTED[self._options.until] else outcome.code
        line = summary(self.model, now())
        if line != self._told and not self._options.output:
            print(line, flush=True)
            self._told = line
        return None

    def outcome(self, model: Model) -> Outcome:
        """Where that revision's rollout stands."""
        return outcome_of(model, now(), self._revision)


def _wait(cluster: Kubectl, options: argparse.Namespace) -> int:
    until = time.monotonic() + seconds_of(options.timeout, "--timeout")
    wait = _Wait(options)
    with Watches(cluster, {"model": asking.watched_model(options.name)}) as watches:
        while (left := until - time.monotonic()) > 0:
            news = watches.next(min(1.0, left))
            # One by one: what comes after the end of the wait is not looked at.
            codes = (wait.take(one) for one in news) if news else iter([wait.look()])
            ended = next((code for code in codes if code is not None), None)
            if ended is not None:
                return ended
    model = wait.model
    if model is None:
        raise CliError(f"After {options.timeout} nothing was heard of {options.name}.", exits.TIMEOUT)
    raise CliError(
        f"After {options.timeout} {model.namespace}/{model.name} is {wait.outcome(model).state}, and not "
        f"{options.until}. {_cause(model)} kubectl verdigris why {options.name} says what to do.",
        exits.TIMEOUT,
    )


def _cause(model: Model) -> str:
    """What it waits for: a pod that is stuck before all, as that is why the rest waits."""
    found = findings(model, now())
    cause = next((one for one in found if one.about.startswith("pod ")), found[0] if found else None)
    return f"The {cause.about}: {cause.reason}: {cause.message}" if cause else "The operator has said nothing of it."


def _is_over(outcome: Outcome, until: str) -> bool:
    if outcome.state in _WANTED[until]:
        return True
    return outcome.state in (_ENDS_WAIT_FOR_HEALTH if until == "healthy" else _ENDS_ANY_WAIT)
