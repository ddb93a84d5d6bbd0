"""The part of the OpenAPI document on rows that are no tensors, and the words that all of the document is made of."""

from typing import Any

from verdigris_serving.model.schema import Feature, Manifest, has_several_labels, score_count

Document = dict[str, Any]
_TYPES = {"BYTES": "string", "BOOL": "boolean"}


def object_of(**properties: Document) -> Document:
    """The schema of an object that has all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def list_of(items: Document) -> Document:
    """The schema of a list of these."""
    return {"type": "array", "items": items}


def ref(name: str) -> Document:
    """A reference to a schema of the document's own."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas(manifest: Manifest, options: Document) -> Document:
    """The requests that have rows, or a table; KServe V1's answers. ``options``: what else a request may say."""
    features = manifest.features
    values = [value_of(feature) for feature in features]
    by_name = object_of(**{feature.name: value for feature, value in zip(features, values, strict=True)})
    in_order = {"type": "array", "prefixItems": values, "minItems": len(values), "maxItems": len(values)}
    rows = {"type": "array", "items": ref("Row"), "minItems": 1}
    names = ", ".join(feature.name for feature in features[:20])
    said = label_of(manifest) if manifest.classes else {"type": "number"}
    several = has_several_labels(manifest) or (not manifest.classes and score_count(manifest) > 1)
    predictions = object_of(predictions=list_of(list_of(said) if several else said))
    predictions["properties"]["parameters"] = {"type": "object"}
    return {
        "Row": {
            "description": "A value a feature: by name, or in the order of the metadata.",
            "anyOf": [{**by_name, "additionalProperties": False}, in_order],
        },
        "RowsRequest": _with(options, rows=rows),
        "InstancesRequest": _with(options, instances=rows),
        "Table": {
            "type": "string",
            "description": f"A header of names, in any order, then a line a row; empty for missing: {names}",
        },
        "Predictions": predictions,
        "ModelListV1": object_of(models=list_of({"const": manifest.name})),
    }


def label_of(manifest: Manifest) -> Document:
    """The schema of one label: a class, or whether one of several is there."""
    return {"enum": [0, 1] if has_several_labels(manifest) else manifest.classes}


def _with(options: Document, **rows: Document) -> Document:
    request = object_of(**rows)
    request["properties"] |= options
    return request


def value_of(feature: Feature) -> Document:
    """The schema of one value of a feature."""
    kind = _TYPES.get(feature.datatype, "number")
    value: Document = {"type": [kind, "null"] if feature.nullable else kind}
    if kind == "string" and feature.categories is not None and feature.unknown == "reject":
        value["enum"] = [*feature.categories, *([None] if feature.nullable else [])]
    if kind == "number" and feature.datatype.startswith("INT"):
        value["multipleOf"] = 1
    if kind == "number" and feature.out_of_range == "reject":
        value |= {"minimum": feature.minimum} if feature.minimum is not None else {}
        value |= {"maximum": feature.maximum} if feature.maximum is not None else {}
    return value
