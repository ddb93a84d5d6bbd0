"""What a caller of packing says beside the rows, in the spellings that people use; anything else is a sentence."""

from collections.abc import Iterable
from typing import Any, Literal, get_args

from verdigris_serving.artifact.holdout import Holdout
from verdigris_serving.model.schema import Feature, InvalidModel

Format = Literal["linear", "onnx", "sklearn"]
#: Fastest first: what ``auto`` tries, in this order.
FORMATS: tuple[Format, ...] = get_args(Format)


def checked_features(features: Any) -> tuple[Feature, ...]:
    """Features, or their names: a list of strings or a data frame's ``columns``. Raises InvalidModel."""
    if isinstance(features, str | bytes) or not isinstance(features, Iterable):
        raise InvalidModel(f"features= is a {type(features).__name__}; give a list of Feature, or of names")
    found = []
    for one in features:
        if not isinstance(one, Feature | str):
            raise InvalidModel(f"features= holds a {type(one).__name__}; give each as a Feature, or by its name")
        found.append(Feature(str(one)) if isinstance(one, str) else one)
    return tuple(found)


def checked_holdout(holdout: Any) -> Holdout | None:
    """A holdout, or a pair of its rows and what is true of them. Raises InvalidModel."""
    if holdout is None or isinstance(holdout, Holdout):
        return holdout
    if isinstance(holdout, tuple | list) and len(holdout) == 2:
        rows, labels = holdout
        return Holdout(rows, labels)
    raise InvalidModel(f"holdout= is a {type(holdout).__name__}; give Holdout(rows, labels), or X= and y=")


def check_words(**words: Any) -> None:
    """Names and versions are text, and ``format`` one of those there are. Raises InvalidModel."""
    for argument, given in words.items():
        if not isinstance(given, str):
            raise InvalidModel(f'{argument}= is {given!r}, a {type(given).__name__}; give a text, such as "1.0.0"')
    wanted = words.get("format", "auto")
    if wanted not in {"auto", *FORMATS}:
        raise InvalidModel(f'there is no format "{wanted}"; there are auto, {", ".join(FORMATS)}')
