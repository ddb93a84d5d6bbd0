"""Folders as MLflow logs them, made without MLflow."""

import json
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import skops.io
import yaml

TYPES = {"float": "double", "int": "long", "str": "string", "bool": "boolean"}


def write_folder(
    folder: Path,
    pipeline: Any,
    *,
    by: str = "cloudpickle",
    columns: dict[str, str] | None = None,
    example: Any = None,
    **flavour: Any,
) -> Path:
    """``pipeline`` logged by ``cloudpickle`` or ``skops``; ``columns`` are a signature's, name to MLflow's type.

    ``example`` is what an input example says: the document, by columns where it has some.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = "model.skops" if by == "skops" else "model.pkl"
    if by == "skops":
        skops.io.dump(pipeline, folder / name)
    else:
        (folder / name).write_bytes(cloudpickle.dumps(pipeline))
    described: dict[str, Any] = {"pickled_model": name, "serialization_format": by, "code": None, **flavour}
    document: dict[str, Any] = {
        "artifact_path": "model",
        "flavors": {"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": described},
        "mlflow_version": "3.15.0",
    }
    if columns:
        inputs = [{"type": kind, "name": column, "required": True} for column, kind in columns.items()]
        document["signature"] = {"inputs": json.dumps(inputs), "outputs": None, "params": None}
    if example is not None:
        (folder / "input_example.json").write_text(json.dumps(example))
        kind = {"type": "dataframe", "pandas_orient": "split"} if "columns" in example else {"type": "ndarray"}
        document["saved_input_example_info"] = {"artifact_path": "input_example.json", **kind}
    (folder / "MLmodel").write_text(yaml.safe_dump(document))
    return folder
