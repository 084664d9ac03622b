"""Looking keys up in DNS: OPENPGPKEY (RFC 7929) and SMIMEA (RFC 8162) records count when they are signed, only then."""

from __future__ import annotations

import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.OPENPGPKEY import OPENPGPKEY

from danelaw.address import Mailbox
from danelaw.dane import TLSARecord
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.keydiscovery.found import FoundKey, KeyReport, KeySource, KeyState, concluded
from danelaw.keydiscovery.judging import openpgp_keys, smime_keys
from danelaw.keydiscovery.names import OPENPGPKEY_LABEL, SMIMEA_LABEL, hashed_owner
from danelaw.keydiscovery.packets import OpenPGPError

MOST_RECORDS = 16
"""Records read of one RRset."""
_FAILED_SECONDS = 30.0


def lookup_openpgpkey(mailbox: Mailbox, now: float) -> Lookup[KeyReport]:
    """The OpenPGP keys of an address in signed DNS; `now` in POSIX seconds judges their dates."""
    source = KeySource.OPENPGPKEY
    owner = hashed_owner(mailbox, OPENPGPKEY_LABEL)
    if owner is None:
        return KeyReport(source, KeyState.ABSENT, f"{mailbox.domain} can have none", expires=float("inf"))
    (answer,) = yield (Question(owner, dns.rdatatype.OPENPGPKEY),)
    early = _without_records(answer, source, now)
    if early is not None:
        return early
    keys: list[FoundKey] = []
    problems: list[str] = []
    for rdata in answer.records[:MOST_RECORDS]:
        if isinstance(rdata, OPENPGPKEY):
            try:
                keys += openpgp_keys(bytes(rdata.key), mailbox, source, now, must_name=False)
            except OpenPGPError as error:
                problems.append(error.reason)
    return concluded(source, str(owner), tuple(keys), tuple(problems), answer.expires)


def lookup_smimea(mailbox: Mailbox, now: float) -> Lookup[KeyReport]:
    """The S/MIME certificates of an address in signed DNS; `now` in POSIX seconds judges their dates."""
    source = KeySource.SMIMEA
    owner = hashed_owner(mailbox, SMIMEA_LABEL)
    if owner is None:
        return KeyReport(source, KeyState.ABSENT, f"{mailbox.domain} can have none", expires=float("inf"))
    (answer,) = yield (Question(owner, dns.rdatatype.SMIMEA),)
    early = _without_records(answer, source, now)
    if early is not None:
        return early
    records = [TLSARecord.from_rdata(rdata) for rdata in answer.records[:MOST_RECORDS]]
    keys, problems = smime_keys(records, mailbox, now)
    return concluded(source, str(owner), keys, problems, answer.expires)


def _without_records(answer: Answer, source: KeySource, now: float) -> KeyReport | None:
    """The report of an answer that holds nothing to be used, None where the records are to be read."""
    place = str(answer.question.name)
    if answer.failed:
        why = answer.reason or (dns.rcode.to_text(answer.rcode) if answer.rcode else answer.status.value)
        what = "cannot be trusted" if answer.status is DNSSECStatus.BOGUS else "cannot be looked up"
        return KeyReport(source, KeyState.FAILED, f"{what}: {why}", place, expires=now + _FAILED_SECONDS)
    if not answer.records:
        proof = ", as signed DNS proves" if answer.secure else ""
        return KeyReport(source, KeyState.ABSENT, f"nothing is published{proof}", place, expires=answer.expires)
    if not answer.secure:
        reason = "published in a zone that is not signed, so anybody could have put it there; not used"
        return KeyReport(source, KeyState.UNUSABLE, reason, place, expires=answer.expires)
    return None
