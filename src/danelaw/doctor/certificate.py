"""Examination of the certificates that listeners present."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from danelaw.config import Certificate, Config
from danelaw.doctor.finding import Finding, Severity

_SOON = timedelta(days=14)


def certificates(config: Config, now: float) -> list[Finding]:
    """Every configured certificate: readable, key, dates, names, chain. `now` in POSIX seconds."""
    if not config.certificate:
        if all(listen.tls == "none" for listen in config.listen):
            return []
        return [
            Finding(
                "certificate",
                Severity.WARNING,
                "there is no certificate: listeners do not offer STARTTLS, so mail comes in as clear text",
                "add [[certificate]] with chain and key to the configuration",
            )
        ]
    moment = datetime.fromtimestamp(now, UTC)
    found: list[Finding] = []
    for index, certificate in enumerate(config.certificate):
        found += _examine(certificate, config, moment, is_default=index == 0)
    return found


def _examine(certificate: Certificate, config: Config, now: datetime, *, is_default: bool) -> list[Finding]:
    try:
        chain = x509.load_pem_x509_certificates(certificate.chain.read_bytes())
        key = load_pem_private_key(certificate.key.read_bytes(), None)
    except OSError as error:
        return [_error(f"{error.filename} cannot be read: {error.strerror}", "correct the path or its permissions")]
    except (ValueError, TypeError) as error:
        what = f"{certificate.chain} or {certificate.key} is not usable PEM: {str(error).splitlines()[0][:80]}"
        return [_error(what, "chain holds certificates, key one private key without a password, both as PEM")]
    leaf = chain[0]
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    found = []
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        found.append(
            _error(
                f"the key {certificate.key} does not belong to the first certificate in {certificate.chain}",
                "name the key made with this certificate; the server's own certificate comes first in the file",
            )
        )
    found += [*_dates(leaf, certificate.chain, now), *_chain(chain, certificate.chain)]
    if is_default:
        found += _names(leaf, certificate.chain, config.hostname.ascii)
    days = (leaf.not_valid_after_utc - now).days
    return found or [Finding("certificate", Severity.OK, f"{certificate.chain}: key fits, valid for {days} days more")]


def _dates(leaf: x509.Certificate, path: Path, now: datetime) -> list[Finding]:
    renew = "renew it; if you publish TLSA records, see first that one matches the new key (danelaw tlsa)"
    if now > leaf.not_valid_after_utc:
        return [_error(f"{path} expired on {leaf.not_valid_after_utc:%Y-%m-%d}", renew)]
    if now < leaf.not_valid_before_utc:
        return [_error(f"{path} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}", "look at the clock")]
    if leaf.not_valid_after_utc - now < _SOON:
        days = (leaf.not_valid_after_utc - now).days
        return [Finding("certificate", Severity.WARNING, f"{path} expires in {days} days", renew)]
    return []


def _chain(chain: list[x509.Certificate], path: Path) -> list[Finding]:
    for below, above in itertools.pairwise(chain):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            name = below.subject.rfc4514_string()[:60]
            fix = "order the file: the server's certificate, then each one that issued the one before"
            return [
                Finding("certificate-chain", Severity.WARNING, f"{path}: {name} is not issued by the next one", fix)
            ]
    return []


def _names(leaf: x509.Certificate, path: Path, hostname: str) -> list[Finding]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
    except x509.ExtensionNotFound:
        names = []
    wildcard = "*." + hostname.partition(".")[2]
    if any(name.lower() in (hostname, wildcard) for name in names):
        return []
    return [
        Finding(
            "certificate-name",
            Severity.NOTE,
            f"{path} is for {', '.join(names) or 'no name'}, and not for {hostname}",
            "senders that check names (MTA-STS) expect the name your MX record gives",
        )
    ]


def _error(what: str, fix: str) -> Finding:
    return Finding("certificate", Severity.ERROR, what, fix)
