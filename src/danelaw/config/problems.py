"""What is wrong with a configuration, in words: file, line, key, wrong, right; all problems at once."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from danelaw.config.locate import Path as KeyPath
from danelaw.config.locate import nearest_line
from danelaw.config.values import format_duration, format_size
from danelaw.errors import DanelawError

_BOUND_WORDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: `line` counts from 1 (0: place unknown), `key` looks like `listen[0].address`."""

    file: str
    line: int
    key: str
    wrong: str
    right: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        return f"{place}:{key} {self.wrong}" + (f"; {self.right}" if self.right else "")


class ConfigError(DanelawError):
    """The configuration cannot be used; `problems` holds every reason, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], *, advice: str | None = None) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda problem: problem.line))
        if advice is None:
            first = self.problems[0]
            place = f"line {first.line} of {first.file}" if first.line else first.file
            advice = f"correct {place}, then: danelaw config check"
        super().__init__("\n".join(str(problem) for problem in self.problems), advice=advice)


def from_validation(
    error: ValidationError, model: type[BaseModel], file: str, lines: dict[KeyPath, int]
) -> list[Problem]:
    """Every failure pydantic found, as problems with lines."""
    found = error.errors(include_url=False)
    # A list whose elements are all wrong is also reported as empty: the elements say it better.
    inner = {details["loc"][:1] for details in found if len(details["loc"]) > 1}
    return [
        _problem(details, model, file, lines)
        for details in found
        if not (details["type"] == "too_short" and details["loc"][:1] in inner and details["input"])
    ]


def key_text(path: Sequence[str | int]) -> str:
    """A path as people write it: `listen[0].address`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _problem(details: ErrorDetails, model: type[BaseModel], file: str, lines: dict[KeyPath, int]) -> Problem:
    path = tuple(part for part in details["loc"] if part != "[key]")
    wrong, right = _words(details, model, path)
    return Problem(file, nearest_line(lines, path), key_text(path), wrong, right)


def _words(details: ErrorDetails, model: type[BaseModel], path: KeyPath) -> tuple[str, str]:
    kind, context = details["type"], details.get("ctx", {})
    value = _shown(details["input"])
    if kind == "danelaw":
        return str(context["wrong"]), str(context["right"])
    if kind == "value_error":
        wrong, _, right = str(context["error"]).partition("; ")
        return wrong, right
    if kind == "extra_forbidden":
        return _unknown_key(model, path)
    if kind == "missing":
        return "is missing", f"add it, for instance {_example(model, path)}"
    if kind == "literal_error":
        return _not_one_of(details["input"], str(context["expected"]))
    for bound, words in _BOUND_WORDS.items():
        if bound in context:
            limit = _limit(context[bound], model, path)
            return f"{value} is out of range", f"it must be {words} {limit}"
    if kind in ("too_short", "string_too_short"):
        return "is empty", f"write for instance {_example(model, path)}"
    return f"{value} is not {_expected(kind)}", f"write for instance {_example(model, path)}"


def _expected(kind: str) -> str:
    return {
        "int_type": "a whole number",
        "float_type": "a number",
        "float_parsing": "a number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "string_type": "text in quotes",
        "tuple_type": "a list in square brackets",
        "model_type": "a table",
        "model_attributes_type": "a table",
        "dict_type": "a table",
    }.get(kind, "what belongs here")


def _limit(value: Any, model: type[BaseModel], path: KeyPath) -> str:
    if hasattr(value, "total_seconds"):
        return format_duration(value)
    schema = _field_metadata(model, path)
    return format_size(value) if "size" in schema else str(value)


def _shown(value: object) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _unknown_key(model: type[BaseModel], path: KeyPath) -> tuple[str, str]:
    section = section_at(model, path[:-1])
    known = list(section.model_fields) if section is not None else []
    name = str(path[-1])
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return "there is no such key", f'did you mean "{near[0]}"?'
    elsewhere = [key for key in _all_keys(model) if key.rsplit(".", 1)[-1] == name]
    if elsewhere:
        names = " and ".join(f'"{key}"' for key in elsewhere[:3])
        return "there is no such key here", f"{names} {'exists' if len(elsewhere) == 1 else 'exist'}"
    return "there is no such key", f"known here: {', '.join(known)}" if known else "remove it"


def _not_one_of(value: object, expected: str) -> tuple[str, str]:
    choices = [choice.strip().strip("'") for choice in expected.replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.6)
    listed = ", ".join(f'"{choice}"' for choice in choices)
    return f"{_shown(value)} is not possible here", (f'did you mean "{near[0]}"? ' if near else "") + f"one of {listed}"


def section_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """The section a path leads to, None when it leads to a plain value."""
    current: type[BaseModel] | None = model
    is_named = False
    for part in path:
        if isinstance(part, int) or is_named:
            is_named = False
            continue
        field = current.model_fields.get(part) if current is not None else None
        current = inner_section(field.annotation) if field is not None else None
        is_named = field is not None and current is not None and get_origin(field.annotation) is dict
    return current


def inner_section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, dict, Union, types.UnionType, Annotated):
        for argument in get_args(annotation):
            found = inner_section(argument)
            if found is not None:
                return found
    return None


def _all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        inner = inner_section(field.annotation)
        keys += _all_keys(inner, f"{prefix}{name}.") if inner is not None else [prefix + name]
    return keys


def _field_metadata(model: type[BaseModel], path: KeyPath) -> str:
    section = section_at(model, path[:-1])
    field = section.model_fields.get(str(path[-1])) if section is not None and path else None
    return str(field.metadata) if field is not None else ""


def _example(model: type[BaseModel], path: KeyPath) -> str:
    names = [part for part in path if isinstance(part, str)]
    section = section_at(model, names[:-1])
    field = section.model_fields.get(names[-1]) if section is not None and names else None
    if field is None or not field.examples:
        return "a value"
    return f"{names[-1]} = {toml_text(field.examples[0])}"


def toml_text(value: object) -> str:
    """A value of the examples and defaults as TOML would have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_key(key)} = {toml_text(item)}" for key, item in value.items()) + " }"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _toml_key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else toml_text(key)
