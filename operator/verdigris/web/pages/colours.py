"""The tree of colours and pods: pods that are well as a number, those that are not by name. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from verdigris.cli import words
from verdigris.cli.model.pods import Colour, Pod, unwell
from verdigris.cli.words import count, of_hundred
from verdigris.web.markup import Child, Html, element
from verdigris.web.pages.layout import BAD, GOOD, WAIT, badge, quietly

_ALIKE = 5
"""So many pods that are stuck in the same are shown one by one; the rest as a number."""


def who_has_the_clients(slots: Sequence[Colour], now: datetime, unseen: str) -> Child:
    """Each colour with its share and its pods. `unseen`: why pods are not known."""
    if not slots:
        return quietly("No version has pods yet.")
    tree = element("ul", [element("li", _slot(slot, now, pods=not unseen)) for slot in slots], class_="tree")
    return [tree, quietly(f"Pods are not shown: {unseen}") if unseen else None]


def _slot(slot: Colour, now: datetime, *, pods: bool) -> Child:
    ready = badge(f"{slot.ready}/{slot.total} ready", GOOD if slot.total and slot.ready == slot.total else WAIT)
    shares = [
        f"{how} {of_hundred(part)}"
        for how, part in (("passed on", slot.shielded), ("routed", slot.routed))
        if part is not None
    ]
    has = "warm" if slot.role == "warm" else f"{of_hundred(slot.reached)} of new connections"
    return [
        element(
            "p",
            element("span", slot.color, class_=f"color {slot.color}"),
            f" {slot.role} ",
            element("strong", slot.version or "of no known version"),
            " ",
            element("code", slot.revision) if slot.revision else None,
            " ",
            ready if pods else None,
        ),
        element("p", ", ".join([has, *shares]), class_="quiet"),
        element("ul", _pods(slot.pods, now)) if pods and slot.pods else None,
    ]


def _pods(pods: Sequence[Pod], now: datetime) -> Iterable[Html]:
    well = sum(pod.well for pod in pods)
    if well:
        yield element("li", badge(f"{count(well, 'pod')} well", GOOD))
    for group in unwell(pods):
        for pod in group[:_ALIKE]:
            yield element("li", _unwell(pod, now))
        if len(group) > _ALIKE:
            yield element("li", badge(f"and {len(group) - _ALIKE} more: {group[0].reason}", BAD))


def _unwell(pod: Pod, now: datetime) -> Child:
    again = f", {count(pod.restarts, 'restart')}" if pod.restarts else ""
    node = f", on {pod.node}" if pod.node else ""
    return [
        badge(pod.reason, BAD),
        " ",
        element("code", pod.name),
        f" for {words.since(pod.created, now)}{again}{node}",
        element("p", pod.message, class_="said") if pod.message else None,
    ]
