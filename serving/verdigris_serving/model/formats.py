"""Which predictor serves which format. A format's packages are imported only when an artifact of it is loaded.

So the default image, which serves ``linear``, needs none of them, and an image without them can say which one has.
"""

from collections.abc import Callable
from typing import Any, cast

from verdigris_serving.model.linear import LinearModel
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import LinearSpec, Manifest


class FormatNotServed(Exception):
    """The packages of a format are not installed here; the message names the image that has them."""


#: From a manifest and the model's member to what computes its scores; raises InvalidModel.
Reader = Callable[[Manifest, Any], Predictor]


def reader(form: str) -> Reader:
    """Who reads models of a format, its packages imported. Raises FormatNotServed when they are not here."""
    if form == "linear":
        # It takes numbers only, and check_manifest has seen to it that there is nothing else.
        return lambda _, spec: cast(Predictor, LinearModel(spec))
    try:
        if form == "onnx":
            from verdigris_serving.model.onnx_model import OnnxModel  # noqa: PLC0415 - see the module's docstring

            return OnnxModel
        from verdigris_serving.model.sklearn_model import SklearnModel  # noqa: PLC0415 - see the module's docstring
    except ImportError as error:
        raise FormatNotServed(
            f'format "{form}" is not served by this image ({error}): use verdigris/serving-{form}'
        ) from error
    return SklearnModel


def predictor(manifest: Manifest, model: LinearSpec | bytes) -> Predictor:
    """What computes this model's scores. Raises InvalidModel when it cannot, FormatNotServed when it is not here."""
    return reader(manifest.format)(manifest, model)
