"""The field's value: written by a gateway, read by a webmail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from danelaw.errors import DanelawError

FIELD_NAME = "Danelaw-Transport"
_LONGEST = 998
_MOST_TAGS = 32
_TAG = re.compile(r"([A-Za-z][A-Za-z0-9]{0,39})=([A-Za-z0-9._:-]{1,255})", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9._:-]{1,255}", re.ASCII)


class TransportError(DanelawError, ValueError):
    """The text is no value of a Danelaw-Transport field."""


class Via(Enum):
    """Which way a message came in."""

    SMTP = "smtp"
    RELAY = "relay"
    SUBMISSION = "submission"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Transport:
    """How one message came. `tls` is the version, None for clear text; `password`: the client is a user who logged in.
    `received` in whole POSIX seconds.
    """

    by: str
    via: Via
    tls: str | None
    password: bool
    requiretls: bool
    id: str
    received: int

    @property
    def people(self) -> str:
        """One sentence for the reader of the message."""
        if self.via is Via.LOCAL:
            return "Made by your own mail system."
        if self.via is Via.SUBMISSION:
            way = "over an encrypted connection" if self.tls else "in clear text"
            return f"Handed in by a user of your own mail system, {way}."
        if self.tls is None:
            return "Came in clear text: anybody on the way could read and change it."
        return "Came over an encrypted connection; who sent it over that connection was not checked."

    def to_bytes(self) -> bytes:
        """The field with its name, folded, CRLF at its end. Raises `TransportError` for what cannot stand in it."""
        for value in (self.by, self.id, self.tls or "none"):
            if not _VALUE.fullmatch(value):
                raise TransportError(f"{value[:80]!r} cannot stand in a {FIELD_NAME} field")
        return (
            f"{FIELD_NAME}: v=1; by={self.by}; via={self.via.value}; tls={self.tls or 'none'};\r\n"
            f" client={'password' if self.password else 'unverified'}; requiretls={'yes' if self.requiretls else 'no'};"
            f" id={self.id}; t={self.received}\r\n"
        ).encode("ascii")

    @classmethod
    def from_text(cls, text: str) -> Transport:
        """Read a value, folded or not, without the field's name. Raises `TransportError`."""
        if len(text) > _LONGEST:
            raise TransportError("the value is too long")
        tags: dict[str, str] = {}
        for part in text.strip().removesuffix(";").split(";"):
            match = _TAG.fullmatch(part.strip(" \t\r\n"))
            if match is None or match[1] in tags or len(tags) >= _MOST_TAGS:
                raise TransportError(f"{part.strip()[:80]!r} is no tag, or stands twice")
            tags[match[1]] = match[2]
        if tags.get("v") != "1":
            raise TransportError("only version 1 is known")
        try:
            return cls(
                by=tags["by"],
                via=Via(tags["via"]),
                tls=None if tags["tls"] == "none" else tags["tls"],
                password={"password": True, "unverified": False}[tags["client"]],
                requiretls={"yes": True, "no": False}[tags["requiretls"]],
                id=tags["id"],
                received=_number(tags["t"]),
            )
        except (KeyError, ValueError) as error:
            raise TransportError(f"a tag is missing, or has a value that is not known: {error}") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ValueError(text)
    return int(text)
