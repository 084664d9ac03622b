"""One check against one handshake."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from danelaw import dane, pkix
from danelaw.address import Domain
from danelaw.dane import RecordVerdict
from danelaw.tlspolicy.handshake import Handshake
from danelaw.tlspolicy.requirement import (
    Check,
    DANECheck,
    FingerprintCheck,
    PKIXCheck,
    RequireTLSCheck,
    STSCheck,
)
from danelaw.tlspolicy.tlsrpt import TLSRPTResult

NO_CERTIFICATE = "the server shows no certificate"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether a check passed, why in words, the verdict on each TLSA record, and what a TLS report gets."""

    check: Check
    ok: bool
    reason: str
    records: tuple[RecordVerdict, ...] = ()
    tlsrpt: TLSRPTResult | None = None


def run_check(check: Check, handshake: Handshake, roots: pkix.Roots | None, now: float) -> CheckResult:
    """Run one check on an established session. `roots` None means that no CA is trusted; `now` in POSIX seconds."""
    if isinstance(check, DANECheck):
        return _dane(check, handshake, now)
    if isinstance(check, STSCheck):
        return _sts(check, handshake, roots, now)
    if isinstance(check, PKIXCheck):
        ok, reason, _ = _pkix(handshake, roots, check.names, now)
        return CheckResult(check, ok, reason)
    if isinstance(check, FingerprintCheck):
        return _fingerprint(check, handshake)
    return _requiretls(check, handshake)


def without_tls(check: Check, reason: str, result_type: str) -> CheckResult:
    """The result of a check where there was no TLS session; `result_type` as RFC 8460 §4.3.1 has it."""
    return CheckResult(check, False, reason, tlsrpt=_report(check, result_type, reason))


def _report(check: Check, result_type: str | None, reason: str) -> TLSRPTResult | None:
    if isinstance(check, DANECheck):
        return TLSRPTResult("tlsa", check.base, result_type, reason, check.records)
    if isinstance(check, STSCheck):
        return TLSRPTResult("sts", check.domain, result_type, reason, check.policy)
    return None


def _dane(check: DANECheck, handshake: Handshake, now: float) -> CheckResult:
    if not handshake.chain:
        return CheckResult(check, False, NO_CERTIFICATE, tlsrpt=_report(check, "validation-failure", NO_CERTIFICATE))
    result = dane.verify(check.records, handshake.chain, check.names, now)
    result_type = None if result.ok else (result.tlsrpt or "validation-failure")
    return CheckResult(
        check, result.ok, result.reason, tuple(result.verdicts), _report(check, result_type, result.reason)
    )


def _sts(check: STSCheck, handshake: Handshake, roots: pkix.Roots | None, now: float) -> CheckResult:
    if not check.listed:
        reason = f"{check.host} is not among the MX hosts of {check.domain}'s MTA-STS policy"
        return CheckResult(check, False, reason, tlsrpt=_report(check, "validation-failure", reason))
    ok, reason, result_type = _pkix(handshake, roots, (check.host,), now)
    return CheckResult(check, ok, reason, tlsrpt=_report(check, None if ok else result_type, reason))


def _pkix(
    handshake: Handshake, roots: pkix.Roots | None, names: tuple[Domain, ...], now: float
) -> tuple[bool, str, str]:
    if not handshake.chain:
        return False, NO_CERTIFICATE, "validation-failure"
    if roots is None:
        return False, "no public CA is configured to check the certificate against", "validation-failure"
    result = pkix.verify(handshake.chain, roots, names, now)
    return result.ok, result.reason, result.tlsrpt or "validation-failure"


def _fingerprint(check: FingerprintCheck, handshake: Handshake) -> CheckResult:
    """Digest of the key first: it survives a renewal of the certificate."""
    if not handshake.chain:
        return CheckResult(check, False, NO_CERTIFICATE)
    leaf = handshake.chain[0]
    certificate = hashlib.sha256(leaf).hexdigest()
    try:
        key = x509.load_der_x509_certificate(leaf).public_key()
        spki = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    except Exception:  # the peer chose these bytes, and OpenSSL's errors have many classes
        spki = ""
    if spki in check.fingerprints:
        return CheckResult(check, True, f"server's key is the pinned one ({short(spki)})")
    if certificate in check.fingerprints:
        return CheckResult(check, True, f"server's certificate is the pinned one ({short(certificate)})")
    shown = f"key {short(spki)}" if spki else f"certificate {short(certificate)}"
    return CheckResult(check, False, f"{shown} shown, which is not pinned")


def _requiretls(check: RequireTLSCheck, handshake: Handshake) -> CheckResult:
    if handshake.requiretls_offered:
        return CheckResult(check, True, "server offers REQUIRETLS")
    return CheckResult(check, False, "server does not offer REQUIRETLS, which the sender demands")


def short(digest: str) -> str:
    """A fingerprint as people read it: first 8 … last 4 digits."""
    return f"{digest[:8]}…{digest[-4:]}"
