"""Who proves to have sent a report by mail (RFC 8460 §3): its DKIM signature must be one by the reporting domain.

A signature with l= counts for nothing here. The key's record must name the service `tlsrpt`, or every service, as
records without s= do (RFC 6376 §3.6.1): verify with `SETTINGS`. The reporting domain is that of contact-info (§5.3,
§5.6); a signature by another domain of the same organization (RFC 9989 §4.10) counts as one by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from danelaw.address import Domain, DomainError, Mailbox, MailboxError
from danelaw.dkim import DKIMOutcome, DKIMResult, VerifySettings
from danelaw.dmarc import Tree
from danelaw.dnsdata import Lookup
from danelaw.message import Header, mailboxes
from danelaw.tlsreport.values import TLSReport

SETTINGS = VerifySettings(service="tlsrpt")
_MOST_SIGNERS = 5


@dataclass(frozen=True, slots=True)
class Authenticity:
    """`domain` has signed the report, or is empty, and `reason` says why; `undecided`: DNS does not say now."""

    domain: str
    reason: str = ""
    undecided: bool = False


def reporting_domain(report: TLSReport, header: Header) -> Domain | None:
    """Whose report it says to be: by contact-info, else by the field TLS-Report-Submitter, else by From."""
    submitter = header.first("TLS-Report-Submitter")
    author = header.first("From")
    named = [mailbox.address for mailbox in mailboxes(author.value).mailboxes[:1]] if author is not None else []
    texts = (
        report.contact.removeprefix("mailto:"),
        "" if submitter is None else f"x@{submitter.value.decode('latin-1')}",
        *named,
    )
    for text in texts:
        try:
            domain = Mailbox.from_text(text.strip()).domain
        except (MailboxError, DomainError):
            continue
        if isinstance(domain, Domain):
            return domain
    return None


def authenticity(outcome: DKIMOutcome, reporters: Sequence[Domain | None]) -> Lookup[tuple[Authenticity, ...]]:
    """For each report of a mail, whose `reporters` these are, who has signed it; `outcome` by `SETTINGS`.

    One batch of questions at most: where a signer is not the reporter itself.
    """
    whole = [one for one in outcome.authenticated if one.signature is not None and one.signature.length is None]
    signers = [Domain(name) for name in dict.fromkeys(one.domain for one in whole)][:_MOST_SIGNERS]
    known = {one for one in reporters if one is not None}
    tree = Tree()
    if signers and known - set(signers):
        yield from tree.ask([*signers, *known])
    return tuple(_of(reporter, signers, tree, outcome) for reporter in reporters)


def _of(reporter: Domain | None, signers: Sequence[Domain], tree: Tree, outcome: DKIMOutcome) -> Authenticity:
    if reporter is None:
        return Authenticity("", "it does not say whose report it is")
    if reporter in signers:
        return Authenticity(reporter.ascii)
    related = {signer: tree.same_organization(signer, reporter) for signer in signers}
    same = next((signer for signer, answer in related.items() if answer), None)
    if same is not None:
        return Authenticity(same.ascii)
    if None in related.values():
        return Authenticity("", f"whether its signer belongs to {reporter} cannot be looked up now", undecided=True)
    if outcome.result is DKIMResult.TEMPERROR:
        return Authenticity("", next(one.reason for one in outcome.verdicts if one.result is outcome.result), True)
    if signers:
        return Authenticity("", f"it is signed by {signers[0]}, and not by {reporter}, whose report it says to be")
    why = next((one.reason for one in outcome.verdicts), "it has no DKIM signature")
    if outcome.authenticated:
        why = "its signature covers a part of it (l=)"
    return Authenticity("", f"{reporter} did not sign it: {why}")
