"""Is a presented chain valid for a name, by trusted roots? (RFC 5280 §6.1, RFC 9525 §6)"""

from __future__ import annotations

from collections.abc import Iterable

from danelaw.address import Domain
from danelaw.pkix.certificate import read_certificate
from danelaw.pkix.der import DERError
from danelaw.pkix.names import matching_name, presented_words, reference_words
from danelaw.pkix.path import PathError, load_chain, verified_path
from danelaw.pkix.result import PKIXFailure, PKIXResult
from danelaw.pkix.roots import Roots


def verify(chain: tuple[bytes, ...], roots: Roots, reference_identifiers: Iterable[Domain], now: float) -> PKIXResult:
    """Judge a presented chain (DER, leaf first) at `now` (POSIX seconds).

    One reference identifier must match a DNS-ID; the common name never counts (RFC 9525 §2, RFC 8461 §4.2). Nothing is
    fetched: issuers the server does not send are missing. Never raises for what the peer presented.
    """
    names = tuple(reference_identifiers)
    try:
        verified_path(roots.store_at(now), load_chain(chain))
        leaf = read_certificate(chain[0])
    except PathError as error:
        return PKIXResult(False, error.words, error.failure)
    except DERError as error:
        return PKIXResult(False, f"the server's certificate cannot be read: {error.reason}", PKIXFailure.OTHER)
    found = matching_name(leaf, names, dane=False)
    if found is None:
        reason = f"the certificate is for {presented_words(leaf)}, not for {reference_words(names)}"
        if not leaf.has_dns_id and leaf.common_names:
            reason = (
                f"the certificate has {presented_words(leaf)} as common name only, which does not count (RFC 9525 §2)"
            )
        return PKIXResult(False, reason, PKIXFailure.NAME_MISMATCH)
    return PKIXResult(True, f"a trusted CA vouches for {found}")
