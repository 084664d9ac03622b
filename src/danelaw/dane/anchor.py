"""DANE-TA(2): a path from the leaf to the trust anchor in DNS (RFC 7671 §5.2, RFC 7672 §3.1.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from OpenSSL import crypto

from danelaw.address import Domain
from danelaw.dane.barekey import signed_by
from danelaw.dane.matching import record_matches
from danelaw.dane.record import MatchingType, Selector, TLSARecord
from danelaw.pkix.certificate import read_certificate
from danelaw.pkix.der import DERError
from danelaw.pkix.names import matching_name, presented_words, reference_words
from danelaw.pkix.path import PathError, load_chain, verified_path
from danelaw.pkix.result import PKIXFailure
from danelaw.pkix.roots import store_of


@dataclass(frozen=True, slots=True)
class AnchorOutcome:
    """Whether one DANE-TA record authenticates the chain.

    `depth` is the place above the leaf where the path ends (0: a bare key signed the leaf itself). `found` tells that
    the anchor was there, so that the failure lies elsewhere; `failure` is its kind.
    """

    ok: bool
    reason: str
    depth: int | None = None
    found: bool = False
    failure: PKIXFailure | None = None


def verify_anchor(
    record: TLSARecord, chain: Sequence[bytes], reference_identifiers: Sequence[Domain], now: float
) -> AnchorOutcome:
    """Judge a presented chain (DER, leaf first) by one usable DANE-TA record at `now` (POSIX seconds)."""
    try:
        loaded = load_chain(tuple(chain))
        certificates = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in loaded)
        return _best(record, loaded, certificates, tuple(reference_identifiers), now)
    except PathError as error:
        return AnchorOutcome(False, error.words, failure=error.failure)
    except DERError as error:
        return AnchorOutcome(
            False, f"the server's certificate cannot be read: {error.reason}", failure=PKIXFailure.OTHER
        )


def _best(
    record: TLSARecord,
    loaded: tuple[crypto.X509, ...],
    certificates: tuple[bytes, ...],
    references: tuple[Domain, ...],
    now: float,
) -> AnchorOutcome:
    """The first candidate with a valid path decides; without one the first failure is told."""
    failed: PathError | None = None
    for candidate in _candidates(record, certificates):
        try:
            depth = _path_length(candidate, loaded, now)
        except PathError as error:
            failed = failed or error
            continue
        return _named(certificates[0], references, depth)
    if failed is not None:
        return AnchorOutcome(False, f"CA of DNS found, but {failed.words}", found=True, failure=failed.failure)
    what = "key" if record.selector == Selector.SPKI else "certificate"
    return AnchorOutcome(False, f"no CA {what} in the server's chain is {record.fingerprint}")


def _candidates(record: TLSARecord, certificates: tuple[bytes, ...]) -> Iterator[bytes]:
    """Certificates that may end the path.

    An anchor is an issuer, so the leaf itself is never one, whatever the matching type (OpenSSL decides alike); only a
    bare key may have signed it. Full data from DNS can serve though the server does not send the anchor.
    """
    issuers = [data for data in dict.fromkeys(certificates[1:]) if data != certificates[0]]
    present = [data for data in issuers if _matches(record, data)]
    yield from present
    if record.matching_type != MatchingType.FULL or present:
        return
    if record.selector == Selector.CERT:
        if record.association != certificates[0]:
            yield record.association
    else:
        # A bare key has no certificate of its own: the path ends with what the key signed, the highest first,
        # since the longer path was judged by more constraints.
        yield from (data for data in reversed(certificates) if signed_by(data, record.association))


def _matches(record: TLSARecord, certificate: bytes) -> bool:
    try:
        return record_matches(record, certificate)
    except DERError:
        return False


def _path_length(candidate: bytes, loaded: tuple[crypto.X509, ...], now: float) -> int:
    """Certificates above the leaf on the path that ends at `candidate`. Raises `PathError`."""
    try:
        anchor = crypto.load_certificate(crypto.FILETYPE_ASN1, candidate)
    except crypto.Error:
        raise PathError(PKIXFailure.OTHER, "the CA certificate cannot be parsed") from None
    return len(verified_path(store_of((anchor,), now), loaded)) - 1


def _named(leaf_der: bytes, references: tuple[Domain, ...], depth: int) -> AnchorOutcome:
    leaf = read_certificate(leaf_der)
    name = matching_name(leaf, references, dane=True)
    if name is None:
        words = f"issued by the CA in DNS, but for {presented_words(leaf)}, not for {reference_words(references)}"
        return AnchorOutcome(False, words, depth, True, PKIXFailure.NAME_MISMATCH)
    return AnchorOutcome(True, "issued by the CA in DNS, name matches", depth, True)
