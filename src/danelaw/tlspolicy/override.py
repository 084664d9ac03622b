"""The postmaster's own word on one destination; it replaces what the destination publishes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from danelaw.address import Domain, DomainError
from danelaw.errors import DanelawError

_HEX = frozenset("0123456789abcdef")


class OverrideError(DanelawError, ValueError):
    """An override that means nothing."""


class OverrideTLS(Enum):
    """`NONE` never TLS. `MAY` opportunistic. `ENCRYPT` TLS, nobody checked. `VERIFY` certificate of a public CA.
    `DANE` what DANE publishes, MTA-STS ignored. `DANE_REQUIRE` DANE with a signed MX, or wait. `FINGERPRINT` one
    of the listed keys.
    """

    NONE = "none"
    MAY = "may"
    ENCRYPT = "encrypt"
    VERIFY = "verify"
    DANE = "dane"
    DANE_REQUIRE = "dane-require"
    FINGERPRINT = "fingerprint"


class OverrideRequireTLS(Enum):
    """What REQUIRETLS mail needs of a destination's servers: `EXTENSION`, that they offer it (RFC 8689 §4.2.1 step 5);
    `VERIFIED_TLS`, a proved server alone. The second deviates from the RFC: for last hops the operator controls.
    """

    EXTENSION = "extension"
    VERIFIED_TLS = "verified-tls"


_PROVING = frozenset({OverrideTLS.VERIFY, OverrideTLS.DANE, OverrideTLS.DANE_REQUIRE, OverrideTLS.FINGERPRINT})


@dataclass(frozen=True, slots=True)
class Override:
    """`destination` is a next-hop domain, or `.example.org` for every name below example.org (not itself).

    `fingerprints` are SHA-256 digests in lower-case hexadecimal, of the server's public key (SPKI) or of its
    certificate. `expires` is POSIX seconds, None for never; `because` says why; `source` says where it was set.
    Use `Override.of` for text from people, which checks all of this.
    """

    destination: str
    tls: OverrideTLS
    fingerprints: tuple[str, ...] = ()
    because: str = ""
    expires: float | None = None
    source: str = field(default="configuration", compare=False)
    requiretls: OverrideRequireTLS = OverrideRequireTLS.EXTENSION

    @classmethod
    def of(
        cls,
        destination: str,
        tls: str | OverrideTLS,
        *,
        fingerprints: Iterable[str] = (),
        because: str = "",
        expires: float | None = None,
        source: str = "configuration",
        requiretls: str | OverrideRequireTLS = OverrideRequireTLS.EXTENSION,
    ) -> Override:
        """Build from what a person wrote. Raises `OverrideError` saying what would be right."""
        try:
            mode = tls if isinstance(tls, OverrideTLS) else OverrideTLS(tls)
        except ValueError:
            known = " ".join(member.value for member in OverrideTLS)
            raise OverrideError(f"{tls!r} is no TLS setting", advice=f"one of: {known}") from None
        digests = tuple(dict.fromkeys(_digest(text) for text in fingerprints))
        if mode is OverrideTLS.FINGERPRINT and not digests:
            raise OverrideError("a fingerprint override needs at least one fingerprint", advice="add --fingerprint HEX")
        if digests and mode is not OverrideTLS.FINGERPRINT:
            raise OverrideError(f"fingerprints mean nothing with {mode.value}", advice="use the setting fingerprint")
        strictness = _strictness(requiretls, mode)
        return cls(pattern(destination), mode, digests, " ".join(because.split()), expires, source, strictness)

    def covers(self, domain: Domain) -> bool:
        """Whether the destination is this domain, or a suffix form above it."""
        if self.destination.startswith("."):
            return domain.ascii.endswith(self.destination)
        return domain.ascii == self.destination

    def active(self, now: float) -> bool:
        """Whether it has not expired; `now` in POSIX seconds."""
        return self.expires is None or now < self.expires


def _strictness(requiretls: str | OverrideRequireTLS, mode: OverrideTLS) -> OverrideRequireTLS:
    try:
        strictness = OverrideRequireTLS(requiretls)
    except ValueError:
        known = " ".join(member.value for member in OverrideRequireTLS)
        raise OverrideError(f"{requiretls!r} is no setting for REQUIRETLS", advice=f"one of: {known}") from None
    if strictness is OverrideRequireTLS.VERIFIED_TLS and mode not in _PROVING:
        proving = " ".join(sorted(member.value for member in _PROVING))
        raise OverrideError(f"{mode.value} verifies nothing that REQUIRETLS could rest on", advice=f"one of: {proving}")
    return strictness


def pattern(text: str) -> str:
    """Bring `Example.ORG` or `.bücher.example` to its A-label form. Raises `OverrideError`."""
    try:
        name = Domain.from_text(text.removeprefix("."))
    except DomainError as error:
        raise OverrideError(error.reason, advice="write example.org, or .example.org for every name below it") from None
    return "." + name.ascii if text.startswith(".") else name.ascii


def _digest(text: str) -> str:
    digest = text.strip().replace(":", "").lower().removeprefix("sha256")
    if len(digest) != 64 or not set(digest) <= _HEX:
        raise OverrideError(f"{text[:24]!r} is no SHA-256 fingerprint", advice="write 64 hexadecimal digits")
    return digest
