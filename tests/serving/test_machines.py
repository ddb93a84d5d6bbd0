"""Vector machines and Gaussian processes as graphs: the labels, probabilities and values of scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from tests.serving.test_pack import as_rows, packed, sample
from tests.serving.test_proof import differing
from verdigris_serving.artifact.verify import Expectation, load_verified

KERNELS = ("rbf", "linear", "poly", "sigmoid")
CLASSIFIERS = [
    *((SVC(kernel=kernel, probability=True, random_state=0), 2) for kernel in KERNELS),
    (NuSVC(nu=0.3, probability=True, random_state=0), 2),
    (CalibratedClassifierCV(make_pipeline(StandardScaler(), SVC()), ensemble=False), 3),
    (CalibratedClassifierCV(SVC(break_ties=True, decision_function_shape="ovr"), ensemble=False), 3),
]
REGRESSORS = [
    *(make_pipeline(StandardScaler(), SVR(kernel=kernel)) for kernel in KERNELS),
    NuSVR(C=100.0),
    *(
        make_pipeline(StandardScaler(), GaussianProcessRegressor(kernel, alpha=9.0, normalize_y=True, optimizer=None))
        for kernel in (
            None,
            RBF(2.0) + WhiteKernel(0.1),
            Matern(2.0, nu=0.5),
            Matern([1.0, 2.0, 3.0], nu=1.5),
            Matern(2.0, nu=2.5),
            RationalQuadratic(1.0, 0.5) * ConstantKernel(2.0),
            DotProduct(1.0) ** 2,
            ExpSineSquared(3.0, 5.0),
        )
    ),
]


def fresh(values: Any) -> Any:
    """Other rows of the same kind, more than are computed at once."""
    source = np.random.default_rng(8)
    table = np.column_stack([source.choice(column, 1_500) for column in values.T])
    return np.asarray(table + source.normal(size=table.shape) * 0.3)


def of_graph(model: Any, out: Path) -> Any:
    result = packed(model, out)
    assert result.manifest.format == "onnx", result.manifest.fallback
    return load_verified(result.path, Expectation(result.sha256), max_bytes=10**8)


@pytest.mark.filterwarnings("ignore:The `probability` parameter")
@pytest.mark.parametrize(("model", "classes"), CLASSIFIERS)
def test_a_vector_machine_gives_scikit_learns_labels_and_probabilities(
    model: Any, classes: int, tmp_path: Path
) -> None:
    values, labels = sample()
    model.fit(values, np.minimum(labels, classes - 1))

    assert differing(model, of_graph(model, tmp_path), fresh(values)) == 0


def test_a_vector_machine_behind_an_encoder_was_fitted_on_a_sparse_table_and_has_a_graph(tmp_path: Path) -> None:
    values, labels = sample()
    values[:, 0] = np.round(values[:, 0])
    split = ColumnTransformer([("a", OneHotEncoder(handle_unknown="ignore"), [0])], remainder="passthrough")
    split.set_params(sparse_threshold=1.0)
    machine = make_pipeline(split, SVC()).fit(values, labels)
    assert machine[-1]._sparse

    result = packed(machine, tmp_path, rows=as_rows(values))

    assert (result.manifest.format, result.manifest.scores) == ("onnx", "decision")


@pytest.mark.parametrize("model", REGRESSORS)
def test_a_regression_by_kernels_gives_scikit_learns_values(model: Any, tmp_path: Path) -> None:
    values, labels = sample()
    model.fit(values, labels * 10.0 + values[:, 0])

    assert differing(model, of_graph(model, tmp_path), fresh(values)) == 0


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            GaussianProcessRegressor(RBF(20.0), alpha=1e-12, optimizer=None),
            "weights so large that a sum in another order differs",
        ),
        (GaussianProcessRegressor(Matern(nu=0.7), alpha=0.1, optimizer=None), "Matern(nu=0.7) has no graph"),
        (SVR(kernel=lambda a, b: a @ b.T), "SVR with a kernel of its own has no graph"),
    ],
)
def test_what_has_no_graph_says_why(model: Any, says: str, tmp_path: Path) -> None:
    values, labels = sample()
    close = np.vstack([values, values + 1e-9])
    model.fit(close, np.concatenate([labels, labels + 1.0]))

    # A function has no format at all.
    try:
        said = packed(model, tmp_path, rows=as_rows(values)).manifest.fallback
    except ValueError as refusal:
        said = str(refusal)

    assert said is not None
    assert says in said
