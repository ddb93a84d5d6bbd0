"""Which predictor serves which format. A format's packages are imported only when an artifact of it is loaded.

So the default image, which serves ``linear``, needs none of them, and an image without them can say which one has.
"""

from verdigris_serving.model.linear import LinearModel
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import LinearSpec, Manifest


class FormatNotServed(Exception):
    """The packages of a format are not installed here; the message names the image that has them."""


def predictor(manifest: Manifest, model: LinearSpec | bytes) -> Predictor:
    """What computes this model's scores. Raises InvalidModel when it cannot, FormatNotServed when it is not here."""
    if isinstance(model, LinearSpec):
        return LinearModel(model)
    try:
        if manifest.format == "onnx":
            from verdigris_serving.model.onnx_model import OnnxModel  # noqa: PLC0415 - see the module's docstring

            return OnnxModel(manifest, model)
        from verdigris_serving.model.sklearn_model import SklearnModel  # noqa: PLC0415 - see the module's docstring
    except ImportError as error:
        raise FormatNotServed(
            f'format "{manifest.format}" is not served by this image ({error}): use verdigris/serving-{manifest.format}'
        ) from error
    return SklearnModel(manifest, model)
