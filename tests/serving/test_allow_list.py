"""What a skops file may be made of: everything else is refused by name, and nothing of it runs."""

import contextlib
import functools
import io
import json
import operator
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.serving.test_pack import packed, sample
from verdigris_serving.artifact.archive import write_zip
from verdigris_serving.artifact.pack import PackingRefused
from verdigris_serving.artifact.skops_file import store
from verdigris_serving.model import sklearn_allowed, sklearn_model
from verdigris_serving.model.schema import Equivalence, Feature, InvalidModel, Manifest
from verdigris_serving.model.sklearn_allowed import check_allowed

RAN: list[str] = []


class Trap(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Leaves a trace when it is built, filled or asked."""

    def __new__(cls) -> "Trap":
        RAN.append("new")
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        RAN.append("setstate")

    def fit(self, _values: Any, labels: Any) -> "Trap":
        """Become something that looks fitted."""
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, values: Any) -> Any:
        """The same for every row."""
        return np.full((len(values), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, values: Any) -> Any:
        """The same for every row."""
        return np.full(len(values), self.classes_[0])


def fitted(estimator: Any) -> Any:
    values, labels = sample()
    return estimator.fit(values, labels)


def manifest() -> Manifest:
    return Manifest(
        schema=1,
        name="m",
        version="1.0.0",
        format="sklearn",
        task="classification",
        features=[Feature(name) for name in ("a", "b", "c")],
        classes=[0, 1, 2],
        threshold=None,
        equivalence=Equivalence(1, 0.0),
        libraries={},
    )


def load(data: bytes) -> None:
    sklearn_model.SklearnModel(manifest(), data)


def test_a_type_that_is_not_on_the_list_is_refused_by_name_and_nothing_of_it_runs() -> None:
    data = skops.io.dumps(make_pipeline(fitted(Trap())))
    RAN.clear()

    with pytest.raises(InvalidModel, match=r"the type .*test_allow_list\.Trap \(as a ObjectNode\)"):
        load(data)
    assert RAN == []


def test_it_is_not_packed_either(tmp_path: Path) -> None:
    with pytest.raises(PackingRefused, match=r"not sklearn, because model.skops holds the type .*Trap"):
        packed(fitted(Trap()), tmp_path)


@pytest.mark.parametrize(
    ("hidden", "says"),
    [
        pytest.param(operator.methodcaller("clear"), "OperatorFuncNode", id="operator, as in CVE-2025-54412"),
        pytest.param(RAN.append, "builtin_function_or_method|append|MethodNode|TypeNode", id="a bound builtin"),
        pytest.param(LogisticRegression().fit, "MethodNode", id="a method"),
        pytest.param(functools.partial(np.log, 1.0), "PartialNode", id="a partial"),
        pytest.param(np.random.RandomState(0), "RandomStateNode", id="a generator"),
        pytest.param(np.mean, r"the type numpy\.mean \(as a FunctionNode\)", id="a function that is not elementwise"),
        pytest.param(json.loads, r"json.loads \(as a FunctionNode\)", id="a function of Python"),
        pytest.param(Path, r"Path \(as a TypeNode\)", id="a class"),
        pytest.param(b"bytes", "BytesNode", id="bytes"),
    ],
)
def test_whatever_else_skops_can_hold_is_refused(hidden: Any, says: str) -> None:
    carrier = fitted(make_pipeline(FunctionTransformer(), LogisticRegression()))
    carrier.steps[0][1].hidden = [{"deep": (hidden,)}]

    with pytest.raises(InvalidModel, match=says):
        load(skops.io.dumps(carrier))


def test_skops_is_not_even_called_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(sklearn_model.skops.io, "loads", lambda data, **_: asked.append(data))

    with pytest.raises(InvalidModel):
        load(skops.io.dumps(fitted(Trap())))
    assert asked == []


def test_the_list_is_for_the_pinned_version_of_skops() -> None:
    schema = json.loads(zipfile.ZipFile(io.BytesIO(skops.io.dumps([]))).read("schema.json"))

    assert schema["protocol"] == sklearn_allowed.PROTOCOL
    assert schema["_skops_version"] == "0.14.0"


GOOD = store(fitted(make_pipeline(FunctionTransformer(np.log1p), RandomForestClassifier(2, random_state=0))))


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def schema(change: Callable[[Any], Any]) -> bytes:
    whole = members()
    whole["schema.json"] = json.dumps(change(json.loads(whole["schema.json"]))).encode()
    return write_zip(whole)


def compressed() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members().items():
            archive.writestr(name, data)
    return buffer.getvalue()


def twice() -> bytes:
    buffer = io.BytesIO(GOOD)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("schema.json", b"{}")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "no skops file", id="nothing"),
        pytest.param(write_zip({"schema.json": b"[" * 100_000}), "no skops file", id="nested too deeply"),
        pytest.param(write_zip({"other": b"{}"}), "no skops file", id="no schema"),
        pytest.param(write_zip({"schema.json": b"[]"}), "protocol 2", id="a list"),
        pytest.param(schema(lambda document: {**document, "protocol": 0}), "protocol 2", id="nodes of an old protocol"),
        pytest.param(schema(lambda document: {**document, "__loader__": ["ObjectNode"]}), "allow", id="odd loader"),
        pytest.param(schema(lambda document: {**document, "__class__": None}), "sklearn.pipeline.None", id="odd class"),
        pytest.param(compressed(), "compressed", id="compressed, as a zip bomb would be"),
        pytest.param(twice(), "two members of the same name", id="two schemas"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused_with_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(InvalidModel, match=says):
        check_allowed(data)


@pytest.mark.parametrize("lacking", ["content", "__class__", "__module__"])
def test_a_file_that_skops_cannot_read_is_refused_with_a_sentence(lacking: str) -> None:
    with pytest.raises(InvalidModel, match=r"model\.skops"):
        load(schema(lambda document: {key: value for key, value in document.items() if key != lacking}))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_bytes_are_allowed_or_refused_and_nothing_else(position: int, noise: bytes) -> None:
    with contextlib.suppress(InvalidModel):
        check_allowed(GOOD[:position] + noise + GOOD[position + len(noise) :])


def test_a_good_file_loads() -> None:
    check_allowed(GOOD)
    load(GOOD)
