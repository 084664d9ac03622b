"""What a receipt that holds states, in sentences, each with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import dns.rdatatype
from cryptography import x509

from danelaw.dane import HostRecords, TLSAState
from danelaw.dnsdata import DNSSECStatus
from danelaw.pkix import Roots
from danelaw.pkix.path import PathError, load_chain, verified_path
from danelaw.queue import Attempt
from danelaw.receipt.derive import Derived
from danelaw.receipt.judging import VERIFIED, Judged
from danelaw.receipt.kinds import Ground, Statement
from danelaw.receipt.paper import LogPlace, Receipt
from danelaw.tlspolicy import PKIXCheck, StartTLSOutcome, STSCheck

_Said = Iterator[tuple[Ground, str]]
_DNS, _CERTIFICATE, _WORD = Ground.DNS, Ground.CERTIFICATE, Ground.WORD
_NOT_FOUND = (DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE)


def about_message(receipt: Receipt) -> list[Statement]:
    """The envelope, which nothing but the gateway's word shows."""
    envelope = receipt.envelope
    sender = "a sender left out" if envelope.sender is None else f"from {envelope.sender or '<>'}"
    count = len(envelope.recipients)
    text = f"a message {sender}, {envelope.size} octets, for {count} recipient{'s' * (count != 1)}, with these times"
    return [Statement("message", _WORD, text)]


def about_log(where: str, log: LogPlace) -> list[Statement]:
    """That a record stands in the log."""
    first, own = log.links[0], log.links[-1]
    text = f"recorded in link {own.number} of the log; head {first.number}: {first.digest.hex()}"
    return [Statement(where, _WORD, text)]


def about_try(where: str, attempt: Attempt, judged: Judged | None, roots: Roots | None = None) -> list[Statement]:
    """All that is stated of one try; `roots` are the CAs of who verifies."""
    said: list[tuple[Ground, str]] = []
    if judged is not None:
        said += _about_destination(judged.derived, attempt)
        said += _about_session(judged, roots)
    said.append((_WORD, _end(attempt)))
    return [Statement(where, ground, text) for ground, text in said]


def _end(attempt: Attempt) -> str:
    if attempt.outcome == "delivered":
        return f"the reply was {attempt.reply!r}"
    return f"{attempt.outcome}: {attempt.reason}" + (f"; the reply was {attempt.reply!r}" if attempt.reply else "")


def _about_destination(derived: Derived, attempt: Attempt) -> _Said:
    basis, mx = derived.basis, derived.destination.mx
    if basis.demand.word:
        yield _WORD, f"the demand of the sender: {basis.demand.value}"
    if basis.group is not None:
        yield _WORD, f"{basis.group.owner}, of which it is a member, demanded: {basis.group.demand.value}"
    if basis.wait:
        yield _WORD, basis.wait
    if basis.override is not None:
        yield _WORD, f"the gateway's own override: {basis.override.destination} = {basis.override.tls.value}"
    if mx.static:
        yield _WORD, f"mail goes to {basis.next_hop}, as the gateway was told"
    elif mx.error is not None:
        yield _WORD, f"the MX look-up failed when it was made: {mx.error}"
    elif derived.undeliverable is not None:
        yield _signed(mx.secure), derived.undeliverable.reason
    else:
        hosts = ", ".join(f"{host.preference} {host.name}" for host in mx.hosts[:8])
        what = "is its own mail server, for want of MX records" if mx.implicit else f"has the mail servers {hosts}"
        yield _signed(mx.secure), f"{basis.next_hop.domain} {what}"
    records = next((one for one in derived.destination.hosts if one.host.ascii == attempt.host), None)
    if records is not None:
        yield from _about_host(records)
    sts = basis.sts
    if sts.policy is not None:
        fetched = datetime.fromtimestamp(sts.expires - sts.policy.max_age, UTC)
        mode = sts.policy.mode.value
        yield _WORD, f"the MTA-STS policy of {sts.domain}, mode {mode}, fetched over HTTPS {fetched:%Y-%m-%d %H:%M} UTC"
    elif sts.domain is not None:
        yield _WORD, f"MTA-STS: {sts.note}"


def _about_host(records: HostRecords) -> _Said:
    if records.error is not None:
        failed = any(answer.status in _NOT_FOUND or answer.failed for answer in records.answers)
        yield (_WORD if failed else _signed(records.address_status is DNSSECStatus.SECURE)), records.error
        if not records.addresses:
            return
    if records.addresses:
        ground = _signed(records.address_status is DNSSECStatus.SECURE)
        yield ground, f"{records.host} has the address {', '.join(records.addresses[:8])}"
    if records.tlsa_state is not TLSAState.ABSENT:
        found = ", ".join(str(record) for record in records.records[:8])
        yield _DNS, f"{records.tlsa_base} publishes TLSA {found}"
    elif any(answer.question.rdtype == dns.rdatatype.TLSA and answer.secure for answer in records.answers):
        yield _DNS, f"{records.host} publishes no TLSA record"
    elif records.address_status is DNSSECStatus.INSECURE:
        yield _DNS, f"the zone of {records.host} is not signed, so it can publish no TLSA record that counts"


def _signed(secure: bool) -> Ground:
    return _DNS if secure else _WORD


def _about_session(judged: Judged, roots: Roots | None) -> _Said:
    session, judgement = judged.session, judged.judgement
    if session is None or judgement is None or judged.requirement is None:
        return
    shown = session.handshake
    if shown.starttls is not StartTLSOutcome.ESTABLISHED:
        yield _WORD, f"{shown.host} ({shown.address}): {shown.starttls.value}"
        return
    leaf = session.chain[0].hex() if session.chain else ""
    chain = f"the certificate {leaf[:8]}…{leaf[-4:]}" if leaf else "no certificate"
    yield _WORD, f"{shown.host} ({shown.address}) showed {chain} in a session of {shown.version}, {shown.cipher}"
    if judged.attempt.protection in VERIFIED:
        yield _CERTIFICATE, f"{judged.attempt.protection}: {judgement.reason}"
        anchor = anchor_of(judged)
        if anchor is not None:
            ground = _CERTIFICATE if roots is not None else _WORD
            yield (
                ground,
                f"{_subject(anchor)} is a CA that {'you trust' if roots is not None else 'the gateway trusted'}",
            )


def anchor_of(judged: Judged) -> bytes | None:
    """The CA certificate that a verified path ends in, where a public CA had to vouch; in DER."""
    session, wanted = judged.session, judged.requirement
    if session is None or wanted is None or judged.roots is None or judged.attempt.protection not in VERIFIED:
        return None
    if not any(isinstance(check, STSCheck | PKIXCheck) for check in (*wanted.checks, *wanted.observe)):
        return None
    assert judged.roots is not None
    try:
        path = verified_path(judged.roots.store_at(judged.attempt.judged_at), load_chain(session.handshake.chain))
    except PathError:
        return None
    return path[-1]


def unknown_anchor(judged: Judged, roots: Roots) -> str | None:
    """The subject of the CA that vouches for a session, where it is none of `roots`; None where all is well."""
    anchor = anchor_of(judged)
    return None if anchor is None or anchor in roots.certificates else _subject(anchor)


def _subject(der: bytes) -> str:
    try:
        return x509.load_der_x509_certificate(der).subject.rfc4514_string() or "a CA without a name"
    except Exception:  # somebody chose these bytes, and the library's errors have many classes
        return "a CA that cannot be read"
