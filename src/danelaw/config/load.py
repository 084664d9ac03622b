"""From a file or a text to a `Config`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from danelaw.config.locate import key_lines
from danelaw.config.model import Config
from danelaw.config.problems import ConfigError, Problem, from_validation

SEARCH_PATH = (Path("danelaw.toml"), Path("/etc/danelaw/danelaw.toml"))
MAX_SIZE = 4 << 20
_TOML_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)


def find(environment: Mapping[str, str] | None = None) -> Path:
    """The file to use: `DANELAW_CONFIG`, else ./danelaw.toml, else /etc/danelaw/danelaw.toml.

    Raises `ConfigError` when there is none.
    """
    named = (os.environ if environment is None else environment).get("DANELAW_CONFIG")
    if named:
        return Path(named)
    for path in SEARCH_PATH:
        if path.is_file():
            return path
    raise ConfigError(
        [Problem("danelaw.toml", 0, "", "there is no configuration here nor in /etc/danelaw")],
        advice="write danelaw.toml (README.md has six lines to start from), or name one with --config FILE",
    )


def load(path: str | Path | None = None) -> Config:
    """Read a configuration file, by default the one `find` names.

    Relative paths in it are taken from the file's directory. Raises `ConfigError` with every problem.
    """
    file = Path(path) if path is not None else find()
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_SIZE + 1)
        text = data.decode("utf-8")
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigError(
            [Problem(str(file), 0, "", reason)], advice="name the file with --config FILE or DANELAW_CONFIG"
        ) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(file), line, "", "is not UTF-8", "save the file as UTF-8")]) from None
    config = loads(text, str(file), directory=file.resolve().parent)
    config._source = file
    return config


def loads(text: str, path: str = "danelaw.toml", *, directory: Path | None = None) -> Config:
    """Read configuration from text; `path` only names it in errors, `directory` is where relative paths start.

    Raises `ConfigError` with every problem.
    """
    if len(text) > MAX_SIZE:
        raise ConfigError([Problem(path, 0, "", "is larger than 4 MiB", "make it smaller")])
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(error, text, path)]) from None
    except RecursionError:
        raise ConfigError([Problem(path, 0, "", "is nested too deeply", "write fewer brackets")]) from None
    try:
        return Config.model_validate(data, context={"directory": directory})
    except ValidationError as error:
        raise ConfigError(from_validation(error, Config, path, key_lines(text))) from None


def _syntax_problem(error: tomllib.TOMLDecodeError, text: str, path: str) -> Problem:
    match = _TOML_PLACE.fullmatch(str(error))
    message, number = (match[1], match[2]) if match else (str(error), None)
    lines = text.split("\n")
    line = int(number) if number else len(lines)
    written = lines[line - 1].strip() if line <= len(lines) else ""
    right = f"the line reads: {written}" if written else ""
    if "=" in written and not re.search(r"=\s*[\"'\[{\d]|=\s*(true|false)\b", written):
        right += ' (text needs quotes: key = "value")'
    return Problem(path, line, "", f"is not TOML: {message[:1].lower()}{message[1:]}", right)
