"""TLSA records and their parameters (RFC 6698 §2.1, names of RFC 7218)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import dns.rdata
import dns.rdtypes.tlsabase

from danelaw.errors import DanelawError

MAX_ASSOCIATION = 65_532  # octets left in an RDATA after the three parameters (RFC 1035 §3.2.1)


class TLSARecordError(DanelawError, ValueError):
    """The text or data is not a TLSA record."""


class CertificateUsage(IntEnum):
    """What the association constrains (RFC 6698 §2.1.1, RFC 7218 §2.1)."""

    PKIX_TA = 0
    PKIX_EE = 1
    DANE_TA = 2
    DANE_EE = 3


class Selector(IntEnum):
    """Which part of the certificate is matched (RFC 6698 §2.1.2, RFC 7218 §2.2)."""

    CERT = 0
    SPKI = 1


class MatchingType(IntEnum):
    """How the selected part is presented (RFC 6698 §2.1.3, RFC 7218 §2.3)."""

    FULL = 0
    SHA2_256 = 1
    SHA2_512 = 2


@dataclass(frozen=True, slots=True)
class TLSARecord:
    """One TLSA record. The parameters are plain octets, since any value may be published; compare them with
    `CertificateUsage`, `Selector` and `MatchingType`. `association` is the certificate association data.
    """

    usage: int
    selector: int
    matching_type: int
    association: bytes

    @classmethod
    def from_rdata(cls, rdata: dns.rdata.Rdata) -> TLSARecord:
        """Take over a record from DNS. Raises `TLSARecordError` for data of another type."""
        if not isinstance(rdata, dns.rdtypes.tlsabase.TLSABase):
            raise TLSARecordError(f"{rdata} is not a TLSA record")
        return cls(int(rdata.usage), int(rdata.selector), int(rdata.mtype), bytes(rdata.cert))

    @classmethod
    def from_wire(cls, rdata: bytes) -> TLSARecord:
        """Parse RDATA (RFC 6698 §2.1). Raises `TLSARecordError` when it is too short or too long."""
        if len(rdata) < 3:
            raise TLSARecordError(f"{len(rdata)} octets are too few for a TLSA record")
        if len(rdata) - 3 > MAX_ASSOCIATION:
            raise TLSARecordError(f"{len(rdata)} octets are too many for a TLSA record")
        return cls(rdata[0], rdata[1], rdata[2], bytes(rdata[3:]))

    @classmethod
    def from_text(cls, text: str) -> TLSARecord:
        """Parse the presentation format (RFC 6698 §2.2): three numbers, then hexadecimal with optional white space.

        Raises `TLSARecordError`.
        """
        if len(text) > 4 * MAX_ASSOCIATION:
            raise TLSARecordError("the text is too long for a TLSA record")
        fields = text.split(None, 3)
        if len(fields) < 3:
            raise TLSARecordError(
                f"{text[:60]!r} is not a TLSA record: usage, selector, matching type and data expected"
            )
        usage, selector, matching_type = (_octet(field) for field in fields[:3])
        digits = "".join(fields[3].split()) if len(fields) == 4 else ""
        try:
            association = bytes.fromhex(digits)
        except ValueError:
            raise TLSARecordError(f"{text[:60]!r} is not a TLSA record: its data is not hexadecimal") from None
        if len(association) > MAX_ASSOCIATION:
            raise TLSARecordError("the data is too long for a TLSA record")
        return cls(usage, selector, matching_type, association)

    def to_text(self) -> str:
        """The presentation format, hexadecimal in lower case."""
        return f"{self.parameters} {self.association.hex()}".rstrip()

    def to_wire(self) -> bytes:
        """The RDATA."""
        return bytes((self.usage, self.selector, self.matching_type)) + self.association

    @property
    def parameters(self) -> str:
        """The three parameters as people write them: "3 1 1"."""
        return f"{self.usage} {self.selector} {self.matching_type}"

    @property
    def fingerprint(self) -> str:
        """The association data short enough to compare by eye: first 8 … last 4 hexadecimal digits."""
        return fingerprint(self.association)

    def __str__(self) -> str:
        return f"{self.parameters} {self.fingerprint}".rstrip()


def fingerprint(data: bytes) -> str:
    """Hexadecimal digits of `data`, first 8 … last 4."""
    text = data.hex()
    return text if len(text) <= 13 else f"{text[:8]}…{text[-4:]}"


def _octet(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255):
        raise TLSARecordError(f"{text[:20]!r} is not a number from 0 to 255")
    return int(text)
