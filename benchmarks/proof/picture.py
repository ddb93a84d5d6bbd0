"""The picture: by what goes wrong, the worst cell beside its bar; and how many bad releases are found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.proof.cells import FALSE_MOST, MISSED_MOST, Found
from benchmarks.proof.report import by_kind, worst_false, worst_missed

# Okabe and Ito's palette, as in the other pictures.
KEPT, TOLD, BAR, INK = "#009E73", "#E69F00", "#D55E00", "#333333"
SHADES = ("#B8DCD0", "#7FC4AE", "#3FAE8C", "#009E73", "#006B4F", "#003D2D")
LEAST = 1e-4
"""What is drawn for none at all: one of ten thousand."""
_BASELINE = 0.01


def draw(found: Sequence[Found], folder: Path) -> list[Path]:
    """Write `proof.png` and `proof.svg` into the folder. Returns their paths."""
    figure = Figure(figsize=(14, 6.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 0.8, 1.1))
    kinds = by_kind(found)
    false = [(worst_false(cells), worst_false(cells).failed) for cells in kinds.values()]
    missed = [(one, one.missed if one else None) for one in map(worst_missed, kinds.values())]
    promised = [cells[0].cell.promised for cells in kinds.values()]
    _dots(left, list(kinds), [share for _, share in false], promised, FALSE_MOST)
    left.set_title("healthy releases taken back", loc="left", fontweight="bold", fontsize=11)
    _dots(middle, [""] * len(kinds), [share for _, share in missed], promised, MISSED_MOST)
    middle.set_title("missed of what a pass claims to see", loc="left", fontweight="bold", fontsize=11)
    _curves(right, kinds.get("nothing", []))
    runs = max(one.runs for one in found)
    figure.suptitle(f"Is the judge ever wrong? {len(found)} kinds of rollout, {runs:,} of each", color=INK)
    figure.supxlabel(
        "left and middle: the worst cell of each kind, on logarithmic scales; none at all is drawn at 0.01 %; "
        "orange: not promised, as clumped errors are no independent trials",
        fontsize=9,
        color=INK,
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "proof.png", folder / "proof.svg"]
    for path in paths:
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths


def _dots(
    axes: Any, names: Sequence[str], shares: Sequence[float | None], promised: Sequence[bool], bar: float
) -> None:
    places = list(range(len(names)))
    axes.axvline(bar, color=BAR, linewidth=1.5)
    axes.text(bar * 1.1, -0.8, f"bar {bar:.0%}", color=BAR, fontsize=9, va="center")
    for place, share, kept in zip(places, shares, promised, strict=True):
        if share is None:
            axes.text(LEAST, place, "nothing is claimed", fontsize=8, color=INK, va="center")
            continue
        color = KEPT if kept else TOLD
        axes.plot([LEAST, max(share, LEAST)], [place, place], color=color, linewidth=3, solid_capstyle="butt")
        axes.plot(max(share, LEAST), place, "o", color=color, markersize=6)
        axes.text(max(share, LEAST) * 1.25, place, f"{100 * share:.2g} %", fontsize=8, color=INK, va="center")
    axes.set(xscale="log", xlim=(LEAST * 0.8, 1.0), ylim=(len(names) - 0.4, -1.3))
    axes.set_yticks(places, names)
    axes.set_xticks([0.0001, 0.001, 0.01, 0.1, 1.0], ["0", "0.1 %", "1 %", "10 %", "100 %"])
    axes.spines[["top", "right"]].set_visible(False)


def _curves(axes: Any, cells: Sequence[Found]) -> None:
    """With nothing wrong, at one baseline: the share taken back by ratio, a curve for each traffic."""
    mine = [one for one in cells if one.cell.setting.baseline == _BASELINE]
    traffic = sorted({one.cell.setting.traffic for one in mine})
    for each, color in zip(traffic, SHADES, strict=False):
        curve = sorted((one.cell.ratio, one.failed) for one in mine if one.cell.setting.traffic == each)
        axes.plot(*zip(*curve, strict=True), "o-", color=color, label=f"{each:g} requests/s", linewidth=2)
    axes.set(xscale="log", ylim=(-0.02, 1.02))
    axes.set_xticks([1, 2, 3, 5, 10, 50], ["1x", "2x", "3x", "5x", "10x", "50x"])
    axes.minorticks_off()
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("the candidate fails so many times as often")
    axes.set_title("taken back in a bake of 5 min, baseline 1 %", loc="left", fontweight="bold", fontsize=11)
    if mine:
        axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
