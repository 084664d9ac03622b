"""What a part says it is and how it wants to be shown (RFC 2045 §5, RFC 2183)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from danelaw.message.defects import Defect, Defects
from danelaw.message.parameters import read_parameters
from danelaw.message.tokens import unfold

_TOKEN = r"[^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f-\xa0\ud800-\udfff]{1,255}"
_TYPE = re.compile(rf"[ \t]*({_TOKEN})[ \t]*/[ \t]*({_TOKEN})")
_WORD = re.compile(rf"[ \t]*({_TOKEN})")
# RFC 2045 §5.2: so is a part read that says nothing, or nothing that can be understood.
_DEFAULT = ("text", "plain")


@dataclass(frozen=True, slots=True)
class ContentType:
    """`type` and `subtype` in lower case; `parameters` decoded, their names in lower case; `boundary` in octets.

    `boundary` is without white space at its end, empty where the parameter is missing or empty. `stated` is False where
    the field is missing or cannot be understood, and the default stands in (RFC 2045 §5.2).
    """

    type: str = "text"
    subtype: str = "plain"
    parameters: Mapping[str, str] = field(default_factory=dict)
    stated: bool = True
    boundary: bytes = b""

    @classmethod
    def from_value(cls, value: bytes, defects: Defects) -> ContentType:
        """Read the octets behind the field's colon. `multipart` alone is multipart/mixed, as it is met."""
        text = unfold(value, defects)
        match = _TYPE.match(text)
        place = match.end() if match is not None else len(text.partition(";")[0])
        parameters, boundary = read_parameters(text, place, defects, octets_of="boundary")
        boundary = boundary.rstrip(b" \t")
        if match is not None:
            return cls(match[1].lower(), match[2].lower(), parameters, boundary=boundary)
        defects.note(Defect.BAD_CONTENT_TYPE)
        word = _WORD.match(text)
        if word is not None and word[1].lower() == "multipart":
            return cls("multipart", "mixed", parameters, boundary=boundary)
        return cls(*_DEFAULT, parameters, stated=False)

    @property
    def value(self) -> str:
        """`text/plain`, without parameters."""
        return f"{self.type}/{self.subtype}"

    @property
    def charset(self) -> str | None:
        """The charset parameter, in lower case."""
        charset = self.parameters.get("charset")
        return charset.lower() if charset else None


@dataclass(frozen=True, slots=True)
class Disposition:
    """Content-Disposition: `inline`, `attachment` or another word in lower case, and its parameters."""

    type: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_value(cls, value: bytes, defects: Defects) -> Disposition:
        """Read the octets behind the field's colon; what is no word counts as attachment (RFC 2183 §2.8)."""
        text = unfold(value, defects)
        match = _WORD.match(text)
        place = match.end() if match is not None else 0
        parameters, _ = read_parameters(text, place, defects)
        return cls(match[1].lower() if match is not None else "attachment", parameters)
