"""Where in a TOML text a key stands.

`tomllib` gives values without places. This walks a text that `tomllib` has already accepted, so it only has
to find its way (TOML 1.0), never to judge it: every key path gets the line on which it is written.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'"{3}(?:[^\\]|\\.)*?"{3,5}|\'{3}.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^\s,\]}#]+(?:[ ]\d[^\s,\]}#]*)?")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def key_lines(text: str) -> dict[Path, int]:
    """The line, counted from 1, of every key and array element of a valid TOML text."""
    return _Walk(text).lines()


def nearest_line(lines: dict[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest table around it; 0 when not even that is written."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted_to = 0
        self._line = 1
        self._lines: dict[Path, int] = {}
        self._array_sizes: dict[Path, int] = {}

    def lines(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(_SPACE)
        while self._at < len(self._text):
            before = self._at
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)
            if self._at <= before:
                break
        return self._lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            self._at += 1
            return ""
        self._at = match.end()
        return match[0]

    def _mark(self, path: Path) -> None:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        self._lines.setdefault(path, self._line)

    def _names(self, closing: str) -> list[str]:
        """A dotted key up to `closing`, which is passed over."""
        names = []
        while self._at < len(self._text):
            self._skip(_BLANK)
            names.append(_unquoted(self._skip(_KEY)))
            self._skip(_BLANK)
            separator = self._text[self._at : self._at + 1]
            self._at += 1
            if separator != ".":
                break
        if closing == "]]":
            self._at += 1
        return names

    def _resolve(self, start: Path, names: list[str]) -> Path:
        """Names lead through the last element of an array of tables (TOML "Array of Tables")."""
        path = start
        for name in names:
            path = (*path, name)
            if path in self._array_sizes:
                path = (*path, self._array_sizes[path] - 1)
        return path

    def _header(self) -> Path:
        is_array = self._text.startswith("[[", self._at)
        start = self._at
        self._at += 2 if is_array else 1
        names = self._names("]]" if is_array else "]")
        end, self._at = self._at, start
        parent = self._resolve((), names[:-1])
        path = (*parent, names[-1])
        if is_array:
            self._mark(path)
            index = self._array_sizes.get(path, 0)
            self._array_sizes[path] = index + 1
            path = (*path, index)
        self._mark(path)
        self._at = end
        return path

    def _pair(self, table: Path) -> None:
        start = self._at
        names = self._names("=")
        end, self._at = self._at, start
        path = table
        for name in names:
            path = (*path, name)
            self._mark(path)
        self._at = end
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._text[self._at : self._at + 1]
        if opening == "[":
            self._items(path, "]")
        elif opening == "{":
            self._items(path, "}")
        elif opening in ("'", '"'):
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _items(self, path: Path, closing: str) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_SPACE)
            if self._at >= len(self._text) or self._text[self._at] == closing:
                break
            if self._text[self._at] == ",":
                self._at += 1
                continue
            if closing == "]":
                self._mark((*path, index))
                self._value((*path, index))
                index += 1
            else:
                self._pair(path)
        self._at += 1


def _unquoted(key: str) -> str:
    if key.startswith("'"):
        return key[1:-1]
    if not key.startswith('"'):
        return key
    return _ESCAPE.sub(_unescape, key[1:-1])


def _unescape(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape[1:], 16)) if escape[0] in "uU" and len(escape) > 1 else _ESCAPED.get(escape, escape)
