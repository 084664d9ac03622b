"""Canonicalization of header fields and bodies (RFC 6376 §3.4).

Bodies stream: octets come in any chunking and leave as canonical octets to a sink, with a memory of a few dozen
kilobytes however long the body, a line, or a run of white space is. The work is done by `bytes.replace` and `rstrip`
over whole chunks, never line by line in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

Octets: TypeAlias = "bytes | bytearray | memoryview"

_SLICE = 1 << 16
_CRLFS = b"\r\n" * (_SLICE // 2)


class Canonicalization(Enum):
    """RFC 6376 §3.4, spelled as in c=."""

    SIMPLE = "simple"
    RELAXED = "relaxed"

    # Members are compared by identity; Enum's own hash is a Python call, and these are keys on the hot path.
    __hash__ = object.__hash__


def canonical_field(name: bytes, raw: bytes, how: Canonicalization) -> bytes:
    """One header field, final CRLF included (RFC 6376 §3.4.1, §3.4.2). `raw` is the field as it stands."""
    if how is Canonicalization.SIMPLE:
        return raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    value = raw[raw.index(b":") + 1 :].replace(b"\r\n", b"").replace(b"\t", b" ").strip(b" ")
    while b"  " in value:
        value = value.replace(b"  ", b" ")
    return b"%s:%s\r\n" % (name.rstrip(b" \t").lower(), value)


def _single_spaces(octets: bytes) -> bytes:
    octets = octets.replace(b"\t", b" ")
    while b"  " in octets:  # a run halves each time
        octets = octets.replace(b"  ", b" ")
    return octets


class BodyCanonicalizer:
    """Takes a body in pieces and hands canonical octets to `sink`.

    Only CRLF ends a line; a lone CR or LF is an octet like any other. Call `finish` once, after the last piece.
    """

    __slots__ = ("_carry", "_crlfs", "_relaxed", "_sink", "_started")

    def __init__(self, how: Canonicalization, sink: Callable[[Octets], object]) -> None:
        self._relaxed = how is Canonicalization.RELAXED
        self._sink = sink
        self._carry = b""  # what the next octets may still turn into a line end: a space, a CR, both
        self._crlfs = 0  # line ends not yet passed on: they vanish when nothing follows
        self._started = False

    def update(self, data: Octets) -> None:
        """Take the next piece of the body."""
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            piece = bytes(view[start : start + _SLICE])
            if self._carry:
                piece = self._carry + piece
            self._slice(piece)

    def finish(self) -> None:
        """End the body: "*CRLF" becomes one CRLF; a relaxed body without content becomes nothing (§3.4.3, §3.4.4)."""
        rest = self._carry.rstrip(b" ") if self._relaxed else self._carry
        if rest:
            self._content(rest)
        if self._started or not self._relaxed:
            self._sink(b"\r\n")

    def _slice(self, piece: bytes) -> None:
        if self._relaxed:
            piece = _single_spaces(piece).replace(b" \r\n", b"\r\n")
            held = 2 if piece.endswith(b" \r") else 1 if piece.endswith((b" ", b"\r")) else 0
        else:
            held = 1 if piece.endswith(b"\r") else 0
        self._carry = piece[len(piece) - held :] if held else b""
        if held:
            piece = piece[:-held]
        if not piece:
            return
        if piece.endswith(b"\r\n"):
            ends = _trailing_crlfs(piece)
            piece = piece[: len(piece) - 2 * ends]
        else:
            ends = 0
        if piece:
            self._content(piece)
        self._crlfs += ends

    def _content(self, piece: bytes) -> None:
        """Pass on what is not the end of the body, the held line ends first."""
        self._started = True
        while self._crlfs:
            some = min(self._crlfs, _SLICE // 2)
            self._sink(_CRLFS[: 2 * some])
            self._crlfs -= some
        self._sink(piece)


def _trailing_crlfs(piece: bytes) -> int:
    """How many CRLF stand at the end of octets that end with one."""
    tail = piece[len(piece.rstrip(b"\r\n")) :]
    # Of CRs and LFs only; from the last place on where they do not alternate it is CRLF upon CRLF.
    return (len(tail) - 1 - max(tail.rfind(b"\r\r"), tail.rfind(b"\n\n"))) // 2
