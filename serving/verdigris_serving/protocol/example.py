"""A row that the model answers, to show how it is asked."""

from typing import Any

import msgspec

from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Feature, Value, bounds, is_free_text

#: Stands for any text, where nothing is known of those that the model was trained on.
_TEXT = "a text"


def example(model: LoadedModel) -> dict[str, Any]:
    """A value a feature, by name, as a caller would send it.

    The artifact's own first golden row where that may be shown (``LoadedModel.example``), else values in the middle:
    of the training rows, or of the allowed range.
    """
    features = model.manifest.features
    if model.example is not None:
        return {f.name: as_sent(f, value) for f, value in zip(features, model.example, strict=True)}
    means = {entry.name: entry.mean for entry in model.baseline.features} if model.baseline else {}
    return {f.name: _TEXT if is_free_text(f) else as_sent(f, _middle(f, means.get(f.name))) for f in features}


def _middle(feature: Feature, mean: float | None) -> float:
    low, high = bounds(feature)
    if mean is None:
        known = [limit for limit in (feature.minimum, feature.maximum) if limit is not None]
        mean = sum(known) / len(known) if known else 0.0
    value = min(max(mean, low), high)
    return float(round(value)) if not feature.datatype.startswith("FP") else float(f"{value:.3g}")


def as_sent(feature: Feature, value: Value) -> Any:
    """A value of a row as a caller writes it: a number of a datatype without a fraction as such, a text by its name."""
    if value is None or isinstance(value, str):
        return value
    datatype: str = feature.datatype
    if datatype == "BOOL":
        return bool(value)
    if datatype == "BYTES":
        texts = msgspec.to_builtins(feature)["categories"]
        return texts[int(value)] if 0 <= value < len(texts) else ""
    return int(value) if datatype.startswith("INT") else value
