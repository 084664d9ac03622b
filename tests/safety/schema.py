"""As much of JSON Schema 2020-12 as the API's description uses; what it does not know is an error."""

from __future__ import annotations

from typing import Any

from danelaw.safety.openapi import document

_DOCUMENT = document()
_KINDS: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}
_KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "description"}


def problems(value: object, schema: dict[str, Any], at: str = "$") -> list[str]:
    """Everything in which a value differs from a schema."""
    assert set(schema) <= _KNOWN, set(schema) - _KNOWN
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return problems(value, _DOCUMENT["components"]["schemas"][name], at)
    if "anyOf" in schema:
        tried = [problems(value, one, at) for one in schema["anyOf"]]
        return [] if [] in tried else min(tried, key=len)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return [f"{at}: {value!r} is no {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    if isinstance(value, dict):
        return _of_object(value, schema, at)
    if isinstance(value, list):
        items = schema["items"]
        return [found for place, one in enumerate(value) for found in problems(one, items, f"{at}[{place}]")]
    return []


def _is(value: object, kind: str) -> bool:
    if kind in ("number", "integer"):
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, _KINDS[kind])


def _of_object(value: dict[str, Any], schema: dict[str, Any], at: str) -> list[str]:
    properties = schema["properties"]
    found = [f"{at}: lacks {name}" for name in schema["required"] if name not in value]
    found += [f"{at}: has {name}" for name in value if name not in properties]
    for name, one in value.items():
        if name in properties:
            found += problems(one, properties[name], f"{at}.{name}")
    return found


def response_schema(path: str, method: str, status: int) -> dict[str, Any]:
    """The schema of a response."""
    responses = _DOCUMENT["paths"][path][method]["responses"]
    found: dict[str, Any] = responses[str(status)]["content"]["application/json"]["schema"]
    return found
