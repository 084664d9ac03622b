"""Reading what `danelaw dkim` and `auth` are given: messages in files, with whatever line ends, and private keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import click

from danelaw.dkim import HeaderField, PrivateKey
from danelaw.errors import DanelawError
from danelaw.message import HeaderTooLarge, boundary, scan

MAX_MESSAGE = 256 << 20
_MAX_KEY = 1 << 20
_PIECE = 1 << 20
_MAX_HEADER = 1 << 20
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
        return _in_pieces(self.body)

    def in_two(self) -> tuple[bytes, list[memoryview]]:
        """All before the first empty line, fields or not, and the pieces of what follows: as a gateway takes it in.

        Without an empty line in what may be a header, the beginning.
        """
        try:
            end, body = boundary(self.octets)
        except HeaderTooLarge:
            end = body = _MAX_HEADER + 1
        return self.octets[:end], _in_pieces(memoryview(self.octets)[body:])


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


def _in_pieces(octets: memoryview) -> list[memoryview]:
    return [octets[start : start + _PIECE] for start in range(0, len(octets), _PIECE)]


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
