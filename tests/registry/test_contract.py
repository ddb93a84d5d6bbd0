"""What every registry promises: the server of the tests is held to it beside a real MLflow.

The real one needs a virtual environment of its own (pip install mlflow), whose program `MLFLOW` names:
MLFLOW=…/bin/mlflow python -m pytest -m thorough tests/registry
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from tests.registry.servers import Desk, LikeMlflow, mlflow
from verdigris.adapters.registry.mlflow import MlflowRegistry
from verdigris.api.status import Failure
from verdigris.core.facts.followed import Alias, Registered
from verdigris.core.facts.served import Edit

SHA256 = "c" * 64
_NAMES = itertools.count()


@dataclass
class Shop:
    """A registry, the desk where models are registered in it, and a model's name that nobody has used."""

    registry: MlflowRegistry
    desk: Desk
    model: str

    def alias(self, name: str = "champion") -> Alias:
        return Alias(self.model, name)


def shop(session: aiohttp.ClientSession, address: str, token: str = "") -> Shop:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    papers = SimpleNamespace(headers=headers, trust=True)
    registry = MlflowRegistry(session, address, lambda _: papers)
    return Shop(registry, Desk(address, session), f"diabetes risk-{next(_NAMES)}")


@pytest.fixture(params=["as the tests have it", pytest.param("MLflow", marks=pytest.mark.thorough)])
async def here(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    async with aiohttp.ClientSession() as session:
        if request.param != "MLflow":
            async with LikeMlflow().serve() as address:
                yield shop(session, address)
            return
        yield shop(session, request.getfixturevalue("real"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = os.environ.get("MLFLOW", "")
    if not Path(program).is_file():
        pytest.skip("MLFLOW names no program of MLflow's: install it into a virtual environment of its own")
    with mlflow(program, tmp_path_factory.mktemp("mlflow")) as address:
        yield address


async def test_an_alias_is_a_version_with_its_tags_and_moves_forth_and_back(here: Shop) -> None:
    first = await here.desk.register(here.model, version="1.0.0", sha256=SHA256)
    second = await here.desk.register(here.model, version="2.0.0", sha256="d" * 64)
    seen = []
    for number in (first, second, first):
        await here.desk.give(here.model, "champion", number)
        seen.append((await here.registry.look_up(here.alias())).found)
    one, two = Registered(first, "1.0.0", SHA256), Registered(second, "2.0.0", "d" * 64)
    assert seen == [one, two, one]


async def test_tags_that_are_not_there_are_empty(here: Shop) -> None:
    await here.desk.give(here.model, "champion", await here.desk.register(here.model))
    found = await here.registry.look_up(here.alias())
    assert found.found == Registered("1")


async def test_an_alias_and_a_model_that_are_not_there_are_told_apart_from_no_answer(here: Shop) -> None:
    unknown = await here.registry.look_up(here.alias())
    await here.desk.register(here.model)
    no_alias = await here.registry.look_up(here.alias("nobody"))
    for told in (unknown, no_alias):
        assert told.found is None
        assert told.problem
        assert told.problem.reason == "AliasMissing"
    assert no_alias.problem
    assert f"models:/{here.model}@nobody" in no_alias.problem.message


TAG = "verdigris.serving.eu-1.clinic.diabetes"


@pytest.mark.parametrize("called", ["diabetes risk", "o'neill risk"])
async def test_a_tag_is_set_read_and_taken_away_and_no_other_model_or_tag_is_met(here: Shop, called: str) -> None:
    model = f"{called}-{next(_NAMES)}"
    numbers = [await here.desk.register(model, version=f"1.{minor}.0") for minor in range(3)]
    await here.desk.register(here.model)
    assert await here.registry.tagged(model, TAG) == {}
    for name, tag, number, value in (
        (model, TAG, numbers[0], "1.0.0 since then"),
        (model, TAG, numbers[1], "1.1.0 since then"),
        (model, f"{TAG}-2", numbers[2], "another deployment's"),
        (here.model, TAG, "1", "another model's"),
    ):
        assert await here.registry.edit(name, tag, Edit(number, value)) is None
    assert await here.registry.edit(model, TAG, Edit(numbers[1], "1.1.0 since now")) is None, "set anew"
    expected = {numbers[0]: "1.0.0 since then", numbers[1]: "1.1.0 since now"}
    assert await here.registry.tagged(model, TAG) == expected
    assert await here.registry.edit(model, TAG, Edit(numbers[0], None)) is None
    assert await here.registry.edit(model, TAG, Edit(numbers[0], None)) is None, "it is away already"
    assert await here.registry.tagged(model, TAG) == {numbers[1]: "1.1.0 since now"}
    assert await here.desk.tags(model, numbers[0]) == {"verdigris.version": "1.0.0"}, "its own tags stay"


async def test_a_version_that_is_not_there_cannot_be_tagged_and_need_not_be_untagged(here: Shop) -> None:
    await here.desk.register(here.model)
    refused = await here.registry.edit(here.model, TAG, Edit("7", "1.0.0"))
    assert refused
    assert (refused.reason, f"version 7 of {here.model}" in refused.message) == ("ModelMissing", True)
    assert await here.registry.edit(here.model, TAG, Edit("7", None)) is None


async def test_a_model_that_is_not_there_has_no_version_with_the_tag(here: Shop) -> None:
    assert await here.registry.tagged("nobody", TAG) == {}


async def test_a_tag_without_a_value_is_a_tag(here: Shop) -> None:
    number = await here.desk.register(here.model)
    assert await here.registry.edit(here.model, TAG, Edit(number, "")) is None
    assert await here.registry.tagged(here.model, TAG) == {number: ""}


# what only a server of ours can be made to do


async def test_a_login_that_may_only_read_is_told_so() -> None:
    async with LikeMlflow(reads_only=True).serve() as address, aiohttp.ClientSession() as session:
        one = shop(session, address)
        await one.desk.register("m")
        refused = await one.registry.edit("m", TAG, Edit("1", "1.0.0"))
    assert refused
    assert refused.reason == "RegistryRefused"
    assert "lets the operator change no tag (403): look at the Secret" in refused.message


@pytest.mark.parametrize(("status", "body"), [(500, ""), (302, ""), (200, '{"model_versions": "m'), (404, "no")])
async def test_a_search_whose_answer_is_none_of_mlflows_changes_nothing(status: int, body: str) -> None:
    async with LikeMlflow(instead=(status, body)).serve() as address, aiohttp.ClientSession() as session:
        found = await shop(session, address).registry.tagged("m", TAG)
    assert isinstance(found, Failure)
    assert found.reason == "RegistryUnreachable"


async def asked_of(status: int, body: str, edit: Edit | None = None) -> Failure | None:
    """Why the tag could not be read, or edited, where that is the answer."""
    async with LikeMlflow(instead=(status, body)).serve() as address, aiohttp.ClientSession() as session:
        registry = shop(session, address).registry
        found = await (registry.tagged("m", TAG) if edit is None else registry.edit("m", TAG, edit))
    return found if isinstance(found, Failure) else None


def says(code: str, message: str) -> str:
    return json.dumps({"error_code": code, "message": message})


@pytest.mark.parametrize("edit", [None, Edit("1", "1.0.0"), Edit("1", None)], ids=["read", "set", "take away"])
@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, "<html>no such page</html>", "(404) that is none of MLflow's: look whether"),
        (400, says("INVALID_PARAMETER_VALUE", "Bad filter."), "400, INVALID_PARAMETER_VALUE: Bad filter."),
        (429, says("RESOURCE_EXHAUSTED", "slow down"), "429, RESOURCE_EXHAUSTED: slow down."),
        (500, says("INTERNAL_ERROR", "a\n" * 999), "500, INTERNAL_ERROR: a a a"),
        (200, "[" + " " * 2**20 + "]", "more than 1024 KiB, which is not read: shorten"),
    ],
    ids=["a page", "another bad request", "too many requests", "a long error", "a long answer"],
)
async def test_what_is_wrong_is_said_in_mlflows_own_words_and_nothing_counts_as_done(
    status: int, body: str, words: str, edit: Edit | None
) -> None:
    problem = await asked_of(status, body, edit)
    assert problem
    assert problem.reason == "RegistryUnreachable"
    assert words in problem.message
    assert len(problem.message) < 500
    assert not problem.message.endswith("..")


async def test_only_what_is_not_there_is_missing_and_need_not_be_untagged() -> None:
    body = says("RESOURCE_DOES_NOT_EXIST", "Model Version not found.")
    for edit in (None, Edit("1", "1.0.0")):
        problem = await asked_of(404, body, edit)
        assert problem
        assert problem.reason == "ModelMissing"
    assert await asked_of(404, body, Edit("1", None)) is None


async def test_a_login_is_shown_and_one_that_is_refused_is_told() -> None:
    async with LikeMlflow(token="right").serve() as address, aiohttp.ClientSession() as session:
        wrong = await shop(session, address, "wrong").registry.look_up(Alias("m", "a"))
        right = await shop(session, address, "right").registry.look_up(Alias("m", "a"))
    assert wrong.problem
    assert (wrong.problem.reason, "registry.auth.secretName" in wrong.problem.message) == ("RegistryRefused", True)
    assert right.problem
    assert right.problem.reason == "AliasMissing"


async def test_a_registry_that_is_away_is_no_answer() -> None:
    async with LikeMlflow().serve() as address:
        pass
    async with aiohttp.ClientSession() as session:
        found = await shop(session, address).registry.look_up(Alias("m", "a"))
    assert found.problem
    assert found.problem.reason == "RegistryUnreachable"
    assert address in found.problem.message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>please log in</html>"),
        (200, '{"model_version": {"version": "latest"}}'),
        (200, "[]"),
        (404, "not found"),
        (302, ""),
        (500, '{"error_code": "INTERNAL_ERROR"}'),
        (404, '{"error_code": "ENDPOINT_NOT_FOUND"}'),
    ],
)
async def test_an_answer_that_is_none_of_mlflows_is_none(status: int, body: str) -> None:
    async with LikeMlflow(instead=(status, body)).serve() as address, aiohttp.ClientSession() as session:
        found = await shop(session, address).registry.look_up(Alias("m", "a"))
    assert found.problem
    assert found.problem.reason == "RegistryUnreachable"
