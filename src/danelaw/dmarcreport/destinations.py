"""Who may be sent the reports of a domain: its own addresses, and others that agreed (RFC 9990 §4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from danelaw.address import Domain, Mailbox, MailboxError
from danelaw.dmarc import DMARCRecord, ReportURI, Tree, parse
from danelaw.dnsdata import Answer, Lookup, Question

MOST_DESTINATIONS = 5
"""Addresses of one domain that are sent reports."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An address that gets nothing, and why."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Destinations:
    """`addresses` may be sent to, `refused` may not; `undecided` cannot be told now, since DNS fails."""

    addresses: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    undecided: tuple[Refused, ...] = ()


def confirm(policy_domain: Domain, uris: Sequence[ReportURI], *, tag: str = "rua") -> Lookup[Destinations]:
    """Ask who agreed to get reports about `policy_domain`, where its record was found; `tag` is rua or ruf.

    Two batches of questions at most: one for Organizational Domains, one for the agreements.
    """
    refused = [Refused(one.text, "only mailto is supported") for one in uris if one.mailbox is None]
    wanted: list[Mailbox] = []
    for address in dict.fromkeys(one.mailbox for one in uris if one.mailbox is not None):
        mailbox = _mailbox(address)
        if mailbox is None:
            refused.append(Refused(address, "it is no address of a domain"))
        elif len(wanted) == MOST_DESTINATIONS:
            refused.append(Refused(address, f"reports are sent to {MOST_DESTINATIONS} addresses at most"))
        else:
            wanted.append(mailbox)
    hosts = list(dict.fromkeys(_host(one) for one in wanted))
    external, undecided_hosts = yield from _external(policy_domain, hosts)
    questions = {host: _question(policy_domain, host) for host in external}
    asked = {host: question for host, question in questions.items() if question is not None}
    answers: dict[Domain, Answer] = {}
    if asked:
        answers = dict(zip(asked, (yield tuple(asked.values())), strict=True))
    found: list[str] = []
    undecided: list[Refused] = []
    for mailbox in wanted:
        host, address = _host(mailbox), mailbox.to_text()
        if host in undecided_hosts:
            undecided.append(Refused(address, f"whether {host} belongs to {policy_domain} cannot be looked up now"))
        elif host not in questions:
            found.append(address)
        elif host not in answers:
            refused.append(Refused(address, "the name that would have to agree is too long (RFC 9990 §4, step 4)"))
        elif answers[host].failed:
            undecided.append(Refused(address, f"whether {host} agrees cannot be looked up now"))
        else:
            agreed = _agreed(answers[host], host, address, tag)
            if isinstance(agreed, Refused):
                refused.append(agreed)
            else:
                found += agreed
    return Destinations(tuple(dict.fromkeys(found))[:MOST_DESTINATIONS], tuple(refused), tuple(undecided))


def _mailbox(address: str) -> Mailbox | None:
    try:
        mailbox = Mailbox.from_text(address)
    except MailboxError:
        return None
    return mailbox if isinstance(mailbox.domain, Domain) else None


def _host(mailbox: Mailbox) -> Domain:
    assert isinstance(mailbox.domain, Domain)
    return mailbox.domain


def _external(policy_domain: Domain, hosts: Sequence[Domain]) -> Lookup[tuple[set[Domain], set[Domain]]]:
    """Which hosts belong to another organization, and of which nobody can say now."""
    others = [host for host in hosts if host != policy_domain]
    if not others:
        return set(), set()
    tree = Tree()
    yield from tree.ask([policy_domain, *others])
    same = {host: tree.same_organization(policy_domain, host) for host in others}
    return {host for host in others if same[host] is False}, {host for host in others if same[host] is None}


def _question(policy_domain: Domain, host: Domain) -> Question | None:
    try:
        name = dns.name.from_text(f"{policy_domain.ascii}._report._dmarc.{host.ascii}.", None)
    except dns.exception.DNSException:
        return None
    return Question(name, dns.rdatatype.TXT)


def _agreed(answer: Answer, host: Domain, address: str, tag: str) -> list[str] | Refused:
    """The address, or what its host names instead; an override that leads elsewhere stops both (RFC 9990 §4)."""
    texts = [b"".join(rdata.strings).decode("latin-1") for rdata in answer.records if isinstance(rdata, TXT)]
    records = [record for record in map(parse, texts) if isinstance(record, DMARCRecord)]
    if not records:
        return Refused(address, f"{host} does not agree to get reports about this domain ({answer.question.name})")
    instead = [uri for record in records for uri in (record.rua if tag == "rua" else record.ruf)]
    if not instead:
        return [address]
    mailboxes = [_mailbox(uri.mailbox) if uri.mailbox is not None else None for uri in instead]
    if any(one is None or _host(one) != host for one in mailboxes):
        return Refused(address, f"{host} names an address elsewhere instead, which must not be followed")
    return [one.to_text() for one in mailboxes if one is not None]
