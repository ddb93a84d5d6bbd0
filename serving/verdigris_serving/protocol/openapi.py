"""This model's interface as an OpenAPI 3.1 document, made from its manifest: real names, shapes, classes and ranges."""

from verdigris_serving import __version__
from verdigris_serving.model.schema import Feature, Manifest, is_integral
from verdigris_serving.protocol import openapi_rows
from verdigris_serving.protocol.messages import FLOAT_DATATYPES, INTEGER_DATATYPES
from verdigris_serving.protocol.openapi_rows import Document, list_of, object_of, ref

#: What each refusal of an inference means; the rest of HTTP's refusals are the transport's.
_REFUSALS = {
    "400": "The request cannot be answered as sent; the sentence names the feature and the row.",
    "404": "There is no such model or version.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large, packed or unpacked.",
    "415": "The body's Content-Encoding is none that is understood; gzip and deflate are.",
    "500": "The model has no answer to this row; the id is also in the server's log.",
    "503": "The server is busy; ask again.",
}


_ANSWERS: Document = {
    "application/json": {"schema": ref("InferResponse")},
    "application/octet-stream": {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "The JSON, then the outputs that were asked for in binary.",
        }
    },
    "text/csv": {"schema": {"type": "string", "description": "To CSV: a line a row, the outputs as columns."}},
}


def openapi_document(manifest: Manifest, outputs: list[Document], max_rows: int) -> Document:
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
        paths[f"{path}/infer"] = {"post": _post(f"infer{suffix}", _ANSWERS)}
    first = f"/v1/models/{manifest.name}"
    paths["/v1/models"] = _get("modelListV1", "The model's name, as KServe V1 asks for it", "ModelListV1")
    paths[first] = _get("modelReadyV1", "Whether the model is ready, as KServe V1 asks for it", "ModelReady")
    predictions = {"application/json": {"schema": ref("Predictions")}, "text/csv": _ANSWERS["text/csv"]}
    paths[f"{first}:predict"] = {"post": _post("predict", predictions)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{manifest.name} {manifest.version}",
            "version": manifest.version,
            "description": f"A {manifest.task} model over the Open Inference Protocol, by verdigris {__version__}.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(manifest, outputs, max_rows)},
    }


def _post(operation: str, answers: Document) -> Document:
    answer = {"description": "One answer a row, in the order of the rows.", "content": answers}
    refusals = {
        status: {"description": text, "content": {"application/json": {"schema": ref("Error")}}}
        for status, text in _REFUSALS.items()
    }
    spellings = [ref("InferRequest"), ref("RowsRequest"), ref("InstancesRequest")]
    return {
        "operationId": operation,
        "summary": "Ask the model",
        "requestBody": {
            "required": True,
            "description": "May be packed: Content-Encoding gzip or deflate.",
            "content": {"application/json": {"schema": {"anyOf": spellings}}, "text/csv": {"schema": ref("Table")}},
        },
        "responses": {"200": answer, **refusals},
    }


def _get(operation: str, summary: str, schema: str) -> Document:
    content = {"application/json": {"schema": ref(schema)}}
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "responses": {"200": {"description": summary, "content": content}},
        }
    }


def _schemas(manifest: Manifest, outputs: list[Document], max_rows: int) -> Document:
    names = [output["name"] for output in outputs]
    text: Document = {"type": "string"}
    described = object_of(name=text, datatype=text, shape=list_of({"type": "integer"}))
    return {
        "Error": object_of(error={"type": "string", "minLength": 1}),
        "Live": object_of(live={"const": True}),
        "Ready": object_of(ready={"const": True}),
        "ModelReady": object_of(name={"const": manifest.name}, ready={"const": True}),
        "ServerMetadata": object_of(name=text, version=text, extensions=list_of(text)),
        "ModelMetadata": object_of(
            name={"const": manifest.name},
            versions=list_of({"const": manifest.version}),
            platform=text,
            inputs=list_of(described),
            outputs=list_of(described),
        ),
        "InferRequest": _request(manifest, names),
        **openapi_rows.schemas(manifest, _options(names)),
        "Count": {"type": "integer", "minimum": 1, "maximum": max_rows},
        "Rows": _rows(len(manifest.features)),
        **{f"Feature{number}": _column(feature) for number, feature in enumerate(manifest.features)},
        "InferResponse": _response(manifest, outputs),
    }


def _request(manifest: Manifest, outputs: list[str]) -> Document:
    columns = [ref(f"Feature{number}") for number in range(len(manifest.features))]
    request = object_of(
        inputs={
            "description": "One tensor of all features in the order of the metadata, or one tensor a feature.",
            "anyOf": [
                {"type": "array", "items": ref("Rows"), "minItems": 1, "maxItems": 1},
                {"type": "array", "items": {"anyOf": columns}, "minItems": len(columns), "maxItems": len(columns)},
            ],
        }
    )
    request["properties"] |= _options(outputs)
    return request


def _options(outputs: list[str]) -> Document:
    """What a request may say besides its rows."""
    wanted = object_of(name={"enum": outputs})
    wanted["properties"]["parameters"] = {"type": "object", "properties": {"binary_data": {"type": "boolean"}}}
    return {
        "id": {"type": "string", "maxLength": 256},
        "outputs": {"type": "array", "items": wanted, "maxItems": len(outputs), "uniqueItems": True},
        "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
    }


def _rows(width: int) -> Document:
    number: Document = {"type": ["number", "boolean", "null"]}
    return _tensor(
        {"type": "string", "minLength": 1},
        {"prefixItems": [ref("Count"), {"const": width}], "minItems": 2, "maxItems": 2},
        {"anyOf": [list_of(number), list_of({"type": "array", "items": number, "minItems": width, "maxItems": width})]},
    )


def _column(feature: Feature) -> Document:
    if feature.datatype == "BYTES":
        shape = {"prefixItems": [ref("Count"), {"const": 1}], "minItems": 1, "maxItems": 2}
        return _tensor({"const": feature.name}, shape, list_of(openapi_rows.value_of(feature)), ["BYTES"])
    integral = is_integral(feature)
    # true and false are values of datatype BOOL.
    value: Document = {"type": ["number", "boolean", *(["null"] if feature.nullable else [])]}
    if integral:
        value["multipleOf"] = 1
    if feature.out_of_range == "reject":
        value |= {"minimum": feature.minimum} if feature.minimum is not None else {}
        value |= {"maximum": feature.maximum} if feature.maximum is not None else {}
    return _tensor(
        {"const": feature.name},
        {"prefixItems": [ref("Count"), {"const": 1}], "minItems": 1, "maxItems": 2},
        list_of(value),
    )


def _tensor(name: Document, shape: Document, data: Document, datatypes: list[str] | None = None) -> Document:
    datatypes = datatypes or sorted({*FLOAT_DATATYPES, *INTEGER_DATATYPES})
    return object_of(name=name, shape={"type": "array", **shape}, datatype={"enum": datatypes}, data=data)


def _response(manifest: Manifest, outputs: list[Document]) -> Document:
    response = object_of(
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
        value = openapi_rows.label_of(manifest)
    elif output["name"] == "probabilities":
        value = {"type": "number", "minimum": 0, "maximum": 1}
    dimensions = len(output["shape"])
    size: Document = {"type": "integer", "minimum": 1}
    tensor = object_of(
        name={"const": output["name"]},
        datatype={"const": output["datatype"]},
        shape={**list_of(size), "minItems": dimensions, "maxItems": dimensions},
        data=list_of(value),
    )
    if manifest.classes and dimensions > 1:
        tensor["description"] = f"For each row, in this order: {', '.join(map(str, manifest.classes))}"
    # In binary the data follows the JSON.
    tensor["required"].remove("data")
    tensor["properties"]["parameters"] = {"type": "object", "properties": {"binary_data_size": {"type": "integer"}}}
    return tensor
