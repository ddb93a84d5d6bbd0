"""Curves: from Prometheus where it answers, from the status alone where it does not, and it is said which."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.cli.scenes import Scene
from tests.web.scenes import measured, scene
from verdigris.cli.model.deployment import Model
from verdigris.cli.model.read import model_of
from verdigris.web.pages.chart import charts
from verdigris.web.port import Key, key_of
from verdigris.web.store import KEPT, Store
from verdigris.web.timeline import (
    LONGEST,
    SHORTEST,
    Curve,
    Measured,
    Seen,
    Span,
    Timeline,
    questions,
    read,
    seen_of,
    span_of,
    timeline,
)


@pytest.fixture
def on_trial() -> Scene:
    return scene("on_trial")


def model(one: Scene) -> Model:
    return model_of(one.model)


def curves(made: Timeline, title: str) -> dict[str, Curve]:
    (panel,) = [one for one in made.panels if one.title == title]
    return {one.label: one for one in panel.curves}


def seen(one: Scene, number: int = 5) -> tuple[Seen, ...]:
    """What a status could have said, a second apart: ten requests each, one of them failed."""
    end = one.now.timestamp()
    return tuple(
        Seen(end - number + place, "v1", 10 * place, place, place / 2, 9.5, 10.0, 10.0) for place in range(number + 1)
    )


def test_a_rollout_is_shown_from_a_minute_before_it_began(on_trial: Scene) -> None:
    span = span_of(model(on_trial), on_trial.now + timedelta(minutes=30))
    assert span.end - span.begin == pytest.approx(30 * 60 + 60 + 39, abs=30)
    assert span.step >= 5


@pytest.mark.parametrize("later", [timedelta(), timedelta(days=3)])
def test_the_span_is_neither_too_short_nor_too_long(on_trial: Scene, later: timedelta) -> None:
    span = span_of(model(on_trial), on_trial.now + later)
    assert SHORTEST <= span.end - span.begin <= LONGEST
    assert (span.end - span.begin) / span.step <= 121


def test_prometheus_counters_become_rates_and_shares_by_version(on_trial: Scene) -> None:
    span = span_of(model(on_trial), on_trial.now)
    made = timeline(model(on_trial), (), measured(span, errors=0.25), span)
    assert set(curves(made, "Requests")) == {"blue 1.0.0", "green 1.1.0"}
    failed = curves(made, "Failed")
    assert {value for _, value in failed["blue 1.0.0"].points} == {0.0}
    assert {value for _, value in failed["green 1.1.0"].points} == {25.0}
    assert "Prometheus' counters" in made.told


def test_without_prometheus_the_status_alone_is_drawn_and_said_to_be(on_trial: Scene) -> None:
    span = span_of(model(on_trial), on_trial.now)
    made = timeline(model(on_trial), seen(on_trial), Measured(problem="it is away."), span)
    assert made.told == "Prometheus is not asked: it is away. All of it is from the status alone."
    assert [value for _, value in curves(made, "Requests")["on trial, as judged"].points] == [10.0] * 5
    assert {value for _, value in curves(made, "Failed")["on trial, as judged, in all"].points} == {10.0}
    score = curves(made, "Judge's score")
    assert [value for _, value in score["score"].points] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert {value for _, value in score["fails at"].points} == {9.5}


def test_the_share_that_was_wished_is_known_from_the_steps(on_trial: Scene) -> None:
    span = span_of(model(on_trial), on_trial.now)
    made = timeline(model(on_trial), seen(on_trial), Measured(problem="x."), span)
    wished = curves(made, "Share of the clients")["wished"]
    assert [value for _, value in wished.points][-3:] == [1.0, 10.0, 10.0]
    assert wished.stepped


def test_decisions_and_steps_are_marked_in_the_order_of_time() -> None:
    one = scene("waiting")
    at = one.now - timedelta(seconds=1)
    decided = {
        "at": at.isoformat(),
        "by": "alice",
        "verb": "approve",
        "outcome": "Accepted",
        "reason": "",
        "message": "",
    }
    one.model["status"]["decisions"] = [decided]
    span = span_of(model(one), one.now)
    marks = timeline(model(one), (), Measured(problem="x."), span).marks
    assert marks[-1].label == "approve by alice: Accepted"
    assert [mark.at for mark in marks] == sorted(mark.at for mark in marks)
    assert [mark.label.split(";")[0] for mark in marks][:2] == ["1.0.0: Promoted", "rollout of 1.1.0 began"]


def test_a_model_at_rest_says_that_there_is_nothing_to_judge() -> None:
    one = scene("healthy")
    span = span_of(model(one), one.now)
    html = charts(timeline(model(one), (), Measured(problem="x."), span))
    assert "No rollout is under way, so nothing is judged." in html
    assert "<svg" not in html


def test_a_drawing_has_the_same_in_words_and_in_numbers(on_trial: Scene) -> None:
    span = span_of(model(on_trial), on_trial.now)
    html = charts(timeline(model(on_trial), seen(on_trial), measured(span), span))
    assert 'role="img" aria-label="Requests (/s): blue 1.0.0 2' in html
    assert html.count("as numbers</summary>") == 4
    assert "NaN" not in html


def test_the_question_is_about_this_model_of_this_cluster_alone() -> None:
    asked = questions('a"b', "c\\d", Span(0, 600, 5), {"cluster": "eu-1"})
    assert set(asked) == {"requests", "errors"}
    for query in asked.values():
        assert 'namespace="a\\"b",model="c\\\\d",cluster="eu-1"' in query
        assert "[30s]" in query


def test_an_answer_is_read_by_colour_and_what_is_no_number_is_left_out() -> None:
    values = [[1, "2.5"], [2, "NaN"], [3, "+Inf"], [4], "x", [5, "7"]]
    series = [{"metric": {"color": "blue"}, "values": values}, {"metric": {}, "values": [[1, "1"]]}]
    answer: dict[str, Any] = {"status": "success", "data": {"resultType": "matrix", "result": series}}
    assert read(answer) == {"blue": ((1.0, 2.5), (5.0, 7.0))}


@pytest.mark.parametrize(
    "answer", [{}, {"status": "error", "error": "x"}, {"status": "success", "data": {"resultType": "vector"}}]
)
def test_what_is_no_answer_of_prometheus_is_said_to_be_none(answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"x|it is not the answer of a Prometheus"):
        read(answer)


def changed(one: Scene, version: int) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(one.model))
    copied["metadata"]["resourceVersion"] = str(version)
    return copied


def test_a_store_remembers_what_statuses_said_and_no_more_than_so_often(on_trial: Scene) -> None:
    times = iter(range(10_000))
    store = Store(lambda: on_trial.now + timedelta(seconds=5 * next(times)))
    for version in range(KEPT + 50):
        store.put(changed(on_trial, version))
    kept = store.seen(key_of(on_trial.model))
    assert len(kept) == KEPT
    assert kept[0].at < kept[-1].at
    assert kept[-1].requests == seen_of(model(on_trial), on_trial.now).requests  # type: ignore[union-attr]


def test_a_store_tells_apart_what_changed_and_what_only_was_said_again(on_trial: Scene) -> None:
    store = Store(lambda: on_trial.now)
    rung: list[int] = []
    store.put(on_trial.model)
    store.on_change(lambda: rung.append(1))
    key, number = key_of(on_trial.model), store.number(lambda _: True)
    store.put(on_trial.model)
    assert store.number(lambda _: True) == number
    store.put(changed(on_trial, 8))
    assert store.number(lambda one: one == key) > number
    assert store.number(lambda one: one != key) == 0
    store.drop(on_trial.model)
    assert store.number(lambda one: one == Key("clinic", "")) > number
    assert store.get(key) is None
    assert store.seen(key) == ()
    assert rung


def test_a_list_takes_away_what_is_not_in_it_in_its_namespace_alone(on_trial: Scene) -> None:
    store = Store(lambda: on_trial.now)
    other = changed(on_trial, 1)
    other["metadata"]["namespace"] = "lab"
    store.replace([on_trial.model, other])
    store.replace([], "clinic")
    assert [one.namespace for one in store.models(lambda _: True)] == ["lab"]
    assert store.namespaces() == ("lab",)


def test_who_waits_is_woken_when_the_server_is_lost_and_when_it_is_found(on_trial: Scene) -> None:
    store = Store(lambda: on_trial.now)
    store.put(on_trial.model)
    known = store.number(lambda _: True)
    store.lost("it is away.")
    lost = store.wait(known, lambda _: True, 10.0)
    assert (lost != known, store.away) == (True, "it is away.")
    store.replace([on_trial.model])
    assert (store.wait(lost, lambda _: True, 10.0) != lost, store.away) == (True, "")


def test_who_wrote_which_field_is_not_kept(on_trial: Scene) -> None:
    store = Store(lambda: on_trial.now)
    written = changed(on_trial, 8)
    written["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    store.put(written)
    kept = store.get(key_of(written))
    assert kept is not None
    assert "managedFields" not in kept["metadata"]
