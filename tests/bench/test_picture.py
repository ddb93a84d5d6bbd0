"""What stands at the bars of the picture."""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving.picture import PANELS, draw, labels
from tests.bench.results import document


def test_every_bar_has_its_figure_and_how_far_it_is_from_ours() -> None:
    throughput, latency, *_ = (labels(document()["servers"], panel) for panel in PANELS)
    assert throughput == [
        "20,000",
        "1,000   20× fewer",
        "1,200   17× fewer",
        "500   40× fewer",
        "100,000   5× more",
    ]
    assert latency[1] == "0.7 ms   14× slower"
    assert latency[-1] == "0.02 ms   2.5× faster"


def test_the_same_figure_is_called_the_same() -> None:
    memory = labels(document()["servers"], PANELS[2])
    assert memory == ["40 MB", *["40 MB   the same"] * 4]


def test_both_pictures_are_written(tmp_path: Path) -> None:
    png, svg = draw(document(), tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in svg.read_text()[:1000]
