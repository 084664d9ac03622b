"""The evaluation of one message (RFC 9989 §5.3), as look-ups: they yield questions and are sent answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from danelaw.address import Domain
from danelaw.dkim import DKIMOutcome
from danelaw.dmarc.align import align, candidates, compares, needs_walk
from danelaw.dmarc.policy import Discovered, choose, discover_policy, existence, existence_questions
from danelaw.dmarc.record import DMARCRecord
from danelaw.dmarc.result import DMARCEvaluation, Identifier
from danelaw.dmarc.tree import Found, Tree
from danelaw.dmarc.values import DMARCResult, PolicyTag
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, weakest
from danelaw.spf import Evaluation

MOST_AUTHORS = 4
"""Domains of one From field that are evaluated (RFC 9989 §11.5 wants a limit)."""
_NO_AUTHOR = "the From field names no domain"
# Of several authors the worst one speaks (RFC 9989 §11.5): a failure first, a pass only when all pass.
_WORST_FIRST = (
    DMARCResult.FAIL,
    DMARCResult.TEMPERROR,
    DMARCResult.PERMERROR,
    DMARCResult.NONE,
    DMARCResult.PASS,
)


def evaluate(
    authors: Sequence[Domain], spf: Evaluation | None, dkim: DKIMOutcome, *, fault: str = ""
) -> Lookup[DMARCEvaluation]:
    """Both halves together: `discover` and `judge`."""
    tree = yield from discover(authors)
    return (yield from judge(authors, tree, spf, dkim, fault=fault))


def discover(authors: Sequence[Domain]) -> Lookup[Tree]:
    """Ask for the records of the Author Domains and of all above them, and whether the authors exist where that
    matters; needs no result of SPF or DKIM. Two batches at most.
    """
    tree = Tree()
    several = _several(authors)[:MOST_AUTHORS]
    yield from tree.ask(several)
    wanted = {author: existence_questions(tree, author, discover_policy(tree, author)) for author in several}
    questions = tuple(question for some in wanted.values() for question in some)
    if questions:
        answers = dict(zip(questions, (yield questions), strict=True))
        tree.existence.update({author: tuple(answers[one] for one in some) for author, some in wanted.items()})
    return tree


def judge(
    authors: Sequence[Domain], tree: Tree, spf: Evaluation | None, dkim: DKIMOutcome, *, fault: str = ""
) -> Lookup[DMARCEvaluation]:
    """The end of an evaluation.

    `authors` are the domains of the From field, `fault` why the field is not one that RFC 5322 allows (two fields, no
    address, an address without a domain): then DMARC is not possible, which is permerror, and no policy applies (RFC
    9989 §4.4, §5.3.1). `spf` is the MAIL FROM identity. With several domains in one field each is evaluated, and the
    strictest policy among those that fail is the message's (§11.5).
    """
    several = _several(authors)
    names = tuple(author.ascii for author in several)
    if fault or not several:
        domain = names[0] if len(names) == 1 else ""
        return DMARCEvaluation(result=DMARCResult.PERMERROR, reason=fault or _NO_AUTHOR, domain=domain, authors=names)
    found = []
    for author in several[:MOST_AUTHORS]:
        found.append((yield from _evaluate(author, tree, spf, dkim)))
    if len(several) == 1:
        return found[0]
    worst = min(found, key=lambda one: (_WORST_FIRST.index(one.result), -one.disposition.strictness))
    reason = f"{len(several)} author domains, of which {worst.domain} speaks for the message: {worst.reason}"
    incomplete = len(several) > MOST_AUTHORS
    if incomplete and worst.result is not DMARCResult.FAIL:
        reason = f"{len(several)} author domains, of which only {MOST_AUTHORS} are looked at"
        worst = replace(worst, result=DMARCResult.PERMERROR)
    return replace(worst, reason=reason, authors=names, incomplete=incomplete, trace=tree.consulted)


def _several(authors: Sequence[Domain]) -> list[Domain]:
    return list(dict.fromkeys(authors))


def _evaluate(author: Domain, tree: Tree, spf: Evaluation | None, dkim: DKIMOutcome) -> Lookup[DMARCEvaluation]:
    """One Author Domain."""
    found = discover_policy(tree, author)
    record, policy_domain = found.record, found.domain
    if record is None or policy_domain is None:
        return _without_record(author, tree, found)
    if not record.usable:
        return _useless(author, tree, found, record, policy_domain)
    asked = candidates(spf, dkim)
    # Where an authenticated domain is the author's, no Organizational Domain decides: no result rests on those answers.
    decided = any(one.authenticated and one.domain == author for one in asked)
    aside = decided or not any(compares(one, record, author) for one in asked)
    walk = found.walk or tree.walk(author, aside=aside)
    yield from tree.ask(one.domain for one in asked if one.domain and needs_walk(one, record, author, walk))
    identifiers = tuple(align(one, record, author, walk, tree, aside=aside) for one in asked)
    undecided = tuple(one for one, candidate in zip(identifiers, asked, strict=True) if _undecided(one, candidate.open))
    heard = tree.existence.get(author, ())
    there = existence(tree, author, found)
    policy, tag = choose(record, policy_domain, author, there is not False)
    result, reason = _result(identifiers, undecided, author)
    if result is DMARCResult.FAIL and heard and there is None:
        result, reason = DMARCResult.TEMPERROR, f"whether {author} exists cannot be looked up now (np=)"
    return DMARCEvaluation(
        result=result,
        reason=_with_policy(reason, result, record, tag, policy_domain),
        domain=author.ascii,
        authors=(author.ascii,),
        policy=policy,
        policy_tag=tag,
        applied=policy.lowered if record.testing else policy,
        policy_domain=policy_domain.ascii,
        organizational_domain=walk.organizational.ascii if walk.organizational is not None else "",
        record=record,
        exists=there,
        identifiers=identifiers,
        trace=tree.consulted,
        existence=heard,
        dnssec=_weakest(tree.consulted, heard),
    )


def _undecided(identifier: Identifier, is_open: bool) -> bool:
    """Whether it would make the message pass if DNS had answered. A domain that cannot be aligned never does: otherwise
    a stranger's broken DNS would switch the policy off.
    """
    if is_open:
        return identifier.aligned is not False
    return identifier.authenticated and identifier.aligned is None


def _result(
    identifiers: tuple[Identifier, ...], undecided: tuple[Identifier, ...], author: Domain
) -> tuple[DMARCResult, str]:
    """RFC 9989 §5.3.5, and §5.3.6 for what DNS left open."""
    aligned = [one for one in identifiers if one.authenticated and one.aligned]
    if aligned:
        ways = " and ".join(dict.fromkeys(f"{one.method.upper()} for {one.domain}" for one in aligned))
        return DMARCResult.PASS, f"{author} is aligned with {ways}"
    if undecided:
        first = undecided[0]
        return DMARCResult.TEMPERROR, f"{first.method.upper()} for {first.domain} is undecided: {first.note}"
    passed = [one for one in identifiers if one.authenticated]
    if passed:
        ways = ", ".join(dict.fromkeys(f"{one.domain} ({one.method.upper()})" for one in passed))
        return DMARCResult.FAIL, f"authenticated is {ways}, which is not aligned with {author}"
    return DMARCResult.FAIL, f"nothing authenticates the message for {author}"


def _with_policy(reason: str, result: DMARCResult, record: DMARCRecord, tag: PolicyTag, domain: Domain) -> str:
    if result is not DMARCResult.FAIL:
        return reason
    if record.stands_for_none:
        return f"{reason}; the record of {domain} has no valid policy and counts as p=none"
    testing = ", of which t=y leaves one level less" if record.testing else ""
    return f"{reason}; {tag.value}= of {domain} applies{testing}"


def _without_record(author: Domain, tree: Tree, found: Discovered) -> DMARCEvaluation:
    failure = found.failure
    result, reason = DMARCResult.NONE, found.note
    if failure is not None:
        result, reason = DMARCResult.TEMPERROR, failure.note
    organizational = found.walk.organizational if found.walk is not None else None
    return DMARCEvaluation(
        result=result,
        reason=reason,
        domain=author.ascii,
        authors=(author.ascii,),
        organizational_domain=organizational.ascii if organizational is not None else "",
        trace=tree.consulted,
        dnssec=_weakest(tree.consulted, ()),
    )


def _useless(author: Domain, tree: Tree, found: Discovered, record: DMARCRecord, domain: Domain) -> DMARCEvaluation:
    """A record with which no DMARC processing takes place (RFC 9989 §4.10.1): broken, or asking for nothing at all."""
    wrong = "; ".join(record.faults)
    reason = f"the record of {domain} has no valid policy and no address for reports" + (f": {wrong}" if wrong else "")
    return DMARCEvaluation(
        result=DMARCResult.PERMERROR if record.broken_policy else DMARCResult.NONE,
        reason=reason,
        domain=author.ascii,
        authors=(author.ascii,),
        policy_domain=domain.ascii,
        record=record,
        trace=tree.consulted,
        dnssec=_weakest(tree.consulted, ()),
    )


def _weakest(consulted: tuple[Found, ...], heard: tuple[Answer, ...]) -> DNSSECStatus | None:
    return weakest((*(found.answer for found in consulted if found.answer is not None), *heard))
