"""Fixtures of the end-to-end tests: the artifacts, the crowd of scenarios, and a scene for what must run alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.cluster import Cluster, second_node
from dev.faults import image
from tests import order
from tests.e2e.api import Api
from tests.e2e.crowd import Crowd
from tests.e2e.scene import Scene
from tests.e2e.stock import Stock, clear_away, lay_in

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs the cluster."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def stock(operator: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    image.load(operator)
    yield lay_in(operator, tmp_path_factory.mktemp("models"))
    clear_away(operator)


@pytest.fixture(scope="session")
def make_scene(operator: Cluster, stock: Stock) -> Callable[[str], Scene]:
    """Builds a scene for the test of that name."""
    api = Api(operator.kubeconfig)
    return lambda test: Scene(operator, api, stock, namespace_for(test))


@pytest.fixture(scope="session")
def crowd(request: pytest.FixtureRequest, operator: Cluster, make_scene: Callable[[str], Scene]) -> Iterator[Crowd]:
    """All collected scenarios, under way."""
    crowd = Crowd(request.session.items, make_scene)
    yield crowd
    crowd.close()
    with order.second_node():  # another process may still look at it
        second_node.down(operator)


@pytest.fixture
def alone(request: pytest.FixtureRequest, crowd: Crowd, make_scene: Callable[[str], Scene]) -> Iterator[Scene]:
    """A scene for a test that disturbs the whole cluster: every scenario is over before it begins."""
    crowd.finish()
    with make_scene(request.node.name) as scene:
        yield scene


def namespace_for(test: str) -> str:
    """A namespace's name made from a test's: readable, and short enough."""
    words = re.sub(r"[^a-z0-9]+", "-", test.removeprefix("test_").lower()).strip("-")
    return f"e2e-{words[:40].strip('-')}-{hashlib.sha256(test.encode()).hexdigest()[:5]}"
