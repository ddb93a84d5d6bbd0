"""This model's interface as an OpenAPI 3.1 document, made from its manifest: real names, shapes, classes and ranges."""

from typing import Any

from verdigris_serving import __version__
from verdigris_serving.model.schema import Feature, Manifest
from verdigris_serving.protocol.messages import FLOAT_DATATYPES, INTEGER_DATATYPES
from verdigris_serving.protocol.tensors import MAX_ROWS

Document = dict[str, Any]

#: What each refusal of an inference means; the rest of HTTP's refusals are the transport's.
_REFUSALS = {
    "400": "The request cannot be answered as sent; the sentence names the feature and the row.",
    "404": "There is no such model or version.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "500": "The model has no answer to this row; the id is also in the server's log.",
    "503": "The server is busy; ask again.",
}


def openapi_document(manifest: Manifest, outputs: list[Document]) -> Document:
    """The document; ``outputs`` is the metadata of every output there is."""
    base = f"/v2/models/{manifest.name}"
    paths: Document = {
        "/v2": _get("serverMetadata", "Name, version and extensions of the server", "ServerMetadata"),
        "/v2/health/live": _get("serverLive", "Whether the server is alive", "Live"),
        "/v2/health/ready": _get("serverReady", "Whether the server is ready", "Ready"),
    }
    for path, suffix in ((base, ""), (f"{base}/versions/{manifest.version}", "OfVersion")):
        paths[path] = _get(f"modelMetadata{suffix}", "Features and outputs of the model", "ModelMetadata")
        paths[f"{path}/ready"] = _get(f"modelReady{suffix}", "Whether the model is ready", "ModelReady")
        paths[f"{path}/infer"] = {"post": _infer(f"infer{suffix}")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{manifest.name} {manifest.version}",
            "version": manifest.version,
            "description": f"A {manifest.task} model over the Open Inference Protocol, by verdigris {__version__}.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(manifest, outputs)},
    }


def _infer(operation: str) -> Document:
    answer = {
        "description": "One answer a row, in the order of the rows.",
        "content": {
            "application/json": {"schema": _ref("InferResponse")},
            "application/octet-stream": {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "The JSON, then the outputs that were asked for in binary.",
                }
            },
        },
    }
    refusals = {
        status: {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}
        for status, text in _REFUSALS.items()
    }
    return {
        "operationId": operation,
        "summary": "Ask the model",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("InferRequest")}},
        },
        "responses": {"200": answer, **refusals},
    }


def _get(operation: str, summary: str, schema: str) -> Document:
    content = {"application/json": {"schema": _ref(schema)}}
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "responses": {"200": {"description": summary, "content": content}},
        }
    }


def _schemas(manifest: Manifest, outputs: list[Document]) -> Document:
    names = [output["name"] for output in outputs]
    text: Document = {"type": "string"}
    described = _object(name=text, datatype=text, shape=_list({"type": "integer"}))
    return {
        "Error": _object(error={"type": "string", "minLength": 1}),
        "Live": _object(live={"const": True}),
        "Ready": _object(ready={"const": True}),
        "ModelReady": _object(name={"const": manifest.name}, ready={"const": True}),
        "ServerMetadata": _object(name=text, version=text, extensions=_list(text)),
        "ModelMetadata": _object(
            name={"const": manifest.name},
            versions=_list({"const": manifest.version}),
            platform=text,
            inputs=_list(described),
            outputs=_list(described),
        ),
        "InferRequest": _request(manifest, names),
        "Rows": _rows(len(manifest.features)),
        **{f"Feature{number}": _column(feature) for number, feature in enumerate(manifest.features)},
        "InferResponse": _response(manifest, outputs),
    }


def _request(manifest: Manifest, outputs: list[str]) -> Document:
    columns = [_ref(f"Feature{number}") for number in range(len(manifest.features))]
    wanted = _object(name={"enum": outputs})
    wanted["properties"]["parameters"] = {"type": "object", "properties": {"binary_data": {"type": "boolean"}}}
    request = _object(
        inputs={
            "description": "One tensor of all features in the order of the metadata, or one tensor a feature.",
            "anyOf": [
                {"type": "array", "items": _ref("Rows"), "minItems": 1, "maxItems": 1},
                {"type": "array", "items": {"anyOf": columns}, "minItems": len(columns), "maxItems": len(columns)},
            ],
        }
    )
    request["properties"] |= {
        "id": {"type": "string", "maxLength": 256},
        "outputs": {"type": "array", "items": wanted, "maxItems": len(outputs), "uniqueItems": True},
        "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
    }
    return request


def _rows(width: int) -> Document:
    number: Document = {"type": ["number", "boolean", "null"]}
    return _tensor(
        {"type": "string", "minLength": 1},
        {"prefixItems": [_count(), {"const": width}], "minItems": 2, "maxItems": 2},
        {"anyOf": [_list(number), _list({"type": "array", "items": number, "minItems": width, "maxItems": width})]},
    )


def _column(feature: Feature) -> Document:
    integral = feature.datatype.startswith("INT")
    # true and false are values of datatype BOOL.
    value: Document = {"type": ["number", "boolean", *(["null"] if feature.nullable else [])]}
    if integral:
        value["multipleOf"] = 1
    if feature.out_of_range == "reject":
        value |= {"minimum": feature.minimum} if feature.minimum is not None else {}
        value |= {"maximum": feature.maximum} if feature.maximum is not None else {}
    return _tensor(
        {"const": feature.name},
        {"prefixItems": [_count(), {"const": 1}], "minItems": 1, "maxItems": 2},
        _list(value),
    )


def _tensor(name: Document, shape: Document, data: Document) -> Document:
    datatypes = sorted({*FLOAT_DATATYPES, *INTEGER_DATATYPES})
    return _object(name=name, shape={"type": "array", **shape}, datatype={"enum": datatypes}, data=data)


def _count() -> Document:
    return {"type": "integer", "minimum": 1, "maximum": MAX_ROWS}


def _response(manifest: Manifest, outputs: list[Document]) -> Document:
    response = _object(
        model_name={"const": manifest.name},
        model_version={"const": manifest.version},
        id={"type": "string", "minLength": 1, "maxLength": 256},
        outputs={"type": "array", "items": {"anyOf": [_output(manifest, output) for output in outputs]}},
    )
    places = {"type": "array", "items": {"type": "string"}, "description": "Where a value was clamped into its range."}
    response["properties"]["parameters"] = {"type": "object", "properties": {"clamped": places}}
    return response


def _output(manifest: Manifest, output: Document) -> Document:
    value: Document = {"type": "number"}
    if output["name"] == "label":
        value = {"enum": manifest.classes}
    elif output["name"] == "probabilities":
        value = {"type": "number", "minimum": 0, "maximum": 1}
    dimensions = len(output["shape"])
    size: Document = {"type": "integer", "minimum": 1}
    tensor = _object(
        name={"const": output["name"]},
        datatype={"const": output["datatype"]},
        shape={**_list(size), "minItems": dimensions, "maxItems": dimensions},
        data=_list(value),
    )
    # In binary the data follows the JSON.
    tensor["required"].remove("data")
    tensor["properties"]["parameters"] = {"type": "object", "properties": {"binary_data_size": {"type": "integer"}}}
    return tensor


def _object(**properties: Document) -> Document:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Document) -> Document:
    return {"type": "array", "items": items}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}
