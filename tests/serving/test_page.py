"""The page at ``/``: there when it is switched on, of one host, and nobody's values on it."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.serving.support import FEATURES, ROW, ServerProcess, contents, server, service, write_artifact
from verdigris_serving.artifact.archive import write_archive
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.http.page import page
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Baseline, Feature, FeatureBaseline
from verdigris_serving.protocol.example import example


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("page")
    write_artifact(folder / "model.vmodel", centers=(115.0, 4.0, 35.0))
    with server(folder, VERDIGRIS_PAGE="on") as process:
        yield process


def model(**variant: object) -> LoadedModel:
    return verify_bytes(write_archive(contents(**variant)), Expectation(), where="test")  # type: ignore[arg-type]


class Links(HTMLParser):
    """What a document loads, sends to or leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"href", "src", "action", "data", "srcset"}]


def test_everything_that_the_page_loads_is_answered_by_this_server(running: ServerProcess) -> None:
    status, fields, body = running.get("/")
    links = Links()
    links.feed(body.decode())

    assert (status, fields["content-type"]) == (200, "text/html; charset=utf-8")
    assert {"page/style.css", "page/script.js", "v2/openapi.json"} == set(links.found)
    script = running.get("/page/script.js")[2].decode()
    fetched = set(re.findall(r'fetched\("([^"]+)"', script))
    assert fetched == {"page/model.json", "v2/openapi.json"}
    for path in (*links.found, *fetched):
        assert running.get(f"/{path}")[0] == 200


def test_no_part_of_the_page_names_a_foreign_host_and_its_policy_forbids_any() -> None:
    answers = page(model())
    whole = b"".join(answer.body for answer in answers.values()).decode()

    assert set(re.findall(r"(?:https?:)?//[a-zA-Z][^\s\"'`]*", whole)) <= {"http://www.w3.org/2000/svg", "//"}
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', answers["/"].body.decode())
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert not re.search(r"unsafe|\*|https?:|data:", policy[1])


def test_the_script_makes_no_markup_of_what_it_is_given() -> None:
    script = page(model())["/page/script.js"].body.decode()

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)


def test_the_page_asks_with_a_body_that_the_server_answers(running: ServerProcess) -> None:
    about = json.loads(running.get("/page/model.json")[2])
    wanted = [{"name": name} for name in ("label", "probabilities", "explanation", "base_value")]
    status, _, body = running.infer(json.dumps({"rows": [about["example"]], "outputs": wanted}).encode())

    assert (about["explains"], status) == (True, 200)
    assert [output["name"] for output in json.loads(body)["outputs"]] == [output["name"] for output in wanted]


def test_there_is_no_page_unless_it_is_switched_on(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    with server(tmp_path) as process:
        for path in ("/", "/page/script.js", "/page/model.json"):
            status, _, body = process.get(path)
            assert (status, json.loads(body)["error"][:21]) == (404, "there is no such path")


def test_head_is_answered_and_post_is_not(running: ServerProcess) -> None:
    assert running.get("/", "HEAD")[0] == 200
    status, fields, _ = running.get("/", "POST", b"{}")
    assert (status, fields["allow"]) == (405, "GET")


def test_the_form_begins_with_nobodys_values() -> None:
    assert json.loads(page(model())["/page/model.json"].body)["example"] != dict(zip(NAMES, ROW, strict=True))
    assert service().infer(json.dumps({"rows": [example(model())]}).encode(), "id").status == 200


NAMES = [feature.name for feature in FEATURES]


def test_an_example_is_in_the_middle_of_what_was_trained_on_or_is_allowed() -> None:
    entry = FeatureBaseline("glucose", 2, 0, 121.68, 1.0, [], [2])
    baseline = Baseline(2, [entry])
    seen = LoadedModel(contents().manifest, model().predictor, "", 1, baseline)

    assert example(model()) == {"glucose": 500.0, "insulin": 1_000.0, "age": 0}
    assert example(seen) == {"glucose": 122.0, "insulin": 1_000.0, "age": 0}
    clamped = [Feature("glucose", maximum=100.0), Feature("insulin", minimum=3.5), Feature("age", "INT64")]
    shown = LoadedModel(contents(features=clamped).manifest, model().predictor, "", 1, baseline)
    assert example(shown) == {"glucose": 100.0, "insulin": 3.5, "age": 0}


def test_an_example_that_may_be_shown_is_shown() -> None:
    shown = LoadedModel(contents().manifest, model().predictor, "", 1, example=[None, 80.0, 40.0])

    assert example(shown) == {"glucose": None, "insulin": 80.0, "age": 40}
