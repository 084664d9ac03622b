"""What `danelaw tlsa` prints for people."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography import x509

from danelaw.cli.output import Output, Symbol, duration, moment
from danelaw.dane import CertificateUsage, Selector, TLSAState
from danelaw.dnsdata import DNSSECStatus
from danelaw.pkix import DERError, matches, read_certificate

if TYPE_CHECKING:
    from danelaw.cli.tlsa import Comparison, Page, Publication


def show(out: Output, page: Page, now: float) -> None:
    """The answer first, the next command last; `now` in POSIX seconds."""
    if page.comparison is None:
        count = len(page.records)
        what = "this record" if count == 1 else f"these {count} records"
        out.headline(Symbol.NONE, f"For {page.host}, publish {what} in its signed zone, beside those already there:")
    else:
        out.headline(*_verdict(page, page.comparison))
    out.line()
    for record in page.records:
        # Never folded: it is there to be copied into a zone file.
        out.line(f"  {page.owner} IN TLSA {record.to_text()}")
    out.line()
    out.table([(Symbol.NONE, (one.credential.name, _subject_words(one, now))) for one in page.publications])
    # A pin is compared with the server's own key, which a file with nothing but a CA does not hold.
    pinned = [one for one in page.publications if not one.credential.lone_ca]
    for digest in dict.fromkeys(hashlib.sha256(one.credential.spki).hexdigest() for one in pinned):
        out.line(f'  [[override]] fingerprints = ["{digest}"]')
    for one in page.publications:
        for caution in _cautions(page, one, now):
            out.paragraph(f"Careful: {caution}")
    if page.comparison is not None and page.comparison.verdicts:
        _published(out, page, page.comparison)
    out.line()
    _rollover(out, page)
    out.line()
    out.next(_next(page))


def _subject_words(one: Publication, now: float) -> str:
    part = "key" if one.record.selector == Selector.SPKI else "certificate"
    if one.subject is None:
        return f"a {one.credential.kind}"
    read = read_certificate(one.subject)
    until = f", valid until {moment(read.not_after, now)}" if read.not_after is not None else ""
    if one.record.usage == CertificateUsage.DANE_TA:
        return f"the record speaks of the {part} of the CA {_ca_name(one.subject)}{until}"
    names = ", ".join((read.dns_ids or read.common_names)[:3]) or "no name"
    return f"certificate for {names}{until}; the record speaks of its {part}"


def _ca_name(certificate: bytes) -> str:
    try:
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string() or "without a name"
    except ValueError:
        return "whose name cannot be read"


def _cautions(page: Page, one: Publication, now: float) -> list[str]:
    """What would make mail wait although the record is published."""
    if not one.credential.chain:
        return []
    if one.record.usage == CertificateUsage.DANE_EE:
        lone = "this is a CA's certificate; to publish the CA that issues your certificates, use --usage 2"
        issues = one.credential.lone_ca and not _names(page, one.credential.chain[0])
        return [lone] if issues else []
    if one.credential.lone_ca:
        return ["right only for certificates this CA issues, and the server must send the CA's certificate along"]
    found = []
    leaf = read_certificate(one.credential.chain[0])
    if not _names(page, one.credential.chain[0]):
        found.append(f"the certificate does not name {page.host}, which usage 2 demands (RFC 7672 §3.2.2)")
    if leaf.not_after is not None and leaf.not_after < now:
        found.append("the certificate has expired, which counts with usage 2")
    found.append("the server must send the CA's certificate along, and the record fails once another CA issues for you")
    return found


def _names(page: Page, certificate: bytes) -> bool:
    try:
        read = read_certificate(certificate)
    except DERError:
        return False
    presented = read.dns_ids if read.has_dns_id else read.common_names
    return any(matches(page.host, name, top_level=True) for name in presented)


def _verdict(page: Page, comparison: Comparison) -> tuple[Symbol, str]:
    found, host = comparison.found, page.host
    if found.error is not None:
        return Symbol.STOPPED, f"{host}: DNS cannot tell: {found.error}"
    if found.tlsa_state is TLSAState.ABSENT:
        if found.address_status is DNSSECStatus.INSECURE:
            return Symbol.CLEAR, f"{host} is not signed, so TLSA records have no effect; sign its zone first."
        return Symbol.CLEAR, f"{host} publishes no signed TLSA record for port {page.port} yet."
    if found.tlsa_state is TLSAState.UNUSABLE:
        words = "no published TLSA record can be used for mail: TLS becomes a must, but nobody checks who answers."
        return Symbol.ENCRYPTED, f"{host}: {words}"
    if not all(comparison.passes):
        failing = [one.credential.name for one, ok in zip(page.publications, comparison.passes, strict=True) if not ok]
        words = (
            f"{' and '.join(failing)} would FAIL: none of the {len(found.records)} published TLSA records allows it."
        )
        return Symbol.STOPPED, f"{host}: {words} Do not switch to it yet."
    if comparison.missing:
        return (
            Symbol.VERIFIED,
            f"{host}: mail gets through by another published record; the one below is not published.",
        )
    return Symbol.VERIFIED, f"{host}: DNS publishes this, signed. A server that shows it is verified by DANE."


def _published(out: Output, page: Page, comparison: Comparison) -> None:
    base = comparison.found.tlsa_base or page.host
    ttl = f", TTL {duration(comparison.ttl)}" if comparison.ttl is not None else ""
    out.line()
    out.paragraph(f"published now at _{page.port}._tcp.{base}, signed{ttl}:")
    out.table(
        [
            (Symbol.VERIFIED if mine else Symbol.NONE, (record.parameters, record.fingerprint, words))
            for record, mine, words in comparison.verdicts
        ]
    )


def _rollover(out: Output, page: Page) -> None:
    """RFC 7671 §8.1, RFC 7672 §4: the new record must be everywhere before the new key is shown anywhere."""
    ttl = page.comparison.ttl if page.comparison is not None else None
    wait = f"two TTLs ({duration(2 * ttl)})" if ttl is not None else "two TTLs"
    out.paragraph(
        f"To change the key: publish the new record beside the old one, wait {wait}, switch the server, then remove "
        "the old record. The other way round mail waits."
    )
    if any(record.usage == CertificateUsage.DANE_EE and record.selector == Selector.SPKI for record in page.records):
        out.paragraph("A renewal that keeps the key needs no new record.")


def _next(page: Page) -> str:
    comparison = page.comparison
    files = " ".join(one.credential.name for one in page.publications if one.credential.name != "standard input")
    if comparison is None or comparison.missing:
        return f"danelaw tlsa {page.host} {files or 'CERT.pem'} --check   (once it is published)"
    if comparison.found.error is not None:
        return f"danelaw dns {page.owner.removesuffix('.')} TLSA"
    return f"danelaw check '[{page.host}]'"
