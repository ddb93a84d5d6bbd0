"""The figures of the hop, and the bars that they are judged by."""

from __future__ import annotations

from benchmarks.serving.hop import Way, bars, report
from tests.bench.results import load

ALONE = Way(
    [load(1, 0.1, 0.3), load(1, 0.2, 0.9), load(1, 0.1, 0.3)], [load(9_000), load(3_000), load(9_000)], [50.0] * 3
)


def way(added_ms: float, tail_ms: float, share: float) -> Way:
    """One that differs from ``ALONE`` by this, whatever the machine did in that round."""
    single = [load(1, run.p50_ms + added_ms, run.p99_ms + tail_ms) for run in ALONE.single]
    return Way(single, [load(run.requests_per_s * share) for run in ALONE.busy], [75.0] * 3)


def test_each_round_is_compared_with_the_same_round_alone() -> None:
    found = report({"alone": ALONE, "passed_on": way(0.2, 0.4, 0.6)})

    assert found["alone"]["added_p50_ms"] == 0
    assert found["passed_on"] == {
        "requests_per_s": 5_400,
        "processor_us": 75,
        "p50_ms": 0.3,
        "p99_ms": 0.7,
        "added_p50_ms": 0.2,
        "added_p99_ms": 0.4,
        "of_alone": 0.6,
    }


def test_the_bars_are_about_what_is_passed_on() -> None:
    def missed(one: Way) -> list[str]:
        return [bar.what for bar in bars(report({"alone": ALONE, "passed_on": one})) if not bar.met]

    assert not missed(way(0.2, 0.9, 0.41))
    assert [len(missed(one)) for one in (way(0.3, 0.4, 0.6), way(0.2, 1.1, 0.6), way(0.2, 0.4, 0.3))] == [1, 1, 1]
    assert len(missed(way(0.3, 1.1, 0.3))) == 3
