"""The published forms of the configuration: JSON Schema and docs/configuration.md, both made from the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from danelaw.config.model import Config
from danelaw.config.problems import inner_section, toml_text

SMALLEST = """\
hostname = "mail.example.org"

[relay]
networks = ["127.0.0.0/8", "10.0.0.0/8"]   # who may send to anywhere

[[domain]]
name = "example.org"                       # what everybody may send to …
next_hop = "[10.0.0.5]:25"                 # … and where it goes
"""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the file, for editors and other checkers."""
    schema = Config.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "danelaw.toml"}


def json_schema_text() -> str:
    """`json_schema()` as the text of docs/danelaw.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the reference: everything in words, ready to print."""

    name: str
    kind: str
    default: str
    meaning: str
    example: str


@dataclass(frozen=True, slots=True)
class Table:
    """One TOML table of the reference; `heading` is as written in a file, "" for the top level."""

    heading: str
    meaning: str
    keys: tuple[Key, ...]


def tables() -> Iterator[Table]:
    """Every table, the top level first, in the order of the model."""
    yield from _tables(Config, "", is_array=False, meaning="")


def _tables(section: type[BaseModel], path: str, *, is_array: bool, meaning: str) -> Iterator[Table]:
    definitions = json_schema()["$defs"]
    schema = json_schema() if section is Config else definitions[section.__name__]
    plain = [name for name, field in section.model_fields.items() if inner_section(field.annotation) is None]
    keys = tuple(_key(name, section.model_fields[name], schema["properties"][name]) for name in plain)
    heading = (f"[[{path}]]" if is_array else f"[{path}]") if path else ""
    yield Table(heading, meaning, keys)
    for name, field in section.model_fields.items():
        inner = inner_section(field.annotation)
        if inner is not None:
            inner_path = f"{path}.{name}" if path else name
            array = schema["properties"][name].get("type") == "array"
            if schema["properties"][name].get("type") == "object":
                inner_path += ".NAME"
            yield from _tables(inner, inner_path, is_array=array, meaning=field.description or "")


def _key(name: str, field: FieldInfo, schema: dict[str, Any]) -> Key:
    return Key(
        name=name,
        kind=_kind(schema),
        default=_default(field, schema),
        meaning=field.description or "",
        example=f"{name} = {toml_text(field.examples[0])}" if field.examples else "",
    )


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return next(_kind(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    limits = [
        words.format(schema[key])
        for key, words in (("minimum", "from {}"), ("maximum", "to {}"))
        if key in schema and schema.get("x-kind") is None
    ]
    kind = schema.get("x-kind") or {
        "string": "text",
        "integer": "number",
        "number": "number",
        "boolean": "true or false",
        "object": "table of text",
    }.get(str(schema.get("type")), "value")
    return " ".join([str(kind), *limits])


def _default(field: FieldInfo, schema: dict[str, Any]) -> str:
    if field.is_required():
        return "required"
    value = schema.get("default")
    return "none" if value is None or value == {} else toml_text(value)


def reference() -> str:
    """The text of docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "One TOML file: the one named by `--config` or `DANELAW_CONFIG`, else `./danelaw.toml`, else",
        "`/etc/danelaw/danelaw.toml`. `danelaw config check` says what is wrong with it, with line and key;",
        "`danelaw config effective DOMAIN` says what applies to a destination. Editors can use",
        "[danelaw.schema.json](danelaw.schema.json). This page is made from `danelaw.config` by `make docs`.",
        "",
        "The smallest useful file:",
        "",
        "```toml",
        SMALLEST.rstrip(),
        "```",
        "",
        'Durations are written `"30s"`, `"4h"`, `"1d12h"` (ms s m h d w); sizes `"64K"`, `"50M"`, `"2G"` (powers of',
        "1024); relative paths start at the directory of the file. An unknown key is an error.",
        "",
    ]
    for table in tables():
        lines += [f"## {'`' + table.heading + '`' if table.heading else 'Top level'}", ""]
        if table.meaning:
            lines += [table.meaning, ""]
        lines += ["| Key | Type | Default | Meaning | Example |", "|---|---|---|---|---|"]
        for key in table.keys:
            cells = (f"`{key.name}`", key.kind, _code(key.default), key.meaning, _code(key.example))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _code(text: str) -> str:
    return text if text in ("", "none", "required") else f"`{text}`"
