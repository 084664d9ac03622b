"""What a search for keys found: values that never confuse "there is none" with "could not be asked"."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from danelaw.dane.record import fingerprint


class KeySource(Enum):
    """Where keys of an address are looked for. The value is for people."""

    OPENPGPKEY = "OPENPGPKEY"
    SMIMEA = "SMIMEA"
    WKD = "WKD"


class KeyState(Enum):
    """`UNUSABLE`: something is published, and nothing of it can be used. `FAILED` says nothing of what is there."""

    FOUND = "found"
    ABSENT = "absent"
    UNUSABLE = "unusable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FoundKey:
    """One key or certificate. `kind` is `openpgp` or `smime`; `fingerprint` hexadecimal in capitals: that of OpenPGP,
    or the SHA-256 of a certificate.

    `created` and `expires` are POSIX seconds, `expires` None for never. `usable` tells whether mail to the address can
    be encrypted to it now, `reason` in words why not. `dns_signed`: vouched for by DNSSEC; otherwise by the certificate
    of a web server. `octets` are what was published: a transferable public key, or a certificate in DER.
    """

    kind: str
    source: KeySource
    fingerprint: str
    created: float | None
    expires: float | None
    addresses: tuple[str, ...]
    usable: bool
    reason: str
    dns_signed: bool
    octets: bytes = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """As docs/safety-api.md shows it; the octets are left out."""
        return {
            "kind": self.kind,
            "source": self.source.value,
            "fingerprint": self.fingerprint,
            "short": fingerprint(bytes.fromhex(self.fingerprint)),
            "created": self.created,
            "expires": self.expires,
            "addresses": list(self.addresses),
            "usable": self.usable,
            "reason": self.reason,
            "dns_signed": self.dns_signed,
        }


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What one source said. `place` is the owner name or URL asked, `reason` one sentence; `expires` is until when it
    may be believed (POSIX seconds).
    """

    source: KeySource
    state: KeyState
    reason: str
    place: str = ""
    keys: tuple[FoundKey, ...] = ()
    expires: float = 0.0

    @property
    def usable(self) -> tuple[FoundKey, ...]:
        """The keys that mail can be encrypted to."""
        return tuple(key for key in self.keys if key.usable)

    def to_json(self) -> dict[str, Any]:
        """As docs/safety-api.md shows it."""
        return {
            "source": self.source.value,
            "state": self.state.value,
            "reason": self.reason,
            "place": self.place,
            "keys": [key.to_json() for key in self.keys],
        }


def concluded(
    source: KeySource, place: str, keys: tuple[FoundKey, ...], problems: tuple[str, ...], expires: float
) -> KeyReport:
    """The report of a source that published something: `keys` as they were read, `problems` of what was none."""
    usable = [key for key in keys if key.usable]
    if usable:
        count = "one key" if len(usable) == 1 else f"{len(usable)} keys"
        return KeyReport(source, KeyState.FOUND, f"{count} to encrypt to", place, keys, expires)
    reason = next((key.reason for key in keys), "") or next(iter(problems), "nothing can be used")
    return KeyReport(source, KeyState.UNUSABLE, reason, place, keys, expires)
