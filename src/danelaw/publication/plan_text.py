"""TXT records of a domain against those in DNS: MTA-STS, TLSRPT, SPF, DKIM, DMARC."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from ipaddress import ip_address

import dns.exception
import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from danelaw import spf
from danelaw.address import Domain
from danelaw.dkim import VerifySettings, find_keys
from danelaw.dmarc import DMARCRecord, Tree, select, targets
from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.mtasts import RecordError, STSPolicy, STSRecord
from danelaw.mtasts.record import select as select_sts
from danelaw.publication.record import PlannedRecord, State, quoted
from danelaw.publication.wanted import OwnKey, Wanted
from danelaw.routing import NextHop, gather, lookup_mx
from danelaw.tlsreport import wanted_by

_MOST_ADDRESSES = 4


def sts_policy(wanted: Wanted) -> STSPolicy:
    """The MTA-STS policy that names our hosts (RFC 8461 §3.2)."""
    return STSPolicy(wanted.mode, tuple(host.name.ascii for host in wanted.hosts), wanted.max_age)


def plan_sts(domain: Domain, wanted: Wanted) -> Lookup[tuple[PlannedRecord, ...]]:
    """The record and the policy host (RFC 8461 §3.1, §3.3). Its `id` follows from the policy: it changes with it."""
    host = f"mta-sts.{domain.ascii}"
    questions = _question(f"_mta-sts.{domain.ascii}", "TXT"), _question(host, "A"), _question(host, "AAAA")
    txt, a, aaaa = yield questions
    mx = yield from lookup_mx(NextHop(domain))
    policy = sts_policy(wanted)
    identity = hashlib.sha256(policy.to_text().encode()).hexdigest()[:20]
    text = STSRecord(identity).to_text()
    try:
        found = select_sts(_texts(txt))
    except RecordError as error:
        first = _txt("MTA-STS", txt, text, State.DIFFERS, f"what is there counts as none: {error.reason}")
    else:
        others = [str(one.name) for one in mx.hosts if not policy.matches(one.name)]
        if found is None and others:
            words = f"not yet: its MX names {', '.join(others[:4])}, which the policy does not"
            first = _txt("MTA-STS", txt, "", State.OPTIONAL, words)
        elif found is None:
            words = "for senders without DANE; needs the policy at its web host"
            first = _txt("MTA-STS", txt, text, State.MISSING, words)
        else:
            words = f"its id is {found.id[:32]}; it must change whenever the policy does"
            first = _txt("MTA-STS", txt, text, State.PRESENT, words)
    if first.state in (State.MISSING, State.OPTIONAL) or a.records or aaaa.records or a.failed or aaaa.failed:
        return (first,)
    words = f"no address: https://{host}/.well-known/mta-sts.txt cannot be fetched"
    return (first, PlannedRecord("MTA-STS", f"{host}.", "A", "", State.MISSING, words))


def plan_tlsrpt(domain: Domain, wanted: Wanted) -> Lookup[PlannedRecord]:
    """Who gets TLS reports about a domain or a mail host (RFC 8460 §3)."""
    (answer,) = yield (_question(f"_smtp._tls.{domain.ascii}", "TXT"),)
    text = "v=TLSRPTv1; rua=" + ",".join(wanted.tls_rua)
    told = wanted_by(_texts(answer), answer.question.name.to_text(omit_final_dot=True))
    if told.record is None and told.faulty:
        return _txt("TLSRPT", answer, text if wanted.tls_rua else "", State.DIFFERS, f"none counts: {told.reason}")
    if not wanted.tls_rua:
        if told.record is not None:
            return _txt("TLSRPT", answer, "", State.PRESENT, "reports go where it says; none are taken in here")
        words = "set [reports] tls_address or [reports.https], and reports can come"
        return _txt("TLSRPT", answer, "", State.OPTIONAL, words)
    if told.record is None:
        return _txt(
            "TLSRPT", answer, text, State.MISSING, "without it nobody tells you that TLS with your servers fails"
        )
    named = {(f"mailto:{one.mailbox}" if one.mailbox else one.uri).lower() for one in told.record.destinations}
    if not named & {uri.lower() for uri in wanted.tls_rua}:
        words = f"reports do not come in here: add {' or '.join(wanted.tls_rua)} to rua="
        return _txt("TLSRPT", answer, "", State.DIFFERS, words)
    return _txt("TLSRPT", answer, text, State.PRESENT, "reports come in here")


def plan_spf(domain: Domain, wanted: Wanted) -> Lookup[PlannedRecord]:
    """Whether SPF lets our own addresses send for a domain, evaluated as a receiver would (RFC 7208)."""
    sender = wanted.sender
    txt, a, aaaa = yield (
        Question(domain.to_dns(), dns.rdatatype.TXT),
        Question(sender.to_dns(), dns.rdatatype.A),
        Question(sender.to_dns(), dns.rdatatype.AAAA),
    )
    own = "a" if domain == sender else f"a:{sender.ascii}"
    text = f"v=spf1 {own} ~all"
    found = [one for one in _texts(txt) if one.lower() == "v=spf1" or one.lower().startswith("v=spf1 ")]
    addresses = [one.address for answer in (a, aaaa) for one in answer.records if isinstance(one, A | AAAA)]
    if not found:
        words = "add whoever else sends for it; make ~all -all once DMARC reports show that nobody is missing"
        return _txt("SPF", txt, text, State.MISSING, words, only=found)
    if not addresses:
        return _txt("SPF", txt, "", State.UNKNOWN, f"{sender} has no address to try it with", only=found)
    requests = [
        spf.Request.mail_from(ip_address(one), f"postmaster@{domain.ascii}", sender.ascii)
        for one in addresses[:_MOST_ADDRESSES]
    ]
    results = yield from gather(*(spf.evaluate(one, receiver=sender.ascii, now=wanted.now) for one in requests))
    for request, result in zip(requests, results, strict=True):
        if result.result is spf.SPFResult.TEMPERROR:
            return _txt("SPF", txt, "", State.UNKNOWN, result.reason, only=found)
        if result.result is spf.SPFResult.PERMERROR:
            return _txt("SPF", txt, "", State.DIFFERS, f"receivers cannot use it: {result.reason}", only=found)
        if result.result is not spf.SPFResult.PASS:
            words = f"{request.ip} of {sender} gets {result.result.value}: add {own}, unless mail leaves elsewhere"
            return _txt("SPF", txt, "", State.DIFFERS, words, only=found)
    return _txt("SPF", txt, found[0], State.PRESENT, f"the addresses of {sender} pass", only=found)


def plan_dkim(key: OwnKey) -> Lookup[PlannedRecord]:
    """The record of a key that signs (RFC 6376 §3.6.1)."""
    (answer,) = yield (_question(f"{key.selector}._domainkey.{key.domain.ascii}", "TXT"),)
    text = key.record.to_text()
    if not _texts(answer):
        return _txt("DKIM", answer, text, State.MISSING, "without it nothing that the key signs verifies")
    usual = VerifySettings()
    algorithm = f"{key.record.key_type}-sha256"
    search = find_keys(answer, algorithm, smallest_rsa=usual.smallest_rsa, most=usual.most_keys)
    if not search.keys:
        return _txt("DKIM", answer, text, State.DIFFERS, search.reason)
    if all(one.record.public_key != key.record.public_key for one in search.keys):
        return _txt("DKIM", answer, text, State.DIFFERS, "another key is published: what ours signs does not verify")
    return _txt("DKIM", answer, text, State.PRESENT, "of the key that signs")


def plan_dmarc(domain: Domain, wanted: Wanted) -> Lookup[tuple[PlannedRecord, ...]]:
    """The policy for mail in a domain's name, and where reports go (RFC 9989 §4.7, RFC 9990 §4)."""
    (answer,) = yield (_question(f"_dmarc.{domain.ascii}", "TXT"),)
    reports = f"; rua=mailto:{wanted.dmarc_rua}" if wanted.dmarc_rua is not None else ""
    text = f"v=DMARC1; p=none{reports}"
    record, note = select(_texts(answer))
    if record is not None:
        first = _of_dmarc(answer, record, wanted)
    elif any(one.lower().startswith("v=dmarc1") for one in _texts(answer)):
        first = _txt("DMARC", answer, text, State.DIFFERS, note)
    else:
        above = yield from _above(domain)
        why = "a beginning: reports show who sends in your name before you tighten p"
        first = _txt("DMARC", answer, text, State.OPTIONAL if above else State.MISSING, above or why)
    if wanted.dmarc_rua is None:
        return (first,)
    agreement = yield from _agreement(domain, wanted.dmarc_rua)
    return (first,) if agreement is None else (first, agreement)


def _above(domain: Domain) -> Lookup[str]:
    """Whose policy covers a domain without a record of its own, in words (RFC 9989 §4.10)."""
    tree = Tree()
    yield from tree.ask([domain])
    above = next((one for one in targets(domain)[1:] if tree.at(one).record is not None), None)
    return f"the policy of {above} covers it" if above is not None else ""


def _of_dmarc(answer: Answer, record: DMARCRecord, wanted: Wanted) -> PlannedRecord:
    texts = [one for one in _texts(answer) if one.lower().startswith("v=dmarc1")]
    policy = f"p={record.policy.value if record.policy is not None else 'none'}"
    named = {uri.mailbox.lower() for uri in record.rua if uri.mailbox is not None}
    if wanted.dmarc_rua is None or wanted.dmarc_rua.lower() in named:
        return _txt("DMARC", answer, texts[0], State.PRESENT, policy, only=texts)
    words = f"{policy}; reports do not come in here: add mailto:{wanted.dmarc_rua} to rua="
    return _txt("DMARC", answer, "", State.DIFFERS, words, only=texts)


def _agreement(domain: Domain, address: str) -> Lookup[PlannedRecord | None]:
    """Reports to another organization's domain need its agreement (RFC 9990 §4)."""
    host = Domain.from_text(address.rpartition("@")[2])
    if host == domain:
        return None
    tree = Tree()
    yield from tree.ask([domain, host])
    if tree.same_organization(domain, host) is not False:
        return None
    (answer,) = yield (_question(f"{domain.ascii}._report._dmarc.{host.ascii}", "TXT"),)
    agreed = any(one.lower().startswith("v=dmarc1") for one in _texts(answer))
    words = f"{host} agrees to get reports about {domain} (RFC 9990 §4)"
    state = State.PRESENT if agreed else State.MISSING
    return _txt(
        "DMARC", answer, "v=DMARC1", state, words if agreed else f"without it reporters do not believe that {words}"
    )


def _txt(
    purpose: str, answer: Answer, text: str, state: State, reason: str, *, only: Sequence[str] | None = None
) -> PlannedRecord:
    if answer.failed and state is not State.PRESENT:
        state, reason = State.UNKNOWN, answer.reason or answer.status.value
    now = tuple(quoted(one) for one in (_texts(answer) if only is None else only))
    owner = answer.question.name.to_text()
    return PlannedRecord(purpose, owner, "TXT", quoted(text) if text else "", state, reason, now)


def _question(name: str, rdtype: str) -> Question:
    return Question.from_text(name + ".", rdtype)


def _texts(answer: Answer) -> list[str]:
    return [b"".join(one.strings).decode("latin-1") for one in answer.records if isinstance(one, TXT)]
