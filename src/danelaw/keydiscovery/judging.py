"""From what is published to keys that can be used, or the reason why not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from danelaw.address import Domain, DomainError, Mailbox
from danelaw.dane import CertificateUsage, MatchingType, Selector, TLSARecord
from danelaw.keydiscovery.found import FoundKey, KeySource
from danelaw.keydiscovery.openpgp import OpenPGPCertificate, certificates
from danelaw.keydiscovery.packets import OpenPGPError

LARGEST_KEY_RING = 256 << 10
"""Octets of one key ring, from DNS or the web."""
_DIGEST_LENGTHS = {MatchingType.SHA2_256: 32, MatchingType.SHA2_512: 64}
_SMTP_UTF8_MAILBOX = "1.3.6.1.5.5.7.8.9"  # RFC 9598 §3
_UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion)
_EMAIL_PROTECTION = x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION
_ANY_PURPOSE = x509.oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def openpgp_keys(
    octets: bytes, mailbox: Mailbox, source: KeySource, now: float, *, must_name: bool
) -> tuple[FoundKey, ...]:
    """The keys of a key ring. `must_name`: a key without a user id of this address is not used (draft-koch-openpgp-
    webkey-service-19 §3.1); under a name in signed DNS the name itself says whose key it is (RFC 7929 §2).

    Raises `OpenPGPError`.
    """
    if len(octets) > LARGEST_KEY_RING:
        raise OpenPGPError(f"larger than {LARGEST_KEY_RING} octets")
    return tuple(_openpgp_key(one, mailbox, source, now, must_name) for one in certificates(octets))


def _openpgp_key(
    found: OpenPGPCertificate, mailbox: Mailbox, source: KeySource, now: float, must_name: bool
) -> FoundKey:
    return FoundKey(
        kind="openpgp",
        source=source,
        fingerprint=found.fingerprint,
        created=float(found.created),
        expires=None if found.expires is None else float(found.expires),
        addresses=found.addresses,
        usable=not (problem := _openpgp_problem(found, mailbox, now, must_name)),
        reason=problem or "can be encrypted to",
        dns_signed=source is not KeySource.WKD,
        octets=found.octets,
    )


def _openpgp_problem(found: OpenPGPCertificate, mailbox: Mailbox, now: float, must_name: bool) -> str:
    if found.revoked:
        return "the key is revoked"
    if found.expires is not None and found.expires <= now:
        return f"the key expired on {_day(found.expires)}"
    if found.created > now + 86_400:
        return f"the key is from the future: {_day(found.created)}"
    if found.encrypts_until is None:
        return "the key can only sign"
    if found.encrypts_until <= now:
        return f"the part of the key that encrypts expired on {_day(found.encrypts_until)}"
    if must_name and not _names(found.addresses, mailbox):
        return f"no user id of the key is {mailbox}"
    return ""


def smime_keys(
    records: Iterable[TLSARecord], mailbox: Mailbox, now: float
) -> tuple[tuple[FoundKey, ...], tuple[str, ...]]:
    """The certificates in SMIMEA records, and why the other records hold none (RFC 8162 §2, §3)."""
    keys, problems = [], []
    for record in records:
        problem = _no_certificate(record)
        if problem:
            problems.append(f"{record.parameters}: {problem}")
            continue
        try:
            keys.append(_smime_key(record, mailbox, now))
        except _UNREADABLE as error:
            problems.append(f"{record.parameters}: the certificate cannot be read: {str(error)[:120]}")
    return tuple(keys), tuple(problems)


def _no_certificate(record: TLSARecord) -> str:
    """Why a record holds no certificate to encrypt to; empty when it does. Meanings are those of RFC 6698 §2.1."""
    usage, selector, matching = record.usage, record.selector, record.matching_type
    if usage > CertificateUsage.DANE_EE or selector > Selector.SPKI or matching > MatchingType.SHA2_512:
        return "its parameters are unknown"
    if matching in _DIGEST_LENGTHS and len(record.association) != _DIGEST_LENGTHS[MatchingType(matching)]:
        return "the digest has the wrong length"
    if usage in (CertificateUsage.PKIX_TA, CertificateUsage.DANE_TA):
        return "it names who may issue certificates, and holds none of the address"
    if matching != MatchingType.FULL:
        return "it tells whether a certificate is the right one, and does not hold it"
    if selector != Selector.CERT:
        return "it holds a bare key, and S/MIME needs the certificate"
    return ""


def _smime_key(record: TLSARecord, mailbox: Mailbox, now: float) -> FoundKey:
    """Raises one of `_UNREADABLE` for what is no certificate."""
    found = x509.load_der_x509_certificate(record.association)
    addresses = _addresses_of(found)
    problem = _smime_problem(record, found, addresses, mailbox, now)
    return FoundKey(
        kind="smime",
        source=KeySource.SMIMEA,
        fingerprint=found.fingerprint(hashes.SHA256()).hex().upper(),
        created=found.not_valid_before_utc.timestamp(),
        expires=found.not_valid_after_utc.timestamp(),
        addresses=addresses,
        usable=not problem,
        reason=problem or "can be encrypted to",
        dns_signed=True,
        octets=record.association,
    )


def _smime_problem(
    record: TLSARecord, found: x509.Certificate, addresses: tuple[str, ...], mailbox: Mailbox, now: float
) -> str:
    if record.usage == CertificateUsage.PKIX_EE:
        return "a public CA must vouch for the certificate too (usage 1), which is not checked here"
    if found.not_valid_after_utc.timestamp() <= now:
        return f"the certificate expired on {_day(found.not_valid_after_utc.timestamp())}"
    if found.not_valid_before_utc.timestamp() > now:
        return f"the certificate is valid from {_day(found.not_valid_before_utc.timestamp())}"
    if addresses and not _names(addresses, mailbox):
        return f"the certificate is for {addresses[0]}"
    if not _for_mail(found):
        return "the certificate is not for encrypting mail, by its key usage"
    return ""


def _for_mail(found: x509.Certificate) -> bool:
    """RFC 8550 §4.4.2, §4.4.4: key usage and extended key usage, where they stand, allow mail to be encrypted."""
    try:
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
        if not (usage.key_encipherment or usage.key_agreement):
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return _EMAIL_PROTECTION in purposes or _ANY_PURPOSE in purposes


def _addresses_of(found: x509.Certificate) -> tuple[str, ...]:
    """rfc822Name and SmtpUTF8Mailbox of the subjectAltName, else emailAddress of the subject (RFC 8550 §3)."""
    addresses: list[str] = []
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses += names.get_values_for_type(x509.RFC822Name)
        addresses += [
            other.value[2:].decode("utf-8", "replace")
            for other in names.get_values_for_type(x509.OtherName)
            if other.type_id.dotted_string == _SMTP_UTF8_MAILBOX
            and other.value[:1] == b"\x0c"
            and len(other.value) < 130
        ]
    except x509.ExtensionNotFound:
        pass
    subject = found.subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS)
    addresses += [str(one.value) for one in subject]
    return tuple(dict.fromkeys(addresses))[:64]


def _names(addresses: Iterable[str], mailbox: Mailbox) -> bool:
    """Whether one of them is this mailbox; ASCII case does not count, domains are compared as A-labels."""
    wanted = (mailbox.localpart.content.lower(), mailbox.domain.to_text().lower())
    return any(_halves(address) == wanted for address in addresses)


def _halves(address: str) -> tuple[str, str]:
    local, _, domain = address.rpartition("@")
    try:
        domain = Domain.from_text(domain).ascii
    except DomainError:
        domain = domain.lower()
    return local.strip('"').lower(), domain


def _day(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "an impossible day"
