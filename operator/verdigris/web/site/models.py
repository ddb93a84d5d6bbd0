"""What the pages of models are made from: asked of the cluster, put together, handed to `pages`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from verdigris.cli.exits import CliError
from verdigris.cli.model.deciding import Chosen, about, document
from verdigris.cli.model.deployment import Decided, Model
from verdigris.cli.model.differences import differences
from verdigris.cli.model.pods import pod_of
from verdigris.cli.model.read import decision_of, model_of
from verdigris.cli.model.reading import part, text
from verdigris.cli.names import DECIDING
from verdigris.web.markup import Html, path
from verdigris.web.pages.deciding import Choice
from verdigris.web.pages.fleet import fleet, verb_awaited
from verdigris.web.pages.layout import Frame
from verdigris.web.pages.model import Shown, model_page
from verdigris.web.port import NEVER, Cluster, Key, Look, Missing, Outdated, Right
from verdigris.web.site.messages import Answer, elsewhere
from verdigris.web.timeline import span_of, timeline

_LONGEST_REASON = 1024


async def all_models(cluster: Cluster, now: datetime, frame: Frame) -> Html:
    """The list. Rights are asked of those models alone that wait for somebody."""
    number = await cluster.changed(NEVER, None, 0.0)
    seen = await cluster.fleet()
    awaited = {_key(model): verb for model in seen.models if (verb := verb_awaited(model, now))}
    allowed = await _allowed(cluster, awaited.items())
    return fleet(seen.models, {key for key, _ in allowed}, now, replace(frame, number=number), seen.told)


async def one_model(key: Key, cluster: Cluster, now: datetime, frame: Frame) -> Html:
    """One model. What may not be read is said, and the rest is shown."""
    number = await cluster.changed(NEVER, key, 0.0)
    look = await cluster.look(key)
    model = model_of(look.model)
    span = span_of(model, now)
    awaited = verb_awaited(model, now)
    possible = {verb: chosen for verb in DECIDING if (chosen := _possible(model, verb, awaited))}
    measured, allowed = await asyncio.gather(
        cluster.measured(key, span), _allowed(cluster, [(key, verb) for verb in possible])
    )
    shown = Shown(
        model=model,
        now=now,
        pods=None if look.pods is None else tuple(pod_of(one) for one in look.pods),
        differences=differences(look.model, look.children or ()),
        decided=_decided(model, look),
        timeline=timeline(model, look.seen, measured, span),
        choices=tuple(
            Choice(verb, chosen, (key, verb) in allowed, verb == awaited) for verb, chosen in possible.items()
        ),
        unseen=dict(look.unseen),
        told=look.told,
    )
    return model_page(shown, replace(frame, number=number))


async def decide(key: Key, form: Mapping[str, str], cluster: Cluster) -> Answer:
    """Create the decision that the form asks for, about the revision that it names, and show the model again."""
    verb, reason = form.get("verb", ""), form.get("reason", "").strip()[:_LONGEST_REASON]
    if verb not in DECIDING or not form.get("revision"):
        raise Missing(f"There is no decision {verb[:40]!r} about a revision {form.get('revision', '')[:80]!r}.")
    model = model_of((await cluster.look(key)).model)
    try:
        chosen = about(model, verb, form["revision"])
    except CliError as error:
        raise Outdated(str(error)) from error
    await cluster.decide(document(model, verb, chosen.revision, cluster.person, reason))
    return elsewhere(f"{path('models', key.namespace, key.name)}#h-history")


def _possible(model: Model, verb: str, awaited: str) -> Chosen | None:
    """What it would be about; None where there is nothing to decide by this verb.

    Nobody is asked to approve what is not waiting; and to roll back a rollout is to abort it.
    """
    if (verb == "approve" and awaited != verb) or (verb == "rollback" and model.rollout is not None):
        return None
    try:
        return about(model, verb)
    except CliError:
        return None


async def _allowed(cluster: Cluster, wanted: Iterable[tuple[Key, str]]) -> set[tuple[Key, str]]:
    """Which of these decisions the person may make: the verb on the model, and creating the decision at all."""
    wanted = list(wanted)
    rights = [Right(verb, "modeldeployments", key.namespace, key.name) for key, verb in wanted]
    rights += [Right("create", "rolloutdecisions", key.namespace) for key, _ in wanted]
    answers = await cluster.may(rights) if rights else ()
    return {one for place, one in enumerate(wanted) if answers[place] and answers[place + len(wanted)]}


def _decided(model: Model, look: Look) -> tuple[Decided, ...]:
    """The newest first; those that the status remembers where they cannot be listed."""
    if look.decisions is None:
        return tuple(reversed(model.decisions))
    mine = [one for one in look.decisions if text(part(one, "spec"), "modelDeployment") == model.name]
    return tuple(sorted((decision_of(one) for one in mine), key=lambda one: one.at, reverse=True))


def _key(model: Model) -> Key:
    return Key(model.namespace, model.name)
