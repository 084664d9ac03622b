"""Records whose content a resolver must be able to hold even when it is of no use.

dnspython refuses a TLSA or DS record whose digest has the wrong length, and with it the whole message. But RFC 7672
§2.2 and RFC 6698 §4.1 want such a TLSA record seen and called unusable (TLS stays mandatory), and one odd DS record
must not hide its good neighbours (RFC 4035 §5.2). So these types are read as they come; judging them is the business of
`danelaw.dane` and `danelaw.dnssec`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.dnssectypes
import dns.immutable
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CDS
import dns.rdtypes.ANY.DS
import dns.rdtypes.ANY.SMIMEA
import dns.rdtypes.ANY.TLSA


def _association(self: Any, rdclass: Any, rdtype: Any, usage: int, selector: int, mtype: int, cert: bytes) -> None:
    dns.rdata.Rdata.__init__(self, rdclass, rdtype)
    self.usage, self.selector, self.mtype, self.cert = usage, selector, mtype, cert


def _signer(
    self: Any, rdclass: Any, rdtype: Any, key_tag: int, algorithm: Any, digest_type: Any, digest: bytes
) -> None:
    dns.rdata.Rdata.__init__(self, rdclass, rdtype)
    self.key_tag, self.digest = key_tag, digest
    self.algorithm = dns.dnssectypes.Algorithm.make(algorithm)
    self.digest_type = dns.dnssectypes.DSDigest.make(digest_type)


def _tolerant(base: type[Any], initialise: Any) -> type[Any]:
    made: type[Any] = type(base.__name__, (base,), {"__init__": initialise, "__slots__": (), "__module__": __name__})
    # The decorator that keeps records from being changed has no type hints of its own.
    immutable: Callable[[type[Any]], type[Any]] = dns.immutable.immutable
    return immutable(made)


def read_as_they_come() -> None:
    """Make dnspython use the tolerant classes from now on, for every message of this process."""
    for base, initialise in (
        (dns.rdtypes.ANY.TLSA.TLSA, _association),
        (dns.rdtypes.ANY.SMIMEA.SMIMEA, _association),
        (dns.rdtypes.ANY.DS.DS, _signer),
        (dns.rdtypes.ANY.CDS.CDS, _signer),
    ):
        rdtype = dns.rdatatype.from_text(base.__name__)
        dns.rdata._rdata_classes[dns.rdataclass.ANY, rdtype] = _tolerant(base, initialise)


read_as_they_come()
