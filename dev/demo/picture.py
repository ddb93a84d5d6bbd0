"""The picture: requests a second by version and outcome over time, the operator's decisions marked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dev.demo.figures import Act
from dev.demo.records import Request

BIN = 0.5
"""Seconds that one step of the picture sums up."""
MARGIN = 5.0
"""Seconds shown before the apply."""

# Okabe and Ito's palette: told apart with every common colour blindness. Failures are hatched besides.
ANSWER_COLORS = ("#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#0072B2")
BAD_COLOR, LOST_COLOR, INK = "#D55E00", "#000000", "#333333"
SPARED = "failed by the version on trial, answered by the active one"
BAD, LOST = "500: the model's own fault", "lost: refused, reset, timed out ..."


def layer_of(request: Request) -> str:
    """The layer of the picture that a request belongs to."""
    if request.result == "answered":
        return f"200 by {request.version}"
    return BAD if request.result == "bad" else LOST


def binned(
    requests: Sequence[Request], begin: float, end: float, zero: float
) -> tuple[list[float], dict[str, list[float]]]:
    """Requests a second in steps of BIN: left edges (seconds after `zero`), and for each layer one height a step.

    A request counts when it ended: that is when a client knew.
    """
    steps = int((end - begin) / BIN)
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for request in requests:
        step = int((request.ended - begin) // BIN)
        if 0 <= step < steps:
            counts[layer_of(request)][step] += 1
    edges = [begin - zero + BIN * step for step in range(steps)]
    return edges, {layer: [count[step] / BIN for step in range(steps)] for layer, count in counts.items()}


def lanes(labels: Sequence[tuple[float, str]], seconds_a_character: float) -> list[int]:
    """A lane for each label (x, text), given from left to right, 0 the lowest.

    A label lies above every later one that it reaches over, so that no line of a later one crosses its text.
    """
    chosen: list[int] = []
    for n in range(len(labels) - 1, -1, -1):
        end = labels[n][0] + (len(labels[n][1]) + 2) * seconds_a_character
        below = [lane for (x, _), lane in zip(labels[n + 1 :], chosen, strict=True) if x < end]
        chosen.insert(0, 1 + max(below, default=-1))
    return chosen


def draw(
    requests: Sequence[Request],
    acts: Sequence[tuple[str, Act]],
    folder: Path,
    spared: Mapping[Act, Sequence[tuple[float, float]]],
) -> list[Path]:
    """Draw one panel an act and write `demo.png` and `demo.svg` into the folder. Returns their paths.

    `spared` has, of acts behind the shield, the total of what clients were spared over time (unix seconds).
    """
    figure = Figure(figsize=(11, 4.1 * len(acts)), layout="constrained")
    panels = figure.subplots(len(acts), 1, squeeze=False)[:, 0]
    versions = sorted({request.version for request in requests if request.version and request.result == "answered"})
    colors = {f"200 by {version}": color for version, color in zip(versions, ANSWER_COLORS, strict=False)}
    for panel, (title, act) in zip(panels, acts, strict=True):
        _panel(panel, requests, act, title, {**colors, BAD: BAD_COLOR, LOST: LOST_COLOR})
        _draw_spared(panel, act, spared.get(act, ()))
    panels[-1].set_xlabel("seconds after kubectl apply")
    handles = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "demo.png", folder / "demo.svg"]
    for path in paths:
        figure.savefig(path, dpi=160)
    return paths


def _panel(panel: Any, requests: Sequence[Request], act: Act, title: str, colors: dict[str, str]) -> None:
    begin = act.begin - MARGIN
    edges, layers = binned(requests, begin, act.end, act.begin)
    top = _stack(panel, edges, layers, colors)
    panel.set(xlim=(-MARGIN, act.end - act.begin), ylim=(0, 1.05 * top), ylabel="requests / s")
    panel.spines[["top", "right"]].set_visible(False)
    rows = _decisions(panel, act, seconds_a_character=(act.end - begin) / 150)
    panel.set_title(title, loc="left", pad=17 * rows + 4, fontweight="bold")


def _draw_spared(panel: Any, act: Act, totals: Sequence[tuple[float, float]]) -> None:
    """A line over the answers: how many a second would have been errors."""
    steps = [(b[0] - act.begin, (b[1] - a[1]) / (b[0] - a[0])) for a, b in pairwise(totals)]
    if any(rate for _, rate in steps):
        panel.step(*zip(*steps, strict=True), where="pre", color=BAD_COLOR, lw=2, label=SPARED)


def _stack(panel: Any, edges: list[float], layers: dict[str, list[float]], colors: dict[str, str]) -> float:
    """Draw the layers on top of each other; returns the greatest height."""
    floor = [0.0] * len(edges)
    for layer, color in colors.items():
        if layer not in layers:
            continue
        hatch = "////" if layer in (BAD, LOST) else None
        look = {"label": layer, "color": color, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
        panel.bar(edges, layers[layer], BIN, floor, align="edge", **look)
        floor = [low + height for low, height in zip(floor, layers[layer], strict=True)]
    return max(floor, default=1.0)


def _decisions(panel: Any, act: Act, seconds_a_character: float) -> int:
    """Draw a labelled line for each decision; returns how many rows of labels there are."""
    labels = [(at - act.begin, f"{what} {at - act.begin:.1f} s") for at, what in sorted(act.marks)]
    rows = lanes(labels, seconds_a_character)
    place = {"transform": panel.get_xaxis_transform(), "color": INK}
    for (x, text), row in zip(labels, rows, strict=True):
        height = 1.03 + 0.075 * row
        panel.plot([x, x], [0, height], lw=0.9, ls=(0, (4, 2)), clip_on=False, **place)
        panel.text(x, height, f" {text}", fontsize=8.5, va="center", **place)
    return 1 + max(rows, default=-1)
