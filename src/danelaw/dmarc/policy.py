"""Which record speaks for an author, and which of its policies (RFC 9989 §4.10.1)."""

from __future__ import annotations

from dataclasses import dataclass

import dns.rcode
import dns.rdatatype

from danelaw.address import Domain
from danelaw.dmarc.record import NO_RECORD, DMARCRecord
from danelaw.dmarc.tree import Found, Tree, Walk
from danelaw.dmarc.values import Policy, PolicyTag
from danelaw.dnsdata import Answer, Question

_TYPES = (dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.MX, dns.rdatatype.TXT)


@dataclass(frozen=True, slots=True)
class Discovered:
    """The record for one author. Without one, `failure` is the answer that could not be had, or `note` says why."""

    record: DMARCRecord | None = None
    domain: Domain | None = None
    walk: Walk | None = None
    failure: Found | None = None
    note: str = ""


def discover_policy(tree: Tree, author: Domain) -> Discovered:
    """The record at the author's domain, else at its Organizational Domain, else at its Public Suffix Domain."""
    own = tree.at(author)
    if own.failed:
        return Discovered(failure=own)
    if own.record is not None:
        return Discovered(own.record, author)
    walk = tree.walk(author)
    if walk.failure is not None:
        return Discovered(walk=walk, failure=walk.failure)
    for domain in (walk.organizational, walk.public_suffix):
        if domain is not None and tree.has(domain) and (found := tree.at(domain)).record is not None:
            return Discovered(found.record, domain, walk)
    discarded = next((found for found in tree.consulted if found.note not in ("", NO_RECORD)), None)
    more = f"; {discarded.domain} has {discarded.note}" if discarded is not None else ""
    return Discovered(walk=walk, note=f"neither {author} nor a domain above it has a DMARC record{more}")


def existence_questions(tree: Tree, author: Domain, found: Discovered) -> tuple[Question, ...]:
    """What to ask in order to choose between sp= and np=; nothing where both say the same, or the answer is known.

    NXDOMAIN is what counts (RFC 9989 §3.2.13). Several types are asked for, since some servers deny a name that has
    only other types.
    """
    record = found.record
    if record is None or found.domain == author or record.stands_for_none or record.nonexistent_policy is None:
        return ()
    if record.nonexistent_policy is (record.subdomain_policy or record.policy):
        return ()
    answer = tree.at(author).answer
    if answer is not None and exists(answer):
        return ()  # a name below it exists, and so it does itself (RFC 8020 §2)
    name = author.to_dns()
    return tuple(Question(name, rdtype) for rdtype in _TYPES)


def exists(answer: Answer) -> bool:
    """Whether an answer proves that its name exists; an alias does, wherever it leads."""
    return not answer.failed and (answer.rcode == dns.rcode.NOERROR or bool(answer.aliases))


def existence(tree: Tree, author: Domain, found: Discovered) -> bool | None:
    """Whether the author's domain exists; None where nobody asked, or nobody could say."""
    answers = tree.existence.get(author, ())
    own = tree.at(author).answer
    if found.domain == author or any(exists(answer) for answer in (*answers, *([own] if own is not None else []))):
        return True
    return False if any(answer.nxdomain for answer in answers) else None


def choose(record: DMARCRecord, policy_domain: Domain, author: Domain, there: bool) -> tuple[Policy, PolicyTag]:
    """The policy for the author and the tag it comes from; `there` says whether the author's domain exists."""
    if record.stands_for_none:
        return Policy.NONE, PolicyTag.P
    assert record.policy is not None
    if policy_domain != author:
        if not there and record.nonexistent_policy is not None:
            return record.nonexistent_policy, PolicyTag.NP
        if record.subdomain_policy is not None:
            return record.subdomain_policy, PolicyTag.SP
    return record.policy, PolicyTag.P
