"""The smallest JSON value that a schema allows, so that structured answers parse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BY_TYPE: dict[str, Any] = {
    "string": "echo",
    "integer": 0,
    "number": 0.0,
    "boolean": False,
    "null": None,
    "array": [],
}


def instance_of(schema: Mapping[str, Any]) -> Any:
    """Makes a value of a JSON schema: first choices, zeros, empty lists, all properties.

    Knows what SDKs produce from typed models: ``$ref`` into ``$defs``, ``anyOf``, ``enum``,
    ``const``, objects and ``minItems``; not ``pattern`` or numeric bounds.
    """
    return _instance(schema, schema.get("$defs", {}))


def _instance(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    match schema:
        case {"$ref": str(reference)}:
            value = _instance(definitions[reference.rpartition("/")[2]], definitions)
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            value = _instance(first, definitions)
        case {"const": value} | {"enum": [value, *_]}:
            pass
        case {"minItems": int(count), "items": items}:
            value = [_instance(items, definitions)] * count
        case {"type": str(kind)} if kind in _BY_TYPE:
            value = _BY_TYPE[kind]
        case _:
            properties = schema.get("properties", {})
            value = {name: _instance(part, definitions) for name, part in properties.items()}
    return value
