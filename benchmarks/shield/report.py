"""PURE: the bars beside the figures, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median

from benchmarks.shield.common import SCRAPE, Row
from dev.demo.report import Bar

DETECTED = 2 * SCRAPE + 1
"""Seconds from the first request that is passed on to the verdict, at most."""
LATE_MS = 5.0
"""Milliseconds beyond `answerWithin` that the 99th percentile may take while the version on trial is struck."""
BY_CHANCE = 4.0
"""Standard deviations that a share may be off."""
FIRST_ANSWER = 2.5
"""Seconds from the first pod of a version to its first answer behind the shield, at most."""
BUSY = 1.0
"""Programs that want a processor, for each core: above this a figure in time says as much of the machine."""

Rows = Sequence[Row]


def half(rows: Rows) -> Iterator[Bar]:
    """A version that fails half its calls."""
    shielded, bare = ([row for row in rows if row["shield"] is shield] for shield in (True, False))
    if shielded:
        yield from _unnoticed(shielded, f"{len(shielded)} runs with the shield")
        yield _more_than_nothing("faults that clients were spared", [row["spared"] for row in shielded])
        took = [row["first_asked_to_verdict_s"] for row in shielded]
        yield Bar("first request passed on -> verdict", _spread(took), f"<= {DETECTED:g} s", max(took) <= DETECTED)
    if bare:
        yield _figure(f"{len(bare)} runs without: bad answers", f"{median(row['bad'] for row in bare):g} (median)")
        yield _figure("first -> last bad answer", _spread([row["first_to_last_bad_s"] for row in bare]))


def struck(rows: Rows) -> Iterator[Bar]:
    """All servers of the version on trial are killed, or frozen."""
    for row in rows:
        yield from _unnoticed([row], "while they are")
        most = row["answer_within_ms"] + LATE_MS
        yield Bar("p99 of clients", f"{row['p99_ms']:g} ms", f"<= {most:g} ms", row["p99_ms"] <= most)
        yield _figure("p99 before", f"{row['p99_before_ms']:g} ms")
        yield _more_than_nothing("answers by it before", [row["asked_before"]])


def blind(rows: Rows) -> Iterator[Bar]:
    """The operator and the API server are frozen."""
    for row in rows:
        yield from _unnoticed([row], f"in {row['seconds']:g} s")
        yield _more_than_nothing("answers by it in the last 10 s", [row["answered_by_it_in_the_last_10_s"]])
        yield _figure("bad and lost from then to the verdict", str(row["bad_afterwards"] + row["lost_afterwards"]))


def front(rows: Rows) -> Iterator[Bar]:
    """An active pod goes."""
    for row in rows:
        if row["how"] == "deleted":
            yield from _unnoticed([row], "deleted in a split at 50 %")
            continue
        # What a pod that is killed takes with it is lost by whichever Service: see the run without a split.
        yield _zero(f"{row['how']}: bad answers", row["bad"])
        open_then = row["open_then_lost"]
        yield _figure("lost: open just then, and sent to it later", f"{open_then}, {row['lost'] - open_then}")


def shares(rows: Rows) -> Iterator[Bar]:
    """A share is held."""
    for row in rows:
        got = f"{row['answered_by_it'] / row['requests']:.2%} (z {row['z']:+.2f})"
        what = f"{row['requests']:,} requests, {row['share']:.0%} asked"
        yield Bar(what, got, f"|z| <= {BY_CHANCE:g}", abs(row["z"]) <= BY_CHANCE)
    yield from _unnoticed(rows, "all of them")


def in_a_row(rows: Rows) -> Iterator[Bar]:
    """Promotions and rollbacks."""
    sent = sum(row["requests"] for row in rows)
    yield from _unnoticed(rows, f"{len(rows)} rollbacks and promotions, {sent:,} requests")


def first(rows: Rows) -> Iterator[Bar]:
    """The first answer of a new version."""
    for shield in (True, False):
        mine = [row for row in rows if row["shield"] is shield]
        took = [row["created_to_first_answer_s"] for row in mine]
        if not took:
            continue
        name = f"{'with' if shield else 'without'} the shield: pods created -> first answer"
        bar = f"<= {FIRST_ANSWER:g} s" if shield else ""
        yield Bar(name, _spread(took), bar, not shield or median(took) <= FIRST_ANSWER)
        yield _figure("apply -> pods created", _spread([row["apply_to_created_s"] for row in mine]))
    yield from _unnoticed(rows, "meanwhile")


BARS: Mapping[str, Callable[[Rows], Iterable[Bar]]] = {
    "half": half,
    "killed": struck,
    "frozen": struck,
    "blind": blind,
    "front": front,
    "shares": shares,
    "rounds": in_a_row,
    "first": first,
}
"""What is held against the rows of each part."""


def bars(measured: Mapping[str, Rows]) -> list[Bar]:
    """The bars of all parts, each with its part in front. A part that broke off is a bar that is missed."""
    found = []
    for part, rows in measured.items():
        whole = [row for row in rows if "failed" not in row]
        found += [
            Bar(f"{part}: {bar.what}", bar.figure, bar.bar, bar.met) for bar in (BARS[part](whole) if whole else ())
        ]
        found += [Bar(f"{part}: came to its end", "no", "yes", met=False) for row in rows if "failed" in row]
    return found


def weather(measured: Mapping[str, Rows]) -> str:
    """How busy the machine was, in a sentence: on a busy one a figure in time that is missed may be the machine's."""
    loads = [row["load_per_core"] for rows in measured.values() for row in rows if "load_per_core" in row]
    if not loads:
        return "Nothing was measured."
    middle = median(loads)
    state = "busy: figures in time say as much of it as of the shield" if middle > BUSY else "quiet"
    return f"{middle:.1f} programs wanted each core (median; worst {max(loads):.1f}): the machine was {state}."


def _unnoticed(rows: Rows, where: str) -> Iterator[Bar]:
    yield _zero(f"{where}: bad answers", sum(row["bad"] for row in rows))
    yield _zero(f"{where}: lost", sum(row["lost"] for row in rows))


def _zero(what: str, count: int) -> Bar:
    return Bar(what, str(count), "0", count == 0)


def _more_than_nothing(what: str, counts: Sequence[int]) -> Bar:
    """Where it is nothing, nothing has been shown."""
    return Bar(what, str(sum(counts)), "> 0", min(counts) > 0)


def _figure(what: str, figure: str) -> Bar:
    return Bar(f"  {what}", figure, "", met=True)


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.1f} s (worst {max(values):.1f} s)"
