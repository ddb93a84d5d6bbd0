"""A fitted pipeline from a file by joblib, which runs whatever code is in it: only for who made the file."""

import pickle
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from verdigris_serving.model.schema import Feature

_MAIN = re.compile(r"Can't get attribute '([^']+)' on <module '__main__'|module '__main__' has no attribute '([^']+)'")


class CannotLoad(ValueError):
    """The file holds no pipeline that can be used here; the message says why and what to do."""


@dataclass(frozen=True)
class Loaded:
    """The pipeline, and what is to be said about it, a sentence each.

    ``features`` and ``example`` (rows as lists, or as dicts by column) are what is written beside it, when it is.
    """

    pipeline: Any
    told: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    example: Sequence[Any] = ()


def load_pipeline(path: Path, fitted_under: str = "") -> Loaded:
    """What ``joblib.dump`` wrote into ``path``. Raises CannotLoad.

    ``fitted_under``: the version of scikit-learn that fitted it, where that is written elsewhere too.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", InconsistentVersionWarning)
        try:
            pipeline = joblib.load(path)
        except Exception as error:  # a pickle may raise anything
            told = another_version(heard, fitted_under)
            raise CannotLoad(f"{path} cannot be loaded by joblib: {_cause(error)}{told and f'. {told}'}") from error
    told = another_version(heard, fitted_under)
    return Loaded(pipeline, (told,) if told else ())


def _cause(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0][:200]
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        return error.strerror or line
    main = _MAIN.search(line)
    if main:
        return (
            f"its {main[1] or main[2]} was defined in a notebook or script, and is not stored with it: put it into a "
            "module that can be imported here too, or replace it by a step of scikit-learn"
        )
    if isinstance(error, ModuleNotFoundError):
        return f"it needs the module {error.name}, which is not installed here, or not in this version: install it"
    if isinstance(error, pickle.UnpicklingError | EOFError | KeyError | IndexError | UnicodeDecodeError):
        return "it is no file by joblib or pickle, or it is cut off: write it again with joblib.dump"
    return f"{type(error).__name__}: {line}; fit it again with the versions that are installed here"


def another_version(heard: Sequence[warnings.WarningMessage], fitted_under: str = "") -> str:
    """A sentence about another scikit-learn than the one that fitted it; empty when it is the same, or not known."""
    said = [each.message for each in heard if isinstance(each.message, InconsistentVersionWarning)]
    fitted = said[0].original_sklearn_version if said else fitted_under
    if not fitted or fitted == sklearn.__version__:
        return ""
    return (
        f"It was fitted under scikit-learn {fitted}, and this is {sklearn.__version__}: what it answers here is what "
        "is packed."
    )
