"""What a ``model.skops`` may be made of. The list lives here, in the server, and is never read from an artifact.

skops is no sandbox: its own check has been got around (CVE-2025-54412, CVE-2025-54886), and it trusts types by
default that this list does not. So every node of the file is looked at here first, as plain JSON, and only a file
whose loaders and types are all on the list is handed to skops at all. What is not on it: functions other than those
below, methods, partials, ``operator``, anything built by ``__reduce__``, and generators of random numbers (their
state is not checked for bounds).

This module imports neither skops nor scikit-learn.
"""

import io
import json
import zipfile
from typing import Any

from verdigris_serving.model.schema import InvalidModel

SCHEMA = "schema.json"
#: skops' own format number; nodes of older ones have loaders of their own, which nobody looked at here.
PROTOCOL = 2


def _types(module: str, names: str) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for name in names.split())


_SCALARS = _types("builtins", "bool int float str") | _types(
    "numpy", "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 str_"
)
#: Elementwise functions of FunctionTransformer and TransformedTargetRegressor.
_FUNCTIONS = _types("numpy", "absolute cbrt exp expm1 log log10 log1p log2 sqrt square") | _types(
    # What features were chosen by at fitting; nothing calls them afterwards.
    "sklearn.feature_selection._univariate_selection",
    "chi2 f_classif f_regression",
)
#: scikit-learn's types by module, private parts of its estimators included.
_ESTIMATORS = {
    "_loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
    "_loss.loss": "AbsoluteError HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss HalfPoissonLoss HalfSquaredError "
    "HalfTweedieLoss HalfTweedieLossIdentity HuberLoss PinballLoss",
    "calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration",
    "cluster._kmeans": "KMeans MiniBatchKMeans",
    "covariance._elliptic_envelope": "EllipticEnvelope",
    "compose._column_transformer": "ColumnTransformer",
    "cross_decomposition._pls": "CCA PLSCanonical PLSRegression",
    "compose._target": "TransformedTargetRegressor",
    "decomposition._fastica": "FastICA",
    "decomposition._incremental_pca": "IncrementalPCA",
    "decomposition._pca": "PCA",
    "decomposition._truncated_svd": "TruncatedSVD",
    "discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "dummy": "DummyClassifier DummyRegressor",
    "ensemble._bagging": "BaggingClassifier BaggingRegressor",
    "ensemble._forest": "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier RandomForestRegressor",
    "ensemble._gb": "GradientBoostingClassifier GradientBoostingRegressor",
    "ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "ensemble._hist_gradient_boosting.gradient_boosting": "HistGradientBoostingClassifier "
    "HistGradientBoostingRegressor",
    "ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "ensemble._iforest": "IsolationForest",
    "ensemble._stacking": "StackingClassifier StackingRegressor",
    "ensemble._voting": "VotingClassifier VotingRegressor",
    "ensemble._weight_boosting": "AdaBoostClassifier AdaBoostRegressor",
    "feature_extraction.text": "CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer",
    "feature_selection._from_model": "SelectFromModel",
    "feature_selection._rfe": "RFE RFECV",
    "feature_selection._sequential": "SequentialFeatureSelector",
    "feature_selection._univariate_selection": "GenericUnivariateSelect SelectFdr SelectFpr SelectFwe SelectKBest "
    "SelectPercentile",
    "feature_selection._variance_threshold": "VarianceThreshold",
    "frozen._frozen": "FrozenEstimator",
    "gaussian_process._gpc": "GaussianProcessClassifier _BinaryGaussianProcessClassifierLaplace",
    "gaussian_process._gpr": "GaussianProcessRegressor",
    "gaussian_process.kernels": "ConstantKernel DotProduct ExpSineSquared Exponentiation Matern Product RBF "
    "RationalQuadratic Sum WhiteKernel",
    "impute._base": "MissingIndicator SimpleImputer",
    "impute._knn": "KNNImputer",
    "isotonic": "IsotonicRegression",
    "kernel_ridge": "KernelRidge",
    "linear_model._base": "LinearRegression",
    "linear_model._bayes": "ARDRegression BayesianRidge",
    "linear_model._coordinate_descent": "ElasticNet ElasticNetCV Lasso LassoCV MultiTaskElasticNet "
    "MultiTaskElasticNetCV MultiTaskLasso MultiTaskLassoCV",
    "linear_model._glm.glm": "GammaRegressor PoissonRegressor TweedieRegressor",
    "linear_model._huber": "HuberRegressor",
    "linear_model._least_angle": "Lars LarsCV LassoLars LassoLarsCV LassoLarsIC",
    "linear_model._logistic": "LogisticRegression LogisticRegressionCV",
    "linear_model._omp": "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV",
    "linear_model._passive_aggressive": "PassiveAggressiveClassifier PassiveAggressiveRegressor",
    "linear_model._perceptron": "Perceptron",
    "linear_model._quantile": "QuantileRegressor",
    "linear_model._ransac": "RANSACRegressor",
    "linear_model._ridge": "Ridge RidgeCV RidgeClassifier RidgeClassifierCV",
    "linear_model._stochastic_gradient": "SGDClassifier SGDOneClassSVM SGDRegressor",
    "linear_model._theil_sen": "TheilSenRegressor",
    "mixture._bayesian_mixture": "BayesianGaussianMixture",
    "mixture._gaussian_mixture": "GaussianMixture",
    "multiclass": "OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier _ConstantPredictor",
    "multioutput": "ClassifierChain MultiOutputClassifier MultiOutputRegressor RegressorChain",
    "naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "neighbors._classification": "KNeighborsClassifier RadiusNeighborsClassifier",
    "neighbors._lof": "LocalOutlierFactor",
    "neighbors._nearest_centroid": "NearestCentroid",
    "neighbors._regression": "KNeighborsRegressor RadiusNeighborsRegressor",
    "neural_network._multilayer_perceptron": "MLPClassifier MLPRegressor",
    "neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "pipeline": "FeatureUnion Pipeline",
    "preprocessing._data": "Binarizer MaxAbsScaler MinMaxScaler Normalizer PowerTransformer QuantileTransformer "
    "RobustScaler StandardScaler",
    "preprocessing._discretization": "KBinsDiscretizer",
    "preprocessing._encoders": "OneHotEncoder OrdinalEncoder",
    "preprocessing._function_transformer": "FunctionTransformer",
    "preprocessing._label": "LabelBinarizer LabelEncoder",
    "preprocessing._polynomial": "PolynomialFeatures SplineTransformer",
    "preprocessing._target_encoder": "TargetEncoder",
    "random_projection": "GaussianRandomProjection",
    "semi_supervised._label_propagation": "LabelPropagation LabelSpreading",
    "semi_supervised._self_training": "SelfTrainingClassifier",
    "svm._classes": "LinearSVC LinearSVR NuSVC NuSVR OneClassSVM SVC SVR",
    "tree._classes": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
}

#: By loader, which decides what is done with a node, the types that it may be given.
ALLOWED: dict[str, frozenset[str]] = {
    "JsonNode": frozenset({"builtins.str"}),
    "DictNode": frozenset({"builtins.dict", "sklearn.utils._bunch.Bunch"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "TypeNode": _SCALARS,
    "NdArrayNode": _SCALARS | {"numpy.ndarray"},
    "DTypeNode": frozenset({"numpy.dtype"}),
    "FunctionNode": _FUNCTIONS,
    "LossNode": _types(
        "sklearn._loss._loss",
        "CyAbsoluteError CyHalfBinomialLoss CyHalfGammaLoss CyHalfMultinomialLoss CyHalfPoissonLoss "
        "CyHalfSquaredError CyHalfTweedieLoss CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss",
    )
    | _types("sklearn.linear_model._sgd_fast", "EpsilonInsensitive Hinge ModifiedHuber SquaredHinge"),
    # What neighbours and vector machines keep of rows that were texts.
    "SparseMatrixNode": _types("scipy.sparse._csr", "csr_array csr_matrix"),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "ObjectNode": frozenset().union(*(_types(f"sklearn.{module}", names) for module, names in _ESTIMATORS.items())),
}
#: All of them, in the form that skops wants to be told.
TYPES: frozenset[str] = frozenset().union(*ALLOWED.values())


def check_allowed(data: bytes) -> None:
    """Raise InvalidModel, naming the type, unless every node of a skops file is on the list. Builds nothing."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            schema = json.loads(archive.read(SCHEMA))
    except Exception as error:  # zipfile's and json's many ways to say no, RecursionError among them
        raise InvalidModel(f"model.skops is no skops file ({type(error).__name__})") from error
    if len({entry.filename for entry in entries}) != len(entries):
        raise InvalidModel("model.skops holds two members of the same name")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise InvalidModel("model.skops is compressed; it is stored uncompressed")
    if not isinstance(schema, dict) or schema.get("protocol") != PROTOCOL:
        raise InvalidModel(f"model.skops is not of skops' protocol {PROTOCOL}: pack it again with matching tools")
    _check_node(schema)


def _check_node(schema: Any) -> None:
    """Look at every node, wherever it hides. A loop of its own: a deep file must not exhaust Python's stack."""
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            fault = _fault(item)
            if fault:
                raise InvalidModel(f"model.skops holds {fault}, which this server does not allow")
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _fault(node: dict[str, Any]) -> str | None:
    """What is wrong with one object of the JSON; None when it is allowed, or no node at all."""
    if "__loader__" not in node:
        return None
    loader, name = str(node["__loader__"]), f"{node.get('__module__')}.{node.get('__class__')}"
    if loader not in ALLOWED:
        return f"a {loader[:100]} (of {name[:200]})"
    if name not in ALLOWED[loader]:
        return f"the type {name[:200]} (as a {loader})"
    return None
