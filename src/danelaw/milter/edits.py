"""What a filter wants changed at the end of a message: values, and how they are read."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from danelaw.milter.errors import MilterError
from danelaw.milter.vocabulary import Action

_FIELD_NAME = re.compile(rb"[!-9;-~]{1,500}\Z")


@dataclass(frozen=True, slots=True)
class AddHeader:
    """A field at the end of the header. `value` as the filter gave it, perhaps folded with line feeds."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class InsertHeader:
    """A field at a position: 0 is the top."""

    index: int
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """Another value for the `index`-th field of that name, counted from 1; an empty value removes it."""

    index: int
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class ChangeSender:
    """Another reverse-path, with parameters of MAIL."""

    address: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """One more recipient, with parameters of RCPT."""

    address: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class DeleteRecipient:
    """One recipient less."""

    address: str


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """A piece of the new body; all pieces together replace the old one."""

    chunk: bytes


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Hold the message."""

    reason: str


Edit: TypeAlias = (
    AddHeader | InsertHeader | ChangeHeader | ChangeSender | AddRecipient | DeleteRecipient | ReplaceBody | Quarantine
)


def edit_of(octet: int, data: bytes) -> tuple[Edit, Action] | None:
    """The edit in a packet and the right to it, None when the packet is none. Raises `MilterError`."""
    reader = _READERS.get(octet)
    if reader is None:
        return None
    read, right = reader
    return read(data), right


def _strings(data: bytes, least: int, most: int) -> list[bytes]:
    """Strings that each end with NUL; a last one without it is taken too, as libmilter's peers do."""
    parts = data.removesuffix(b"\0").split(b"\0") if data else []
    if not least <= len(parts) <= most:
        raise MilterError(f"an edit of the filter has {len(parts)} strings where {least} belong")
    return parts


def _name_and_value(data: bytes) -> tuple[bytes, bytes]:
    # An empty value has its NUL too: "name\0\0".
    name, separator, rest = data.partition(b"\0")
    value = rest.removesuffix(b"\0")
    if not separator or b"\0" in value:
        raise MilterError("an edit of the filter is no field")
    if not _FIELD_NAME.match(name):
        raise MilterError(f"the filter names a field {name[:40]!r}, which is no field name")
    return name, value


def _indexed(data: bytes) -> tuple[int, bytes, bytes]:
    if len(data) < 4:
        raise MilterError("an edit of the filter lacks its index")
    return (struct.unpack_from(">I", data)[0], *_name_and_value(data[4:]))


def _address(octets: bytes) -> str:
    return octets.decode("utf-8", "replace").strip()


def _sender(data: bytes) -> ChangeSender:
    address, *arguments = _strings(data, 1, 2)
    return ChangeSender(_address(address), _address(b"".join(arguments)))


def _recipient_with_arguments(data: bytes) -> AddRecipient:
    address, *arguments = _strings(data, 1, 2)
    return AddRecipient(_address(address), _address(b"".join(arguments)))


_READERS: dict[int, tuple[Callable[[bytes], Edit], Action]] = {
    ord("h"): (lambda data: AddHeader(*_name_and_value(data)), Action.ADDHDRS),
    ord("i"): (lambda data: InsertHeader(*_indexed(data)), Action.ADDHDRS),
    ord("m"): (lambda data: ChangeHeader(*_indexed(data)), Action.CHGHDRS),
    ord("e"): (_sender, Action.CHGFROM),
    ord("+"): (lambda data: AddRecipient(_address(_strings(data, 1, 1)[0])), Action.ADDRCPT),
    ord("2"): (_recipient_with_arguments, Action.ADDRCPT_PAR),
    ord("-"): (lambda data: DeleteRecipient(_address(_strings(data, 1, 1)[0])), Action.DELRCPT),
    ord("b"): (ReplaceBody, Action.CHGBODY),
    ord("q"): (lambda data: Quarantine(_address(_strings(data, 0, 1)[0]) if data else ""), Action.QUARANTINE),
}
