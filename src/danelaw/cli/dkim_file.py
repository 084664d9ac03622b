"""Reading what `danelaw dkim` and `auth` are given: messages in files, with whatever line ends, and private keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from danelaw.dkim import HeaderField, PrivateKey
from danelaw.errors import DanelawError
from danelaw.message import HeaderTooLarge, boundary, scan

MAX_MESSAGE = 256 << 20
_MAX_KEY = 1 << 20
_PIECE = 1 << 20
_SMALL_PIECE = 1 << 16
_MAX_HEADER = 1 << 20
_BARE_LF = re.compile(rb"(?<!\r)\n")
# "From : a@b.example" is a field (RFC 5322 §4.5), "From a@b.example Mon Jan …" is not.
_MBOX = re.compile(rb">?From (?![ \t]*:)")


@dataclass(frozen=True, slots=True)
class MessageFile:
    """A message in the form it has on the wire; `header` goes up to the empty line.

    `line_feeds`: the file had bare line feeds and was converted.
    """

    header: bytes
    fields: tuple[HeaderField, ...]
    body: memoryview
    octets: bytes
    line_feeds: bool

    def pieces(self) -> list[memoryview]:
        """The body in pieces of a size that costs no memory."""
        return [self.body[start : start + _PIECE] for start in range(0, len(self.body), _PIECE)]


class MessageStream:
    """A message that is not held in memory, in the form it has on the wire.

    `header` is all before the first empty line, fields or not, as a gateway takes it in; without an empty line in what
    may be a header, the beginning. `line_feeds`: the file has bare line feeds and is converted.
    """

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        """Reads the header. Raises `DanelawError` when there is none."""
        self._name = name
        self._stream = stream
        self._read = 0
        self._after_cr = False
        octets = self._next(2 * _PIECE)
        if _MBOX.match(octets):
            octets = octets.partition(b"\n")[2]
        self.line_feeds = b"\r\n" not in octets
        octets = self._converted(octets)
        if not scan(octets).fields:
            raise DanelawError(f"{name} holds no message: it does not begin with a header field")
        try:
            end, body = boundary(octets)
        except HeaderTooLarge:
            end = body = _MAX_HEADER + 1
        self.header = octets[:end]
        self._first = octets[body:]

    def pieces(self) -> Iterator[bytes]:
        """The body, once. Raises `DanelawError` when there is too much of it."""
        yield self._first
        self._first = b""
        while piece := self._next(_SMALL_PIECE):
            yield self._converted(piece)

    def _next(self, size: int) -> bytes:
        octets = self._stream.read(size)
        self._read += len(octets)
        if self._read > MAX_MESSAGE:
            raise DanelawError(f"{self._name} has more than {MAX_MESSAGE} octets")
        return octets

    def _converted(self, octets: bytes) -> bytes:
        """CRLF for each bare line feed (RFC 6376 §5.3)."""
        if not self.line_feeds:
            return octets
        begin = 1 if self._after_cr and octets.startswith(b"\n") else 0
        self._after_cr = octets.endswith(b"\r")
        if not begin and b"\r" not in octets:
            return octets.replace(b"\n", b"\r\n")
        return octets[:begin] + _BARE_LF.sub(b"\r\n", octets[begin:])


@contextmanager
def message_stream(file: Path) -> Iterator[MessageStream]:
    """Open a message, standard input for `-`; an mbox separator in front is left out. Raises `DanelawError`."""
    try:
        with click.open_file(str(file), "rb") as stream:
            yield MessageStream(_name(file), stream)
    except OSError as error:
        raise DanelawError(f"{file} cannot be read: {error.strerror or type(error).__name__}") from None


def read_message(file: Path) -> MessageFile:
    """Read a message, standard input for `-`; an mbox separator in front is left out.

    Line feeds without carriage returns throughout, as mail has them on disk, become CRLF: signatures are made over
    lines as they travel (RFC 6376 §5.3). Raises `DanelawError`.
    """
    octets = _read(file, MAX_MESSAGE)
    if _MBOX.match(octets):
        octets = octets.partition(b"\n")[2]
    line_feeds = b"\r\n" not in octets
    if line_feeds:
        octets = octets.replace(b"\n", b"\r\n")
    header = scan(octets)
    if not header.fields:
        raise DanelawError(f"{_name(file)} holds no message: it does not begin with a header field")
    fields = tuple((field.name, field.raw) for field in header)
    return MessageFile(octets[: len(header.raw)], fields, memoryview(octets)[header.body_offset :], octets, line_feeds)


def read_key(file: Path) -> PrivateKey:
    """Read a private key in PEM form. Raises `DanelawError`."""
    try:
        return PrivateKey.from_pem(_read(file, _MAX_KEY))
    except DanelawError as error:
        raise DanelawError(f"{_name(file)}: {error.reason}", advice=error.advice) from None


def _read(file: Path, largest: int) -> bytes:
    try:
        with click.open_file(str(file), "rb") as stream:
            data: bytes = stream.read(largest + 1)
    except OSError as error:
        raise DanelawError(f"{file} cannot be read: {error.strerror or type(error).__name__}") from None
    if len(data) > largest:
        raise DanelawError(f"{_name(file)} has more than {largest} octets")
    return data


def _name(file: Path) -> str:
    return "standard input" if str(file) == "-" else str(file)
