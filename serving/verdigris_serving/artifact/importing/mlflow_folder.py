"""A model's folder as MLflow logs it, read without MLflow: the file ``MLmodel``, the signature, the input example.

What is read of ``MLmodel``: ``flavors.sklearn`` (``pickled_model``, ``sklearn_version``), ``signature.inputs`` and
``saved_input_example_info``, as in https://mlflow.org/docs/latest/ml/model/ (the storage format of a model).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import yaml

from verdigris_serving.artifact.kinds import MLMODEL
from verdigris_serving.artifact.loading import CannotLoad, Loaded
from verdigris_serving.model.schema import Datatype, Feature

#: Bytes of the documents beside the model. A signature of 10,000 columns has some 600 KB.
_MOST_BYTES = 16 * 2**20
#: MLflow's types of columns. What a text is among, and whether a date is one, is found out from rows.
_DATATYPES: Mapping[str, Datatype] = {"boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32"}
_REQUIREMENT = re.compile(r"^scikit-learn==([^\s;#]+)", re.MULTILINE)
_DUMP = "load it with MLflow, and give the pipeline of scikit-learn in it to pack, or write that with joblib.dump"


class MlflowFolder:
    """A folder that has a file ``MLmodel``. ``fitted_under`` is the version of scikit-learn, empty when not written.

    Raises CannotLoad when the file is none of MLflow's or says nothing of scikit-learn.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._document = self._read_mlmodel()
        flavours = self._document.get("flavors")
        if not isinstance(flavours, dict) or not flavours:
            raise CannotLoad(f"{path / MLMODEL} names no flavors: it is none that MLflow wrote; log the model again")
        flavour = flavours.get("sklearn")
        if not isinstance(flavour, dict):
            others = ", ".join(sorted(str(name)[:40] for name in flavours if name != "python_function"))
            raise CannotLoad(
                f"{path} is a model of MLflow's flavour {others or 'python_function'}, and sklearn is the one that is "
                f"read: {_DUMP}"
            )
        self._flavour: Mapping[str, Any] = flavour
        self.fitted_under = self._fitted_under()

    def model_file(self) -> Path:
        """The file of the pipeline itself. Raises CannotLoad when it is not in the folder."""
        name = self._flavour.get("pickled_model")
        if not isinstance(name, str) or not name:
            raise CannotLoad(f"{self._path / MLMODEL} does not say where its pipeline is (pickled_model): log it again")
        file = self._inside(name)
        if file is None:
            raise CannotLoad(f"{self._path / MLMODEL} names {name[:200]}, which is outside of its folder: log it again")
        if not file.is_file():
            raise CannotLoad(f"{self._path} has no {name[:200]}, where its pipeline is: download the whole folder")
        return file

    def own_code(self) -> str:
        """What to do about modules that were logged with the model, as the end of a sentence; empty without any."""
        code = self._flavour.get("code")
        return f" (its own modules are in {self._path / code}: put that on PYTHONPATH)" if isinstance(code, str) else ""

    def beside(self, loaded: Loaded) -> Loaded:
        """The pipeline with the features of the signature, and the rows of the input example, where there are any."""
        told, example = loaded.told, loaded.example
        try:
            example = self._example()
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            told = (*told, f"Its input example cannot be read ({type(error).__name__}), and is not used.")
        return replace(loaded, features=self._features(), example=example, told=told)

    def _read_mlmodel(self) -> Mapping[str, Any]:
        file = self._path / MLMODEL
        try:
            document = yaml.safe_load(_text(file))
        except OSError as error:
            raise CannotLoad(f"{file} cannot be read: {error.strerror or error}") from error
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            raise CannotLoad(f"{file} is no YAML as MLflow writes it: log the model again") from error
        if not isinstance(document, dict):
            raise CannotLoad(f"{file} is no YAML as MLflow writes it: log the model again")
        return document

    def _fitted_under(self) -> str:
        stated = self._flavour.get("sklearn_version")
        if isinstance(stated, str):
            return stated[:40]
        try:
            found = _REQUIREMENT.search(_text(self._path / "requirements.txt"))
        except (OSError, ValueError):
            return ""
        return found[1][:40] if found else ""

    def _features(self) -> tuple[Feature, ...]:
        """The signature's columns; none where it has no names for them, as it has not for an array."""
        signature = self._document.get("signature")
        inputs = signature.get("inputs") if isinstance(signature, dict) else None
        try:
            columns = json.loads(inputs) if isinstance(inputs, str) else []
            return tuple(_feature(column) for column in columns if column["name"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return ()

    def _example(self) -> Sequence[Any]:
        info = self._document.get("saved_input_example_info")
        kind = info.get("type") if isinstance(info, dict) else None
        if not isinstance(info, dict) or kind not in {"dataframe", "ndarray"}:
            return ()
        file = self._inside(str(info["artifact_path"]))
        if file is None:
            raise ValueError("outside of the folder")
        data = json.loads(_text(file))
        if kind == "ndarray":
            rows = data["inputs"]
            return rows if isinstance(rows, list) else ()
        return [dict(zip(map(str, data["columns"]), row, strict=True)) for row in data["data"]]

    def _inside(self, name: str) -> Path | None:
        """The file of that name, None when it would be outside of the folder."""
        file = (self._path / name).resolve()
        return file if file.is_relative_to(self._path.resolve()) else None


def _feature(column: Any) -> Feature:
    datatype = _DATATYPES.get(column["type"], "FP64") if isinstance(column["type"], str) else "FP64"
    return msgspec.convert({"name": column["name"], "datatype": datatype}, Feature)


def _text(file: Path) -> str:
    """Raises OSError, or ValueError for what is too long or no UTF-8."""
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES} bytes")
    return file.read_text(encoding="utf-8")
