"""What every registry promises: the server of the tests is held to it beside a real MLflow.

The real one needs a virtual environment of its own (pip install mlflow), whose program `MLFLOW` names:
MLFLOW=…/bin/mlflow python -m pytest -m thorough tests/registry
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from tests.registry.servers import Desk, LikeMlflow, mlflow
from verdigris.adapters.registry.mlflow import MlflowRegistry
from verdigris.core.facts.followed import Alias, Registered

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


# what only a server of ours can be made to do


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
    ],
)
async def test_an_answer_that_is_none_of_mlflows_is_none(status: int, body: str) -> None:
    async with LikeMlflow(instead=(status, body)).serve() as address, aiohttp.ClientSession() as session:
        found = await shop(session, address).registry.look_up(Alias("m", "a"))
    assert found.problem
    assert found.problem.reason == "RegistryUnreachable"
