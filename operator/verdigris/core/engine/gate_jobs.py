"""The Jobs of gates: made once what they are asked is kept, ended when nobody waits for them; what they may reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import ceil
from typing import Any

from verdigris.api.spec import AnyGate, FairnessGate, JobGate, QualityGate
from verdigris.children import gate_job, network_policy, pod_additions
from verdigris.children.names import gate_policy_name
from verdigris.core.actions import Action, Keep, Remove
from verdigris.core.rendering import template_of
from verdigris.core.steps.gate import gate_of, gate_status
from verdigris.core.steps.gate_document import claims, deadline_of, digest, document
from verdigris.core.turn import Turn


def gate_jobs(turn: Turn) -> Iterator[Action]:
    """The Job of the gate under way, once what it is asked is kept; and the end of those that nobody waits for.

    A load that goes on after a person has promoted the version would meet it together with its clients.
    """
    rollout, kept = turn.status.rollout, turn.observed.status.rollout
    if kept is None:
        return
    is_on = rollout is not None and not rollout.taken_back and rollout.started_at == kept.started_at
    gate, known = (gate_of(turn), gate_status(turn)) if is_on and turn.rollout.kind is not None else (None, None)
    for step in kept.steps:
        waited_for = known is not None and step.gate is not None and step.gate.job == known.job
        if step.gate is not None and step.gate.verdict not in ("Pass", "Fail") and not waited_for:
            yield Remove(gate_job.API_VERSION, "Job", step.gate.job)
    if rollout is None or gate is None or known is None or known.verdict is not None or turn.observed.gate is not None:
        return
    template = template_of(turn, rollout.revision)
    if template is None:
        return
    question = document(turn, gate)
    is_kept = any(step.gate is not None and step.gate.job == known.job for step in kept.steps)
    if is_kept and isinstance(question, str) and digest(question) == known.asked:
        yield Keep(_gate_job(turn, gate, known.job, question, template))


def _gate_job(turn: Turn, gate: AnyGate, name: str, question: str, template: Mapping[str, Any]) -> Mapping[str, Any]:
    own = gate.resources if isinstance(gate, JobGate) else None
    other = own or turn.policy.rollout.gate_resources
    asked = gate_job.Question(
        gate.kind,
        question,
        ceil(deadline_of(gate).total_seconds()),
        claims(turn, gate),
        pod_additions.resources(other) if other is not None else None,
        gate if isinstance(gate, JobGate) else None,
    )
    return gate_job.build(turn.observed.owner, name, asked, template, turn.rollout.revision)


def gate_policy(turn: Turn, model_uris: Iterable[str]) -> Iterator[Action]:
    """What the pods of gates may reach, for as long as gates are asked for: what the model's own pods fetch, and rows.

    A pod whose Job is removed has its grace to end in, and a removal may be refused: it stays bound meanwhile.
    """
    owner, spec, asked = turn.observed.owner, turn.observed.spec, turn.policy.rollout.steps
    uris = {step.gate.data.uri for step in asked if isinstance(step.gate, QualityGate | FairnessGate)}
    manifest = network_policy.of_gates(owner, sorted({*model_uris, *uris}), spec.serving.network_policy)
    if spec.serving.network_policy.enabled and any(step.gate is not None for step in asked):
        yield Keep(manifest)
    else:
        yield Remove(manifest["apiVersion"], manifest["kind"], gate_policy_name(owner.name))
