"""The spec against what runs: version, policy in force, pods, sizes, the clients' Service. PURE.

Only what the spec states is compared: what it leaves to the operator is not a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from verdigris.cli.model.reading import Raw, length_of, part, parts, text, whole
from verdigris.cli.names import COLOR_LABEL, SERVER_CONTAINER


@dataclass(frozen=True)
class Difference:
    """A field (its path in the manifest), what the spec says, what runs, and what follows from it."""

    field: str
    spec: str
    running: str
    note: str = ""


def differences(model: Raw, children: Iterable[Raw]) -> tuple[Difference, ...]:
    """All differences. `children` are the model's Deployments and Services, as far as they could be read."""
    children = list(children)
    spec, status = part(model, "spec"), part(model, "status")
    name, active = text(part(model, "metadata"), "name"), part(status, "active")
    pods = _named(children, "Deployment", f"{name}-{text(active, 'color')}")
    service = _named(children, "Service", name)
    return (
        *_version(spec, status),
        *_policy(spec, part(status, "rollout", "policy")),
        *(_pods(spec, pods) if pods is not None else ()),
        *(_service(spec, service) if service is not None else ()),
        *_stray(children, status),
    )


def _version(spec: Raw, status: Raw) -> Iterator[Difference]:
    wanted, active, rollout = part(spec, "model"), part(status, "active"), part(status, "rollout")
    rejected = {text(one, "revision"): text(one, "reason") for one in parts(status, "rejected")}
    target = text(part(status, "target"), "revision")
    if target in rejected:
        note = f"rejected: {rejected[target]}"
    elif rollout:
        note = f"rollout under way: {text(rollout, 'stage')}"
    else:
        note = "not begun"
    for field, label in (("version", "spec.model.version"), ("sha256", "spec.model.sha256")):
        if text(wanted, field) and text(wanted, field) != text(active, field):
            yield Difference(label, _short(text(wanted, field)), _short(text(active, field)) or "nothing", note)
    if target and target != text(active, "revision") and text(wanted, "version") == text(active, "version"):
        yield Difference("revision (its pods)", target, text(active, "revision") or "nothing", note)


def _short(value: str) -> str:
    return f"{value[:12]}…" if len(value) == 64 else value


def _policy(spec: Raw, kept: Raw) -> Iterator[Difference]:
    """What was edited since the rollout began: it goes by what was declared then."""
    for section in ("rollout", "analysis"):
        before, now = part(kept, section), part(spec, section)
        for field in sorted(now) if before else ():
            if _differs(now[field], before.get(field)):
                running = _told(before.get(field))
                yield Difference(f"spec.{section}.{field}", _told(now[field]), running, "counts for the next rollout")


def _differs(now: Any, before: Any) -> bool:
    """What is only in what was kept are defaults, which the spec may leave out."""
    if isinstance(now, dict) and isinstance(before, dict):
        return any(_differs(inner, before.get(name)) for name, inner in now.items())
    if isinstance(now, list) and isinstance(before, list):
        return len(now) != len(before) or any(_differs(one, other) for one, other in zip(now, before))
    if before is None:
        return now not in (None, "", [], {})
    return bool(_meaning(now) != _meaning(before))


def _meaning(value: Any) -> Any:
    """`5m` is `300s`."""
    length = length_of(value) if isinstance(value, str) else None
    return value if length is None else length


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_told(inner)}" for name, inner in value.items()) or "{}"
    if isinstance(value, list):
        return f"[{', '.join(_told(inner) for inner in value)}]"
    return (
        {True: "true", False: "false", None: "nothing"}.get(value, str(value)) if not isinstance(value, str) else value
    )


def _pods(spec: Raw, deployment: Raw) -> Iterator[Difference]:
    serving, template = part(spec, "serving"), part(deployment, "spec", "template", "spec")
    server = next((one for one in parts(template, "containers") if one.get("name") == SERVER_CONTAINER), {})
    later = "comes with the next rollout"
    image = text(serving, "image")
    if image and image != text(server, "image"):
        yield Difference("spec.serving.image", image, text(server, "image") or "nothing", later)
    for kind in ("requests", "limits"):
        asked, running = part(serving, "resources", kind), part(server, "resources", kind)
        for resource in sorted({*asked, *running}):
            if resource in asked and str(asked[resource]) != str(running.get(resource, "nothing")):
                field = f"spec.serving.resources.{kind}.{resource}"
                yield Difference(field, str(asked[resource]), str(running.get(resource, "nothing")), later)
    yield from _environment(serving, server, later)
    yield from _size(spec, deployment)


def _environment(serving: Raw, server: Raw, later: str) -> Iterator[Difference]:
    """By name only: a value may be a secret."""
    running = {text(one, "name"): one for one in parts(server, "env")}
    for one in parts(serving, "env"):
        name = text(one, "name")
        if running.get(name) != one:
            yield Difference(f"spec.serving.env[{name}]", "set", "another" if name in running else "nothing", later)


def _size(spec: Raw, deployment: Raw) -> Iterator[Difference]:
    scaling = part(spec, "autoscaling")
    least, most = whole(scaling, "replicas") or whole(scaling, "minReplicas"), whole(scaling, "maxReplicas")
    size, ready = whole(part(deployment, "spec"), "replicas"), whole(part(deployment, "status"), "readyReplicas")
    if scaling.get("external") is True or not least:
        return
    if not least <= size <= max(least, most):
        yield Difference(
            "spec.autoscaling", f"{least} to {max(least, most)} pods", f"{size} pods", "kept while a rollout needs it"
        )
    if ready < size:
        yield Difference(
            "spec.autoscaling", f"{size} pods", f"{ready} ready", "kubectl verdigris get shows which are not"
        )


def _service(spec: Raw, service: Raw) -> Iterator[Difference]:
    asked, running = part(spec, "serving", "service"), part(service, "spec")
    port = next((one for one in parts(running, "ports") if one.get("name") in ("http", None)), {})
    kept = "put back by the operator, unless somebody else keeps writing it"
    if text(asked, "type") and text(asked, "type") != text(running, "type"):
        yield Difference("spec.serving.service.type", text(asked, "type"), text(running, "type"), kept)
    if whole(asked, "port") and whole(asked, "port") != whole(port, "port"):
        yield Difference("spec.serving.service.port", str(whole(asked, "port")), str(whole(port, "port")), kept)


def _stray(children: Iterable[Raw], status: Raw) -> Iterator[Difference]:
    """A colour that has no role and pods all the same."""
    in_use = {text(part(status, role), "color") for role in ("active", "rollout", "warm")}
    for one in children:
        color = text(part(one, "metadata", "labels"), COLOR_LABEL)
        size = whole(part(one, "spec"), "replicas")
        if one.get("kind") == "Deployment" and color and color not in in_use and size:
            yield Difference(f"colour {color}", "0 pods", f"{size} pods", "scaled down by the operator")


def _named(children: Iterable[Raw], kind: str, name: str) -> Raw | None:
    found = (one for one in children if one.get("kind") == kind and text(part(one, "metadata"), "name") == name)
    return next(found, None)
