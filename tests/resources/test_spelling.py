"""Same meaning, other spelling: the same revision, and so no rollout; the same manifests, and so no write."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.resources.samples import FULL, MINIMAL, OWNER, children, spec
from tests.rollout.parts import spec as version
from tests.rollout.world import World, serving
from verdigris.api.schema.quantity import amount_of, by_value
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus, Rejected
from verdigris.core.facts.revision import meaning_of, revision_of, wanted_revision
from verdigris.core.pods.room import words

Json = dict[str, Any]

RICH: Json = copy.deepcopy(dict(FULL))
RICH["serving"]["env"] += [{"name": "A", "value": "0.50"}, {"name": "ZONE", "value": "1"}]
RICH["autoscaling"]["metrics"].append(
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "500m"}}}
)
RICH["analysis"] = {"interval": "60s"}


def spellings(amount: int | str) -> list[int | str]:
    """Ways to write an amount of thousandths or more."""
    value = amount_of(amount)
    found: list[int | str] = [format(value.normalize(), "f"), f"{int(value * 1000)}m"]
    found += [
        f"{int(value / 1024**power)}{suffix}"
        for power, suffix in ((1, "Ki"), (2, "Mi"), (3, "Gi"))
        if value % 1024**power == 0 and value
    ]
    found += [f"{format((value / 1024).normalize(), 'f')}Ki"] if value > 1024 else []
    found += [int(value)] if value == int(value) else []
    return [text for text in found if amount_of(text) == value and len(str(text)) <= 32]


@st.composite
def respelled(draw: st.DrawFn, raw: Json) -> Json:
    """The same spec in another spelling: amounts, order, defaults, durations."""
    made = copy.deepcopy(raw)
    serving_, scaling = made["serving"], made["autoscaling"]
    for amounts in serving_["resources"].values():
        for name, amount in amounts.items():
            amounts[name] = draw(st.sampled_from(spellings(amount)))
    for where, what in (
        (serving_, "env"),
        (serving_, "tolerations"),
        (serving_, "imagePullSecrets"),
        (scaling, "metrics"),
    ):
        where[what] = draw(st.permutations(where[what]))
    for metric in scaling["metrics"]:
        target = next(value for key, value in metric.items() if key != "type")["target"]
        target["averageValue"] = str(draw(st.sampled_from(spellings(target["averageValue"]))))
    made["monitoring"]["serviceMonitor"]["interval"] = draw(st.sampled_from(["90s", "1m30s", "90000ms"]))
    if draw(st.booleans()):
        serving_["tolerations"] = [{"operator": "Equal", **toleration} for toleration in serving_["tolerations"]]
        serving_["service"] = {"annotations": {}, **serving_["service"]}
        made["paused"] = False
    return dict(reversed(made.items())) if draw(st.booleans()) else made


@given(made=respelled(RICH))
@settings(max_examples=150, deadline=None)
def test_a_spec_that_is_spelled_otherwise_asks_for_the_same_pods_and_the_same_children(made: Json) -> None:
    before, after = spec(RICH), spec(made)
    assert meaning_of(after, OWNER.name) == meaning_of(before, OWNER.name)
    plain = {name: child for name, child in children(OWNER, before).items() if name not in RENDERED_ONCE}
    again = {name: child for name, child in children(OWNER, after).items() if name not in RENDERED_ONCE}
    assert json.dumps(again, sort_keys=True) == json.dumps(plain, sort_keys=True)


RENDERED_ONCE = {"controller_revision", "deployment_blue", "deployment_green", "gate_job"}
"""Made from the snapshot of a revision, which is rendered once: with the revision they stay the same."""


def test_defaults_that_are_written_out_are_the_defaults() -> None:
    whole = json.loads(json.dumps(spec(MINIMAL).dump()))
    whole["model"]["name"] = OWNER.name
    whole["serving"]["resources"] = {
        "requests": {"cpu": "0.1", "memory": "65536Ki"},
        "limits": {"memory": 201326592},
    }
    assert meaning_of(spec(whole), OWNER.name) == meaning_of(spec(MINIMAL), OWNER.name)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("resources", {"requests": {"cpu": "101m", "memory": "64Mi"}}),
        ("resources", {"requests": {"cpu": "100m", "memory": "64M"}}),
        ("resources", {"requests": {"cpu": "100m"}}),
        ("env", [{"name": "A", "value": "0.5"}]),
        ("env", [{"name": "A"}]),
        ("tolerations", [{"key": "a"}]),
        ("nodeSelector", {"zone": ""}),
    ],
)
def test_what_means_something_else_is_another_revision(section: str, change: Any) -> None:
    other = {**MINIMAL, "serving": {section: change}}
    assert meaning_of(spec(other), OWNER.name) != meaning_of(spec(MINIMAL), OWNER.name)


def test_the_order_of_variables_counts_where_one_refers_to_another() -> None:
    variables = [{"name": "B", "value": "x"}, {"name": "A", "value": "$(B)"}]
    one, other = ({**MINIMAL, "serving": {"env": list(order)}} for order in (variables, reversed(variables)))
    assert meaning_of(spec(one), OWNER.name) != meaning_of(spec(other), OWNER.name)


USUAL = st.sampled_from(
    [f"{number}{suffix}" for number in (1, 3, 50, 500, 999) for suffix in ("m", "", "Mi", "Gi", "Ki")]
)


@given(amounts=st.dictionaries(st.sampled_from(["cpu", "memory"]), USUAL))
@settings(max_examples=100, deadline=None)
def test_a_spec_in_the_usual_spelling_is_called_by_its_meaning(amounts: dict[str, str]) -> None:
    fixed = {"minReplicas": 2, "maxReplicas": 2}
    resources = {"requests": amounts, "limits": {}}
    parsed = spec({**MINIMAL, "serving": {"resources": resources}, "autoscaling": fixed})
    assert meaning_of(parsed, OWNER.name) == revision_of(parsed)


@given(st.integers(0, 10**13))
def test_one_amount_has_one_spelling(thousandths: int) -> None:
    amount = f"{thousandths}m"
    assert {by_value(text) for text in spellings(amount)} == {by_value(amount)}
    assert amount_of(by_value(amount)) == Decimal(thousandths) / 1000


ODD: Json = {"serving": {"resources": {"requests": {"cpu": "0.1", "memory": "65536Ki"}}}}


def odd() -> ModelDeploymentSpec:
    """In a spelling that an operator before this one took for a revision of its own."""
    return version("1.0.0", **ODD)


def test_a_version_is_called_as_every_operator_before_called_it() -> None:
    """Law 7: the operator is replaced by an older one in mid-rollout; whatever the spelling, both name it alike."""
    world = serving("1.0.0").apply(odd()).run(1)
    assert world.status.target is not None
    named = version("1.1.0", model={"name": OWNER.name}, serving={"resources": {"requests": {"cpu": "0.1"}}})
    world.apply(named).run(30)
    assert world.status.rollout is not None
    assert world.status.rollout.revision == revision_of(named) != meaning_of(named, OWNER.name)


@pytest.mark.parametrize("first", [True, False], ids=["the odd spelling first", "the usual spelling first"])
def test_a_spec_that_is_applied_in_another_spelling_starts_no_rollout(*, first: bool) -> None:
    specs = [odd(), version("1.0.0")]
    assert revision_of(specs[0]) != revision_of(specs[1])
    world = World(specs[not first]).run(130)
    before = {pod.view.uid for pod in world.pods}
    assert before
    for again in (specs[first], specs[not first], specs[first]):
        world.apply(again).run(60)
        assert world.status.rollout is None
        assert {pod.view.uid for pod in world.pods} == before


def test_a_version_that_was_rejected_stays_so_in_every_spelling() -> None:
    world = serving("1.0.0").apply(version("1.1.0", **ODD)).run(5)
    world.decide("abort", revision_of(world.spec)).run(10)
    world.apply(version("1.0.0")).run(30)
    assert [entry.version for entry in world.status.rejected] == ["1.1.0"]
    world.apply(version("1.1.0")).run(30)
    assert world.status.rollout is None


def test_what_serves_gives_a_revision_its_name_before_what_was_rejected_does() -> None:
    world = serving("1.0.0")
    meaning = meaning_of(odd(), "")

    def status(active: str, rejected: str) -> ModelDeploymentStatus:
        ref, now = world.status.active, world.now
        assert ref is not None
        entry = Rejected(revision=rejected, version="1", reason="Aborted", message="", at=now)
        return ModelDeploymentStatus(active=ref.model_copy(update={"revision": active}), rejected=(entry,))

    assert wanted_revision(odd(), "", ModelDeploymentStatus()) == revision_of(odd())
    assert wanted_revision(odd(), "", status(revision_of(odd()), meaning)) == revision_of(odd())
    assert wanted_revision(odd(), "", status(meaning, revision_of(odd()))) == meaning


@pytest.mark.parametrize("amount", ["9" * 32, "9" * 31 + "E", "9" * 30 + "Ei", "0." + "9" * 30, "-" + "9" * 31])
def test_whatever_amount_the_crd_lets_in_has_a_spelling_and_words(amount: str) -> None:
    assert by_value(amount)
    assert all(words.spell(resource, amount_of(amount)) for resource in ("cpu", "memory", "example.com/gpu"))
