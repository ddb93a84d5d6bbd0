"""Features that are any text, of which a vectorizer takes the words: from a column of texts to an answer."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from verdigris_serving.artifact.cli import main
from verdigris_serving.artifact.pack import Packed, PackingRefused, pack
from verdigris_serving.artifact.proof.documents import Pools
from verdigris_serving.artifact.skops_file import store
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.http.observations import Observations
from verdigris_serving.laptop.making import made, width_of
from verdigris_serving.model.checks import check_manifest
from verdigris_serving.model.schema import Feature, InvalidModel
from verdigris_serving.model.sklearn_model import SklearnModel
from verdigris_serving.protocol.example import example
from verdigris_serving.protocol.service import InferenceService

WORDS = ["good", "bad", "fine", "day", "rain", "Köln", "wait", "late", "kind", "42", "not", "it's", "ÄRGER", "straße"]
STOP_WORDS = ("day", "rain")
LETTERS = "abcXYZ äÖß éİıſ 日本 שלום 🙂.,;!?-_'\"<>&\t\n0123456789\x00"


def texts(source: np.random.Generator, count: int) -> list[str]:
    """Of words that are known, in any case, of letters in any order, of nothing, and some long ones."""
    found = []
    for _ in range(count):
        words = [str(source.choice(WORDS)) for _ in range(int(source.integers(0, 9)))]
        words = [getattr(w, str(source.choice(["upper", "lower", "title", "swapcase"])))() for w in words]
        letters = "".join(source.choice(list(LETTERS), int(source.integers(0, 30))))
        found.append(
            str(source.choice([" ".join(words), letters, f"{' '.join(words)} {letters}", " ".join(words) * 40]))
        )
    return found


def notes(seed: int = 3, count: int = 40) -> tuple[pd.DataFrame, Any]:
    """Texts beside a number that may be missing and a category, and a class that depends on them."""
    source = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": source.integers(20, 80, count),
            "note": [" ".join(source.choice(WORDS, 6)) for _ in range(count)],
            "colour": source.choice(["red", "blue"], count),
            "dose": source.gamma(2.0, size=count),
        }
    )
    target = table["note"].str.contains("good").astype(int) + (table["age"] > 60)
    table.loc[::9, "dose"] = np.nan
    return table, (target > 0).astype(int)


def beside(vectorizer: Any, last: Any) -> Any:
    """A column of texts by name, beside others."""
    columns = ColumnTransformer(
        [
            ("note", vectorizer, "note"),
            ("dose", SimpleImputer(), ["dose"]),
            ("colour", OneHotEncoder(handle_unknown="ignore"), ["colour"]),
        ],
        remainder="passthrough",
    )
    return make_pipeline(columns, last)


def served(result: Packed) -> InferenceService:
    return InferenceService(load_verified(result.path, Expectation(result.sha256), max_bytes=10**8))


def asked(service: InferenceService, body: dict[str, Any]) -> dict[str, Any]:
    answer = service.infer(msgspec.json.encode(body), "id")
    assert answer.status == 200, answer.body
    return {output["name"]: output["data"] for output in msgspec.json.decode(answer.body)["outputs"]}


LETTER_PAIRS = CountVectorizer(analyzer="char_wb", ngram_range=(1, 2), lowercase=False)
ALONE = [
    make_pipeline(TfidfVectorizer(), LogisticRegression()),
    make_pipeline(
        CountVectorizer(stop_words=list(STOP_WORDS), strip_accents="unicode"), TfidfTransformer(), ComplementNB()
    ),
    make_pipeline(HashingVectorizer(n_features=256), SGDClassifier(loss="log_loss", random_state=0)),
    make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), KNeighborsClassifier(3)),
    make_pipeline(FeatureUnion([("w", TfidfVectorizer()), ("l", LETTER_PAIRS)]), LogisticRegression()),
    make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0), RandomForestClassifier(5, random_state=0)),
    VotingClassifier([("a", make_pipeline(TfidfVectorizer(), LogisticRegression()))], voting="soft"),
    CalibratedClassifierCV(make_pipeline(TfidfVectorizer(), LinearSVC()), cv=2),
]


@pytest.mark.parametrize(
    "model", ALONE, ids=["tfidf", "counts", "hashes", "near", "union", "forest", "votes", "calibrated"]
)
def test_a_pipeline_of_texts_alone_answers_fresh_ones_as_scikit_learn_does(model: Any, tmp_path: Path) -> None:
    table, target = notes()
    fitted = model.fit(table["note"], target)
    fresh = texts(np.random.default_rng(5), 200)

    result = pack(fitted, tmp_path / "m.vmodel", X=table["note"])

    assert [(f.name, f.datatype, f.categories) for f in result.manifest.features] == [("note", "BYTES", None)]
    assert (result.manifest.format, result.manifest.equivalence.largest_difference) == ("sklearn", 0.0)
    assert result.manifest.equivalence.made > 200
    said = asked(served(result), {"rows": [{"note": text} for text in fresh]})
    assert said["label"] == fitted.predict(fresh).tolist()
    assert said["probabilities"] == pytest.approx(fitted.predict_proba(fresh).ravel(), abs=1e-12)


BESIDE = [
    beside(TfidfVectorizer(), LogisticRegression(max_iter=1_000)),
    beside(CountVectorizer(stop_words="english"), RandomForestClassifier(5, random_state=0)),
    beside(make_pipeline(HashingVectorizer(n_features=64), TfidfTransformer()), Ridge()),
]


@pytest.mark.parametrize("model", BESIDE, ids=["logistic", "forest", "ridge"])
def test_a_column_of_texts_beside_others_is_answered_as_scikit_learn_does(model: Any, tmp_path: Path) -> None:
    table, target = notes()
    fitted = model.fit(table, target)
    fresh = pd.concat([table] * 4, ignore_index=True).assign(note=texts(np.random.default_rng(6), 160))

    result = pack(fitted, tmp_path / "m.vmodel", X=table)

    kinds = {f.name: (f.datatype, f.categories, f.nullable) for f in result.manifest.features}
    assert kinds["note"] == ("BYTES", None, False)
    assert kinds["colour"] == ("BYTES", ["blue", "red"], True)
    assert kinds["dose"] == ("FP64", None, True)
    rows = [{n: None if pd.isna(value) else value for n, value in row.items()} for row in fresh.to_dict("records")]
    said = asked(served(result), {"rows": rows})
    if "value" in said:
        assert said["value"] == pytest.approx(fitted.predict(fresh), abs=1e-9)
    else:
        assert said["label"] == fitted.predict(fresh).tolist()
        assert said["probabilities"] == pytest.approx(fitted.predict_proba(fresh).ravel(), abs=1e-12)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Packed, InferenceService]:
    """A pipeline of one column of texts, what it was packed as, and who serves it."""
    table, target = notes()
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(table["note"], target)
    result = pack(fitted, tmp_path_factory.mktemp("alone") / "m.vmodel", X=table["note"], training=table["note"])
    return fitted, result, served(result)


FRESH = ["good day", "", "Köln, KÖLN!", "🙂", "x" * 300_000, 'said "no"; then\nleft']


def test_texts_are_sent_as_tensors_in_json_and_in_binary_as_rows_and_as_csv(alone: Any) -> None:
    fitted, _, service = alone
    wanted = pytest.approx(fitted.predict_proba(FRESH)[:, 1], abs=1e-12)
    tensor = {"name": "note", "shape": [len(FRESH)], "datatype": "BYTES"}
    packed = b"".join(len(t.encode()).to_bytes(4, "little") + t.encode() for t in FRESH)
    head = msgspec.json.encode({"inputs": [{**tensor, "parameters": {"binary_data_size": len(packed)}}]})
    short = [text for text in FRESH if len(text) < 100_000]
    table = io.StringIO()
    csv.writer(table).writerows([["note"], *([text] for text in short)])

    in_json = asked(service, {"inputs": [{**tensor, "data": FRESH}]})
    in_binary = service.infer(head + packed, "id", len(head))
    as_rows = asked(service, {"instances": [[text] for text in FRESH]})
    as_csv = service.infer_csv(table.getvalue().encode(), "id")

    assert in_json["probabilities"][1::2] == wanted
    assert msgspec.json.decode(in_binary.body)["outputs"][1]["data"][1::2] == wanted
    assert as_rows["probabilities"][1::2] == wanted
    lines = list(csv.DictReader(io.StringIO(as_csv.body.decode())))
    got = [float(line["probability_1"]) for line in lines]
    assert got == pytest.approx(fitted.predict_proba(short)[:, 1], abs=1e-12)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"note": None}, 'feature "note", row 1: a value is needed; this model does not impute a missing one'),
        ({"note": 3}, 'feature "note", row 1: a text is needed'),
        ({"text": "good"}, 'row 1: "text" is no feature of this model, and "note" is not there'),
        ({}, 'row 1: "note" is not there'),
    ],
)
def test_what_is_no_text_is_refused_by_name(alone: Any, row: dict[str, Any], says: str) -> None:
    answer = alone[2].infer(msgspec.json.encode({"rows": [{"note": "good"}, row]}), "id")

    assert answer.status == 400
    assert says in msgspec.json.decode(answer.body)["error"]


def test_numbers_beside_a_text_are_held_to_their_ranges(tmp_path: Path) -> None:
    table, target = notes()
    fitted = beside(TfidfVectorizer(), Ridge()).fit(table, target)
    limits = [Feature(n) for n in ("note", "colour", "dose")]
    age = Feature("age", datatype="INT64", minimum=18.0, maximum=90.0, out_of_range="clamp")
    service = served(pack(fitted, tmp_path / "m.vmodel", X=table, features=[age, *limits]))
    row = {"age": 200, "note": "good", "colour": "red", "dose": 1.0}

    clamped = service.infer(msgspec.json.encode({"rows": [row]}), "id")
    wrong = service.infer(msgspec.json.encode({"rows": [row, {**row, "age": 1.5}]}), "id")

    said = msgspec.json.decode(clamped.body)
    assert said["parameters"] == {"clamped": ['feature "age", row 0']}
    assert said["outputs"][0]["data"] == pytest.approx(fitted.predict(pd.DataFrame([{**row, "age": 90}])))
    assert (wrong.status, b'feature \\"age\\", row 1: a whole number' in wrong.body) == (400, True)


def test_the_interface_says_that_it_is_any_text(alone: Any) -> None:
    row = msgspec.json.decode(alone[2].openapi())["components"]["schemas"]["Row"]

    assert row["anyOf"][0]["properties"] == {"note": {"type": "string"}}


def test_a_row_to_show_has_a_text(alone: Any) -> None:
    _, result, _ = alone
    model = load_verified(result.path, Expectation(result.sha256), max_bytes=10**8)

    assert example(model) == {"note": "a text"}
    assert example(replace(model, example=["good day"])) == {"note": "good day"}


def test_the_baseline_and_what_is_observed_count_lengths(alone: Any) -> None:
    _, result, _ = alone
    model = load_verified(result.path, Expectation(result.sha256), max_bytes=10**8)
    observations = Observations(model)

    observations.observe([["x" * 10_000], ["good"]], [[0.5, 0.5], [0.5, 0.5]])()
    observations.count()

    assert model.baseline is not None
    assert model.baseline.features[0].mean == np.mean([len(text) for text in notes()[0]["note"]])
    first, *_, last, missing = observations.bins[0]
    assert (first, last, missing) == (1, 1, 0)


TABLE, TARGET = notes()
NOTES = TABLE["note"].tolist()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (NOTES, "text"),
        (tuple(NOTES), "text"),
        (np.array(NOTES), "text"),
        (np.array(NOTES, dtype=object).reshape(-1, 1), "text"),
        (pl.Series("note", NOTES), "note"),
        (TABLE[["note"]], "note"),
        ([{"note": text} for text in NOTES], "note"),
    ],
    ids=["list", "tuple", "array", "column", "polars", "frame", "records"],
)
def test_texts_are_given_in_any_form(given: Any, name: str, tmp_path: Path) -> None:
    fitted = make_pipeline(HashingVectorizer(n_features=8), LogisticRegression()).fit(NOTES, TARGET)

    result = pack(fitted, tmp_path / "m.vmodel", X=given, y=TARGET)

    assert result.manifest.features == [Feature(name, datatype="BYTES")]
    assert "auc" in result.quality


def test_the_same_pipeline_gives_the_same_bytes(tmp_path: Path) -> None:
    models, found = [], []
    for number in range(2):
        # Another list of the same stop words, whose address in memory must not matter.
        model = make_pipeline(CountVectorizer(stop_words=list(STOP_WORDS)), ComplementNB()).fit(NOTES, TARGET)
        models.append(model)
        found.append(pack(model, tmp_path / f"{number}.vmodel", name="m", X=NOTES).sha256)

    assert len({id(model[0].stop_words) for model in models}) == 2
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("vectorizer", "given", "says"),
    [
        (
            TfidfVectorizer(tokenizer=str.split, token_pattern=None),
            NOTES,
            "has a function as its tokenizer, and an art",
        ),
        (CountVectorizer(analyzer=str.split), NOTES, "has a function as its analyzer"),
        (TfidfVectorizer(preprocessor=str.lower), NOTES, "has a function as its preprocessor"),
        (TfidfVectorizer(), [*NOTES, None], r'column "text", row 40 is missing, .* \(no text is "", fillna\(""\)\)'),
        (TfidfVectorizer(), [*NOTES, 3], r'column "text", row 40 is a number, .* \(astype\(str\)\)'),
        (TfidfVectorizer(), TABLE[["note", "age"]], "one column of texts, and what is given has 2: note, age; give"),
        (TfidfVectorizer(), [*NOTES, "\ud83d"], "row 40 holds half a surrogate pair, which is no text"),
    ],
)
def test_what_cannot_be_packed_says_why(vectorizer: Any, given: Any, says: str, tmp_path: Path) -> None:
    fitted = make_pipeline(vectorizer, LogisticRegression()).fit(NOTES, TARGET)

    with pytest.raises(PackingRefused, match=says):
        pack(fitted, tmp_path / "m.vmodel", X=given)


def test_a_vectorizer_that_would_open_what_a_caller_names_is_not_loaded(alone: Any, tmp_path: Path) -> None:
    _, result, _ = alone
    reads = make_pipeline(TfidfVectorizer(input="filename", vocabulary=["a"]), LogisticRegression())
    path = tmp_path / "note.txt"
    path.write_text("a")
    reads.fit([str(path)] * 2, [0, 1])

    with pytest.raises(InvalidModel, match="reads files"):
        SklearnModel(result.manifest, store(reads))


def test_no_other_format_may_say_that_it_takes_any_text(alone: Any) -> None:
    manifest = msgspec.structs.replace(alone[1].manifest, format="linear", label_from="scores")

    with pytest.raises(InvalidModel, match='"note" is a text without categories, which format linear does not take'):
        check_manifest(manifest)


def test_the_proof_asks_about_texts_that_nobody_gave() -> None:
    pools = Pools([Feature("age"), Feature("note", datatype="BYTES")], [[1.0, "Good day"], [2.0, "bad rain"]], 1)
    pool = pools.features[1].categories or []

    assert {"", "GOOD DAY", "good day", "日本語の文章です。", "Good day zqxvk"} <= set(pool)
    assert max(len(str(text)) for text in pool) == 20_000
    assert pools.decoded(pools.coded([[3.0, "bad rain"]])) == [[3.0, "bad rain"]]


def test_without_rows_they_are_made_up() -> None:
    alone = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(NOTES, TARGET)
    among = beside(TfidfVectorizer(), LogisticRegression(max_iter=1_000)).fit(TABLE, TARGET)

    found = made(alone, width_of(alone) or 0, {})
    others = made(among, width_of(among) or 0, {})

    assert (found.names, found.refusal) == (["text"], "")
    assert [""] in found.rows
    assert others.names == list(TABLE.columns)
    assert len(others.rows) > 30


def test_a_csv_of_texts_is_packed_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joblib.dump(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(NOTES, TARGET), tmp_path / "p.joblib")
    rows = pd.DataFrame({"note": [*NOTES, "", "17"], "good": [*TARGET, 0, 1]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    arguments = ["pack", str(tmp_path / "p.joblib"), "--trust-pickle", "--name", "m", "--version", "1.0.0"]
    tables = ["--holdout", str(tmp_path / "rows.csv"), "--target", "good", "--out", str(tmp_path / "m.vmodel")]

    assert main([*arguments, *tables]) == 0

    assert main(["inspect", str(tmp_path / "m.vmodel")]) == 0
    assert "note                     BYTES" in capsys.readouterr().out
