"""From octets to JSON values, within limits of octets, memory and depth (RFC 8460 §4: I-JSON, RFC 7493)."""

from __future__ import annotations

import codecs
import json
from typing import Any

from danelaw.tlsreport.container import MOST_OCTETS
from danelaw.tlsreport.errors import ReportError

MOST_TOKENS = 500_000
"""Commas, colons and opening brackets: each costs memory while it is read, up to a hundred octets."""
MOST_REMARKS = 20


class Remarks(list[str]):
    """What is odd and harmless, each once, `MOST_REMARKS` at most."""

    def note(self, remark: str) -> None:
        """One more."""
        if remark not in self and len(self) < MOST_REMARKS:
            self.append(remark)


def parse(octets: bytes, remarks: Remarks, *, most: int = MOST_OCTETS, tokens: int = MOST_TOKENS) -> Any:
    """The value that a text is. Raises `ReportError` for what is none or too large."""
    if len(octets) > most:
        raise ReportError(f"the report has {len(octets)} octets; {most} are read at most")
    if sum(map(octets.count, (b",", b":", b"[", b"{"))) > tokens:
        raise ReportError(f"the report has more than {tokens} values")

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            remarks.note("a name stands twice in one object; the last one counts")
        return found

    try:
        return json.loads(_text(octets, remarks), object_pairs_hook=object_of, parse_constant=lambda word: None)
    except RecursionError:
        raise ReportError("the JSON text is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ReportError(f"it is no JSON text: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except ValueError:  # a number with thousands of digits
        raise ReportError("it is no JSON text that can be used: a number is too long") from None


def _text(octets: bytes, remarks: Remarks) -> str:
    """UTF-8 it must be (RFC 7493 §2.1); a mark in front and other encodings are read over."""
    if octets.startswith(codecs.BOM_UTF8):
        remarks.note("it begins with a byte order mark")
        octets = octets.removeprefix(codecs.BOM_UTF8)
    try:
        text = octets.decode("utf-8")
        if "\0" not in text:
            return text
    except UnicodeDecodeError:
        pass
    encoding = json.detect_encoding(octets)
    remarks.note("it is not UTF-8")
    return octets.decode(encoding, "replace")
