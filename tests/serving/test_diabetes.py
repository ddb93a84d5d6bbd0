"""The example: honest patients, an honest model, and an honest mistake."""

import json
from pathlib import Path

import pytest

from examples.diabetes.patients import FEATURES, MISSING, Patient, generate
from examples.diabetes.request_bodies import bodies
from examples.diabetes.train import Trained, measured, split, train
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.protocol.service import InferenceService, ModelFault


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return generate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diabetes")


@pytest.fixture(scope="module")
def trained(folder: Path, patients: list[Patient]) -> dict[str, Trained]:
    return {result.version: result for result in train(folder, patients)}


def served(folder: Path, result: Trained) -> InferenceService:
    expected = Expectation(result.sha256, "diabetes", result.version, "linear")
    return InferenceService(load_verified(folder / result.file, expected, max_bytes=10**6))


def failures(service: InferenceService, requests: list[bytes]) -> int:
    count = 0
    for request in requests:
        try:
            assert service.infer(request, "id").status == 200
        except ModelFault:
            count += 1
    return count


def test_the_same_seed_gives_the_same_patients(patients: list[Patient]) -> None:
    assert generate(100) == patients[:100]
    assert generate(100, seed=1) != patients[:100]


def test_the_patients_look_like_a_clinics(patients: list[Patient]) -> None:
    ill = sum(patient.label for patient in patients) / len(patients)
    untested = sum(patient.row[FEATURES.index("insulin")] == 0 for patient in patients) / len(patients)
    bands = {patient.age_band for patient in patients}

    assert len(patients) == 10_000
    assert 0.3 < ill < 0.42
    assert 0.45 < untested < 0.53
    assert bands == {"21-30", "31-45", "46+"}
    for name, rate in MISSING.items():
        missing = sum(patient.row[FEATURES.index(name)] is None for patient in patients) / len(patients)
        assert missing == pytest.approx(rate, abs=0.02)


def test_logistic_regression_reaches_the_promised_auc(trained: dict[str, Trained]) -> None:
    assert trained["1.0.0"].auc == pytest.approx(0.89, abs=0.01)
    assert trained["1.1.0"].auc == pytest.approx(0.89, abs=0.01)
    assert trained["1.0.0"].evaluated == 10_000 - 768


def test_each_version_carries_its_baseline_and_its_quality(folder: Path, trained: dict[str, Trained]) -> None:
    for result in trained.values():
        model = load_verified(folder / result.file, Expectation(result.sha256), max_bytes=10**6)

        assert model.baseline is not None
        assert [entry.name for entry in model.baseline.features] == list(FEATURES)
        assert model.baseline.rows == (768 if result.version != "1.2.0" else len(measured(split(generate())[0])))
        assert model.quality["auc"] == pytest.approx(result.auc, abs=1e-4)
        assert set(model.quality) == {"auc", "accuracy", "brier", "log_loss"}


def test_the_sound_versions_answer_every_real_request(folder: Path, trained: dict[str, Trained]) -> None:
    requests = bodies(folder / "requests.json")

    assert failures(served(folder, trained["1.0.0"]), requests) == 0
    assert failures(served(folder, trained["1.1.0"]), requests) == 0


def test_the_mistake_passes_every_check_and_fails_half_of_the_real_requests(
    folder: Path, trained: dict[str, Trained]
) -> None:
    requests = bodies(folder / "requests.json")
    service = served(folder, trained["1.2.0"])  # checksum, identity and golden rows have passed

    assert trained["1.2.0"].auc > trained["1.1.0"].auc
    assert 0.42 < failures(service, requests) / len(requests) < 0.56


def test_training_again_gives_the_same_artifacts(folder: Path, trained: dict[str, Trained], tmp_path: Path) -> None:
    assert train(tmp_path) == list(trained.values())
    assert json.loads((folder / "models.json").read_text())[0]["sha256"] == trained["1.0.0"].sha256
