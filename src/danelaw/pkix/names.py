"""Does a certificate name the server we mean? (RFC 9525 §6)"""

from __future__ import annotations

from collections.abc import Iterable

from danelaw.address import Domain
from danelaw.pkix.certificate import Certificate, read_certificate

_SHOWN = 3


def dns_ids(cert_der: bytes) -> tuple[str, ...]:
    """The DNS-IDs a certificate presents: dNSNames of its subjectAltName, lower case. Raises `DERError`."""
    return read_certificate(cert_der).dns_ids


def matches(reference_identifier: Domain, presented: str, *, top_level: bool = False) -> bool:
    """True when a presented DNS-ID covers the reference identifier (RFC 9525 §6.3).

    The wildcard is accepted as the whole leftmost label only and stands for exactly one label. `*.org` is refused
    unless `top_level`: RFC 9525 §7.1 leaves wildcards for public suffixes to the client, and no public CA may speak
    for a whole top-level domain (OpenSSL decides alike). DANE-TA sets `top_level`: the zone's owner chose the CA, and
    RFC 7672 §3.2.3 wants every wildcard in the first label supported, with no exception for `*.lan`.
    """
    name = presented.lower().removesuffix(".")
    if not name.startswith("*."):
        return "*" not in name and name == reference_identifier.ascii
    parent = name[2:]
    if "*" in parent or ("." not in parent and not top_level):
        return False
    label, _, rest = reference_identifier.ascii.partition(".")
    return bool(label) and rest == parent


def matching_name(certificate: Certificate, reference_identifiers: Iterable[Domain], *, dane: bool) -> Domain | None:
    """The first reference identifier the certificate covers, None when there is none.

    With `dane` the rules of DANE-TA hold (RFC 7672 §3.2.3): the subject's CN counts when there is no DNS-ID (else it
    counts for nothing, RFC 9525 §2), and a wildcard may stand below a top-level domain.
    """
    presented = certificate.dns_ids
    if dane and not certificate.has_dns_id:
        presented = certificate.common_names
    for reference in reference_identifiers:
        if any(matches(reference, name, top_level=dane) for name in presented):
            return reference
    return None


def presented_words(certificate: Certificate) -> str:
    """The names of a certificate for a sentence: "mx1.example.org, mx2.example.org and 5 more"."""
    names = certificate.dns_ids or certificate.common_names
    if not names:
        return "no name"
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def reference_words(reference_identifiers: Iterable[Domain]) -> str:
    """Reference identifiers for a sentence: "mx1.example.org or example.org"."""
    return " or ".join(name.ascii for name in reference_identifiers) or "any name we look for"
