"""DKIM key records, as TXT records hold them (RFC 6376 §3.6.1, RFC 8463 §4.2)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from danelaw.dkim.errors import KeyRecordError, TagListError
from danelaw.dkim.taglist import TagList

# Room for an RSA key of 16384 bits with notes; real records stay below 1000 octets.
MAX_RECORD = 8192

_VERSION = "DKIM1"


@dataclass(frozen=True, slots=True)
class DKIMKeyRecord:
    """One key record. `public_key` is p= decoded, empty for a revoked key; `hashes` None allows every hash (h=).

    `services` are the words of s=, `flags` those of t=, `notes` the text of n= as it stands.
    """

    public_key: bytes
    key_type: str = "rsa"
    hashes: tuple[str, ...] | None = None
    services: tuple[str, ...] = ("*",)
    flags: tuple[str, ...] = ()
    notes: str = ""

    @classmethod
    def from_text(cls, text: str | bytes) -> DKIMKeyRecord:
        """Read the joined strings of a TXT record. Raises `KeyRecordError` saying what is wrong."""
        raw = text.encode("utf-8") if isinstance(text, str) else text
        try:
            tags = TagList.from_bytes(raw, max_octets=MAX_RECORD)
            _check_version(tags)
            if "p" not in tags:
                raise KeyRecordError("the record has no p=, the public key")
            return cls(
                public_key=tags.octets("p") if tags["p"] else b"",
                key_type=_one_word(tags, "k", "rsa"),
                hashes=tags.words("h") if "h" in tags else None,
                services=tags.words("s", star=True) if "s" in tags else ("*",),
                # An empty t= is written by some tools and sets no flag.
                flags=tags.words("t") if tags.get("t") else (),
                notes=tags.get("n", ""),
            )
        except TagListError as error:
            raise KeyRecordError(error.reason) from None

    def to_text(self) -> str:
        """The record to publish, in one string."""
        parts = [f"v={_VERSION}"]
        if self.hashes is not None:
            parts.append("h=" + ":".join(self.hashes))
        parts.append(f"k={self.key_type}")
        if self.notes:
            parts.append(f"n={self.notes}")
        if self.services != ("*",):
            parts.append("s=" + ":".join(self.services))
        if self.flags:
            parts.append("t=" + ":".join(self.flags))
        parts.append("p=" + base64.b64encode(self.public_key).decode("ascii"))
        return "; ".join(parts)

    def to_zone(self, owner: str) -> str:
        """A line of a zone file: strings of at most 255 octets, which readers join (RFC 6376 §3.6.2.2)."""
        text = self.to_text().replace("\\", "\\\\").replace('"', '\\"')
        strings = " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))
        return f"{owner} IN TXT ( {strings} )" if len(text) > 250 else f"{owner} IN TXT {strings}"

    @property
    def revoked(self) -> bool:
        """True when p= is empty (RFC 6376 §3.6.1)."""
        return not self.public_key

    @property
    def testing(self) -> bool:
        """True with t=y: the domain is trying DKIM out."""
        return "y" in self.flags

    @property
    def strict_identity(self) -> bool:
        """True with t=s: the domain of i= must be that of d=, not one below it."""
        return "s" in self.flags

    def serves(self, service: str) -> bool:
        """True when s= names a service, such as `email` or `tlsrpt` (RFC 8460 §3), or everything."""
        return "*" in self.services or service in self.services

    @property
    def for_mail(self) -> bool:
        """True when s= names mail or everything."""
        return self.serves("email")


def _check_version(tags: TagList) -> None:
    """v= comes first or not at all, and is compared as a string (RFC 6376 §3.6.1)."""
    version = tags.get("v")
    if version is None or (version == _VERSION and next(iter(tags)) == "v"):
        return
    if version == _VERSION + "\\":
        raise KeyRecordError("the record holds backslashes before its semicolons: it was escaped once too often")
    if version == _VERSION:
        raise KeyRecordError("v= is not the first tag of the record")
    raise KeyRecordError(f"the record begins with v={version[:40]!r}, not v={_VERSION}")


def _one_word(tags: TagList, name: str, default: str) -> str:
    if name not in tags:
        return default
    words = tags.words(name)
    if len(words) != 1:
        raise KeyRecordError(f"{name}= has more than one word")
    return words[0]
