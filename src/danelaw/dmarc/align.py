"""Which authenticated domains are aligned with the author's (RFC 9989 §4.4, §4.10.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.dkim import DKIMOutcome, DKIMResult, DKIMVerdict
from danelaw.dmarc.record import DMARCRecord
from danelaw.dmarc.result import Identifier
from danelaw.dmarc.tree import Tree, Walk, within
from danelaw.dmarc.values import Alignment
from danelaw.spf import Evaluation, SPFResult


@dataclass(frozen=True, slots=True)
class Candidate:
    """A domain that may become an Authenticated Identifier; `open` when DNS failed and it might still be one."""

    method: str
    domain: Domain | None
    shown: str
    selector: str
    result: str
    authenticated: bool
    open: bool
    note: str

    @property
    def interesting(self) -> bool:
        """Whether its alignment matters."""
        return self.domain is not None and (self.authenticated or self.open)


def candidates(spf: Evaluation | None, dkim: DKIMOutcome) -> tuple[Candidate, ...]:
    """The MAIL FROM identity (RFC 9989 §4.4.2) and every signature."""
    return (*_of_spf(spf), *(_of_signature(verdict) for verdict in dkim.verdicts))


def _of_spf(spf: Evaluation | None) -> Iterator[Candidate]:
    if spf is not None:
        result, domain = spf.result, _domain(spf.domain)
        passed = result is SPFResult.PASS and domain is not None
        later = result is SPFResult.TEMPERROR and domain is not None
        yield Candidate("spf", domain, spf.domain, "", result.value, passed, later, spf.reason)


def _of_signature(verdict: DKIMVerdict) -> Candidate:
    domain = verdict.signature.domain if verdict.signature is not None else None
    later = verdict.result is DKIMResult.TEMPERROR
    passed = verdict.authenticates
    return Candidate(
        "dkim", domain, verdict.domain, verdict.selector, verdict.result.value, passed, later, verdict.reason
    )


def _domain(text: str) -> Domain | None:
    try:
        return Domain.from_text(text)
    except DomainError:
        return None


def mode_of(record: DMARCRecord, candidate: Candidate) -> Alignment:
    """adkim= for signatures, aspf= for SPF."""
    return record.spf_alignment if candidate.method == "spf" else record.dkim_alignment


def compares(candidate: Candidate, record: DMARCRecord, author: Domain) -> bool:
    """Whether Organizational Domains decide about it, not equality alone."""
    relaxed = mode_of(record, candidate) is Alignment.RELAXED
    return candidate.interesting and candidate.domain != author and relaxed


def needs_walk(candidate: Candidate, record: DMARCRecord, author: Domain, walk: Walk) -> bool:
    """Whether the Organizational Domain of a candidate must be found out.

    Not when strict alignment or the same name decides; nor when it lies outside the author's Organizational Domain,
    since its own is the domain itself or one above it.
    """
    domain = candidate.domain
    if domain is None or not compares(candidate, record, author):
        return False
    if walk.organizational is None:
        return _top(domain) == _top(author)
    return within(domain, walk.organizational)


def _top(domain: Domain) -> str:
    return domain.ascii.rpartition(".")[2]


def align(
    candidate: Candidate, record: DMARCRecord, author: Domain, walk: Walk, tree: Tree, *, aside: bool = False
) -> Identifier:
    """The candidate judged. `walk` is the author's; what `needs_walk` asks for has been asked. `aside` when no result
    will rest on it.
    """
    aligned, note, organizational = _judge(candidate, record, author, walk, tree, aside)
    return Identifier(
        method=candidate.method,
        domain=candidate.shown,
        selector=candidate.selector,
        result=candidate.result,
        authenticated=candidate.authenticated,
        aligned=aligned,
        note=note,
        organizational_domain=organizational,
    )


def _judge(
    candidate: Candidate, record: DMARCRecord, author: Domain, walk: Walk, tree: Tree, aside: bool
) -> tuple[bool | None, str, str]:
    """(aligned, note, Organizational Domain)."""
    domain = candidate.domain
    if domain is None or not candidate.interesting:
        return None, candidate.note, ""
    mode = mode_of(record, candidate)
    if domain == author:
        return True, f"it is the author's domain ({mode.word} alignment)", ""
    if mode is Alignment.STRICT:
        return False, f"strict alignment wants {author} itself", ""
    if not needs_walk(candidate, record, author, walk):
        above = f"below {walk.organizational}, the Organizational Domain of" if walk.organizational else "related to"
        return False, f"it is not {above} the author", ""
    own = tree.walk(domain, aside=aside)
    aligned = tree.same_organization(domain, author)
    if aligned is None:
        failed = walk if walk.failure is not None else own
        return None, f"whether it belongs to the author's organization is not known: {_where(failed)}", ""
    if walk.organizational is None or own.organizational is None:
        word = "belongs" if aligned else "does not belong"
        return aligned, f"it {word} to the author's organization, whatever the missing answer says", ""
    name = own.organizational.ascii
    if aligned:
        return True, f"both belong to {name} (relaxed alignment)", name
    return False, f"it belongs to {name}, and the author to {walk.organizational}", name


def _where(walk: Walk) -> str:
    assert walk.failure is not None
    return walk.failure.note
