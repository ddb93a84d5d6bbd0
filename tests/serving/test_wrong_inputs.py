"""Whatever is wrong with what is given to packing: one sentence that names the cause and what to do, and no file."""

import pickle
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.cluster import DBSCAN, KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from verdigris_serving.artifact.cli import main
from verdigris_serving.artifact.pack import Holdout, PackingRefused, pack
from verdigris_serving.model.schema import Feature

VALUES = np.random.default_rng(2).normal(size=(30, 2))
TARGET = (VALUES[:, 0] > 0).astype(int)
SEVERAL = np.column_stack([TARGET, 1 - TARGET])
FRAME = pd.DataFrame(VALUES, columns=["a", "b"])
GOOD = LogisticRegression().fit(VALUES, TARGET)
NAMED = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, TARGET)


def fitted(model: Any, target: Any = TARGET) -> Any:
    return model.fit(VALUES, target)


THREE = fitted(RandomForestClassifier(2), TARGET + TARGET * (VALUES[:, 1] > 0))


class Foreign:
    """Looks like another library's model."""


Foreign.__module__ = "catboost.core"


class Booster:
    """Looks like what is inside of a model of xgboost's."""


Booster.__module__ = "xgboost.core"


def row_of_frames(table: Any) -> Any:
    """Works on frames only."""
    return table[["a", "b"]].to_numpy()


MODELS: list[tuple[str, Any, str]] = [
    ("nothing", None, "a NoneType is no estimator of scikit-learn: give a fitted Pipeline"),
    ("a class", LogisticRegression, "LogisticRegression is a class, and no fitted pipeline: make one, and fit it"),
    ("a path to nothing", "model.joblib", "model.joblib cannot be read: there is no such file or folder"),
    ("a Path to nothing", Path("model.joblib"), "there is no such file or folder"),
    ("a path to a pickle", __file__, r"is a pickle, and loading a pickle runs .* trust_pickle=True"),
    ("bytes", b"model.joblib", "the pipeline is a bytes: give the fitted pipeline itself"),
    ("a model of a registry", "models:/credit/3", "is in an MLflow server: download its folder first"),
    (
        "a run of MLflow's",
        "runs:/0a1b/model",
        r"--artifact-uri runs:/0a1b/model --dst-path model\), and give the folder",
    ),
    ("an address", "https://example.org/m.joblib", "is an address, .*: download it first, and give its path"),
    ("a dict", {"model": GOOD}, "a dict is no estimator"),
    ("a list", [GOOD], "a list is no estimator"),
    ("an array", VALUES, "a ndarray is no estimator"),
    ("a number", 7, "a int is no estimator"),
    ("a function", row_of_frames, "a function is no estimator"),
    ("another library's", Foreign(), "models of catboost are not packed; HistGradientBoostingClassifier and"),
    ("a booster", Booster(), "a Booster of xgboost is not packed; its XGBClassifier and XGBRegressor are: fit one"),
    ("not fitted", LogisticRegression(), "has not been fitted; call fit first"),
    ("a pipeline that is not fitted", make_pipeline(StandardScaler(), LogisticRegression()), "call fit first"),
    ("a search that is not fitted", GridSearchCV(LogisticRegression(), {}), "has no best_estimator_: fit it"),
    (
        "a search without refit",
        fitted(RandomizedSearchCV(LogisticRegression(), {"C": [1.0]}, n_iter=1, cv=2, refit=False)),
        "with refit=True",
    ),
    ("a pipeline of transformers", fitted(make_pipeline(StandardScaler())), "add the estimator as last step"),
    ("a transformer", StandardScaler().fit(VALUES), "has no predict"),
    ("clusters of its own rows only", fitted(DBSCAN()), "has no predict; a pipeline ends with what predicts"),
    ("outliers of its own rows only", fitted(LocalOutlierFactor()), "has no predict"),
    ("one cluster", fitted(KMeans(1, n_init=1)), "needs two or more classes"),
    ("several choices, trees", fitted(RandomForestClassifier(2), SEVERAL + 1), "number 0 is 1 or 2; only labels of 0"),
    ("several choices, wrapped", fitted(MultiOutputClassifier(GOOD), SEVERAL * 2), "fit and pack one model for each"),
    ("several choices, neighbours", fitted(KNeighborsClassifier(), SEVERAL - 1), "number 0 is -1 or 0; only labels of"),
    ("several texts", fitted(MultiOutputClassifier(GOOD), np.array(["no", "yes"])[SEVERAL]), "number 0 is no or yes;"),
    ("one class", fitted(RandomForestClassifier(2), TARGET * 0), "needs two or more classes"),
    (
        "a function on frames",
        make_pipeline(FunctionTransformer(row_of_frames), LogisticRegression()).fit(FRAME, TARGET),
        "the pipeline itself refuses the given rows",
    ),
    (
        "a function that no format holds",
        fitted(make_pipeline(FunctionTransformer(np.tanh), LogisticRegression())),
        r"FunctionTransformer\(tanh\) has no graph.* which this server does not allow",
    ),
    (
        "a lambda",
        fitted(make_pipeline(FunctionTransformer(lambda table: table * 2), LogisticRegression())),
        "FunctionTransformer.*has no graph",
    ),
]

TABLES: list[tuple[str, Any, str]] = [
    ("text", "rows.csv", "rows is a str; a data frame, an array or a list of rows is needed"),
    ("a number", 3, "rows is a int; a data frame"),
    ("an empty list", [], "no rows were given"),
    ("no rows", VALUES[:0], "rows has no row; at least one is needed"),
    ("an empty frame", pd.DataFrame(), "rows has no column"),
    ("a frame without rows", FRAME[:0], "rows has no row"),
    ("one dimension", VALUES[:, 0], r"rows has one dimension; rows of features are needed .*reshape\(-1, 1\)"),
    ("a series", FRAME["a"], "rows has one dimension"),
    ("a number of dimensions", VALUES.reshape(5, 6, 2), "more than two dimensions"),
    ("ragged rows", [[1.0, 2.0], [1.0]], "rows, row 1 has 1 values, and row 0 has 2"),
    ("rows of text", ["ab", "cd"], "rows has one dimension"),
    (
        "too few columns",
        VALUES[:, :1],
        "refuses the given rows: .*1 features.* expecting 2 features",
    ),
    ("too many columns", np.hstack([VALUES, VALUES]), "refuses the given rows: .*4 features"),
    ("text in a column", FRAME.assign(b="low"), 'rows, column "b", row 0 holds text, and the pipeline encodes no text'),
    ("text in an array", [[1.0, "2"]], 'column "x1", row 0 holds text, and the pipeline encodes no text there'),
    (
        "dates",
        FRAME.assign(a=date(2026, 1, 1)),
        'column "a", row 0 holds a date.*put a number in its place before the pipeline is fitted .days: ',
    ),
    ("timestamps", FRAME.assign(a=pd.Timestamp("2026-01-01")), "holds a date"),
    ("complex numbers", VALUES + 1j, "holds a complex, which is no number"),
    ("objects", FRAME.assign(a=[object()] * 30), "holds a object, which is no number"),
    ("infinity", np.where(VALUES > 1, np.inf, VALUES), "has an infinite value; leave such rows out"),
    ("missing values", np.where(VALUES > 1, np.nan, VALUES), "refuses the given rows: Input X contains NaN"),
    ("two columns of one name", pd.DataFrame(VALUES, columns=["a", "a"]), 'two columns "a"; each needs a name'),
    ("a lazy frame", pl.DataFrame({"a": [1.0], "b": [2.0]}).lazy(), r"rows is a lazy frame: call collect\(\)"),
    ("records of other names", [{"a": 1, "b": 2}, {"a": 1, "c": 2}], "row 1 has other names than row 0"),
    ("values beyond what is served", VALUES * 1e31, "is not a value a caller may send"),
]

TARGETS: list[tuple[str, Any, str]] = [
    ("too few", TARGET[:-1], "30 rows and 29 labels; give one a row"),
    ("several a row", SEVERAL, "y has 2 values a row; one label a row is needed"),
    ("a frame of two columns", FRAME, "y has 2 values a row; one label a row is needed"),
    ("several, one no number", [["a", 1.0]] * 30, "y, row 0 has several values, and one is no number"),
    ("several, one missing", [[None, 1.0]] * 30, "y, row 0 has several values, and one is no number"),
    ("missing", [None, *TARGET[1:]], "y, row 0 is missing; leave out rows of which nobody knows"),
    ("text", "y.csv", "y is a str; one label a row is needed"),
    ("a number", 1, "y is a int; one label a row is needed"),
    ("a class that there is not", TARGET + 1, "a label that is no class of the model; its classes are 0, 1"),
    ("objects", [object()] * 30, "y, row 0 is a object; a class or a number is needed"),
]

OPTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("a version", {"version": "one"}, "not a semantic version such as 1.2.0"),
    ("a name", {"name": "a/b"}, "name"),
    ("a threshold of one", {"threshold": 1.0}, "is not between 0 and 1"),
    ("more golden rows than rows", {"golden": 99}, "99 golden rows were asked for and 30 rows were given"),
    ("both X and rows", {"rows": VALUES}, "both X= and rows= were given"),
    ("features of other number", {"features": [Feature("a")]}, "row 0 has 2 values for 1 features"),
    ("features of one name", {"features": [Feature("a"), Feature("a")]}, "two features have the same name"),
    ("training of other width", {"training": VALUES[:, :1]}, "training row 0 has 1 values for 2 features"),
    ("a holdout of text", {"holdout": Holdout("x", [1])}, "the holdout is a str"),
    (
        "a range that no row is in",
        {"features": [Feature("a", minimum=9.0), Feature("b")]},
        "not a value a caller may send",
    ),
    ("a format that cannot", {"format": "linear", "pipeline": fitted(RandomForestClassifier(2))}, "no linear model"),
    ("a target without rows", {"X": None, "y": TARGET}, "y= was given without X="),
    ("columns of other names", {"pipeline": NAMED, "X": FRAME.rename(columns={"b": "c"})}, 'has no "b", and has "c"'),
    ("a column too many", {"pipeline": NAMED, "X": FRAME.assign(z=1.0)}, 'also has "z"'),
    (
        "a threshold of many classes",
        {"threshold": 0.4, "pipeline": THREE},
        "only to two",
    ),
    (
        "a regression with a threshold",
        {"threshold": 0.4, "pipeline": fitted(LinearRegression())},
        "neither classes nor",
    ),
    (
        "a threshold without probabilities",
        {"threshold": 0.4, "pipeline": fitted(LinearSVC())},
        "a threshold is one of probabilities, and this model gives none; leave it out",
    ),
    (
        "a target where there are several",
        {"pipeline": fitted(LinearRegression(), SEVERAL), "y": TARGET},
        "y has 1 values a row, and the model answers 2: give one for each",
    ),
    (
        "a label where there are several",
        {"pipeline": fitted(OneVsRestClassifier(GOOD), SEVERAL), "y": TARGET},
        "y is not 2 values of 0 or 1 a row, one for each label of the model: give these",
    ),
    (
        "numbers for several labels",
        {"pipeline": fitted(OneVsRestClassifier(GOOD), SEVERAL), "y": SEVERAL * 2},
        "y is not 2 values of 0 or 1 a row",
    ),
    (
        "two labels of one name",
        {"pipeline": fitted(OneVsRestClassifier(GOOD), SEVERAL), "y": pd.DataFrame(SEVERAL, columns=["a", "a"])},
        'y has two columns "a"; each needs a name of its own',
    ),
    ("a format that is none", {"format": "pickle"}, 'no format "pickle"; there are auto, linear, onnx, sklearn'),
    ("a version that is a number", {"version": 1.0}, "version= is 1.0, a float; give a text"),
    ("a name that is a number", {"name": 5}, "name= is 5, a int; give a text"),
    ("features that are a number", {"features": 3}, "features= is a int; give a list of Feature, or of names"),
    ("features of numbers", {"features": [1, 2]}, "features= holds a int; give each as a Feature, or by its name"),
    ("a holdout that is a table", {"holdout": VALUES}, "give Holdout\\(rows, labels\\), or X= and y="),
    ("no path", {"out": None}, "the file to write is a NoneType; a path is needed"),
    ("a folder that is not there", {"out": "/nowhere/at/all.vmodel"}, "cannot be written: No such file or directory"),
]

CASES = [
    *(pytest.param({"pipeline": model}, says, id=f"model: {name}") for name, model, says in MODELS),
    *(pytest.param({"X": table}, says, id=f"rows: {name}") for name, table, says in TABLES),
    *(pytest.param({"y": target}, says, id=f"target: {name}") for name, target, says in TARGETS),
    *(pytest.param(options, says, id=f"option: {name}") for name, options, says in OPTIONS),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("wrong", "says"), CASES)
def test_what_is_wrong_is_said_in_a_sentence(wrong: dict[str, Any], says: str, tmp_path: Path) -> None:
    call = {"pipeline": GOOD, "out": tmp_path / "m.vmodel", "X": VALUES, **wrong}

    with pytest.raises(PackingRefused, match=says) as refused:
        pack(call.pop("pipeline"), call.pop("out"), **call)

    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


class OfMain:
    """Pickled as if it had been defined in a notebook."""


def of_main() -> bytes:
    return pickle.dumps(OfMain(), protocol=0).replace(OfMain.__module__.encode(), b"__main__")


FILES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("not there", lambda _: None, "there is no such file"),
    ("a folder", lambda path: path.mkdir(), "is a folder, and has no file MLmodel"),
    ("empty", lambda path: path.write_bytes(b""), "it is no file by joblib or pickle, or it is cut off"),
    ("text", lambda path: path.write_text("hello, world"), "no file by joblib or pickle"),
    ("a CSV", lambda path: path.write_text("a,b\n1,2\n"), "cannot be loaded by joblib"),
    ("cut off", lambda path: path.write_bytes(pickle.dumps(GOOD)[:100]), "or it is cut off"),
    (
        "a class of the notebook",
        lambda path: path.write_bytes(of_main()),
        "its OfMain was defined in a notebook or",
    ),
    (
        "a module that is not here",
        lambda path: path.write_bytes(b"cnowhere_at_all\nThing\n."),
        "needs the module nowhere_at_all, which is not installed here",
    ),
    ("no estimator", lambda path: joblib.dump({"a": 1}, path), "a dict is no estimator"),
    ("not fitted", lambda path: joblib.dump(LogisticRegression(), path), "call fit first"),
    ("an array", lambda path: joblib.dump(VALUES, path), "a ndarray is no estimator"),
    ("of other columns", lambda path: joblib.dump(NAMED, path), 'has no "a", "b", and has "c", "d" instead'),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "says"), [pytest.param(make, says, id=name) for name, make, says in FILES])
def test_a_file_that_is_wrong_is_said_in_a_sentence(
    make: Callable[[Path], Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, rows = tmp_path / "p.joblib", tmp_path / "rows.csv"
    make(path)
    rows.write_text("c,d\n1,2\n2,1\n")
    arguments = ["pack", str(path), "--trust-pickle", "--name", "m", "--version", "1.0.0", "--rows", str(rows)]

    assert main([*arguments, "--out", str(tmp_path / "m.vmodel")]) == 1

    said = capsys.readouterr().err
    assert re.search(says, said)
    assert said.startswith("verdigris-model: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "m.vmodel").exists()


def test_more_than_sixty_wrong_inputs_are_tried() -> None:
    assert len(CASES) + len(FILES) >= 60


def test_a_sparse_table_is_one_too(tmp_path: Path) -> None:
    assert pack(GOOD, tmp_path / "m.vmodel", X=sparse.csr_matrix(VALUES)).manifest.format == "linear"


def test_features_may_be_names_and_a_holdout_a_pair(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(len(VALUES[0]))]

    packed = pack(GOOD, tmp_path / "m.vmodel", X=VALUES, features=names, holdout=(VALUES, TARGET))

    assert [feature.name for feature in packed.manifest.features] == names
    assert packed.quality
