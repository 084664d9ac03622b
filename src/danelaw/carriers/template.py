"""Texts of the configuration with words in braces that stand for a recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass

from danelaw.carriers.parcel import Addressee, Parcel
from danelaw.errors import DanelawError

_WORD = re.compile(r"\{([^{}]*)\}")
WORDS = ("local", "domain", "address", "sender", "id")
LONGEST = 200
"""Characters of a value that becomes the name of a folder."""


class TemplateError(DanelawError, ValueError):
    """The text is no template."""


class Unusable(DanelawError):
    """A recipient's address cannot stand where the template puts it."""


@dataclass(frozen=True, slots=True)
class Template:
    """`/var/mail/{domain}/{local}`: `{local}` and `{domain}` of the recipient in small letters, its `{address}` as it
    is, the envelope `{sender}`, and the queue `{id}`.
    """

    text: str

    def __post_init__(self) -> None:
        for word in _WORD.findall(self.text):
            if word not in WORDS:
                known = ", ".join(f"{{{one}}}" for one in WORDS)
                raise TemplateError(f"{{{word[:40]}}} stands for nothing", advice=f"known are {known}")
        if "{" in _WORD.sub("", self.text) or "}" in _WORD.sub("", self.text):
            raise TemplateError(f"{self.text[:80]!r} has a brace without its other half")

    def as_path(self, parcel: Parcel, addressee: Addressee) -> str:
        """With values that each are one name of a folder or a part of one. Raises `Unusable`."""
        return self._filled(parcel, addressee, path=True)

    def as_argument(self, parcel: Parcel, addressee: Addressee) -> str:
        """With values as they are, but never so that an address becomes an option. Raises `Unusable`."""
        filled = self._filled(parcel, addressee, path=False)
        if "\0" in filled or (filled.startswith("-") and not self.text.startswith("-")):
            raise Unusable(f"{addressee.address[:80]!r} cannot be an argument of a program")
        return filled

    def _filled(self, parcel: Parcel, addressee: Addressee, *, path: bool) -> str:
        local, _, domain = addressee.address.rpartition("@")
        values = {
            "local": local.lower(),
            "domain": domain.lower(),
            "address": addressee.address,
            "sender": parcel.reverse_path,
            "id": parcel.id,
        }
        if path:
            for word in _WORD.findall(self.text):
                _check_name(values[word])
        return _WORD.sub(lambda match: values[match[1]], self.text)


def _check_name(value: str) -> None:
    """No value may lead out of its folder, hide, or be more than one name."""
    wrong = value.startswith(".") or len(value) > LONGEST or not value
    if wrong or any(character in "/\\" or character.isspace() or not character.isprintable() for character in value):
        raise Unusable(f"{value[:80]!r} cannot be the name of a folder")
