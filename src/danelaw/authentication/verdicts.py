"""Everything that was found out about where a message comes from, in one value with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dns.rcode

from danelaw.arc import ARCOutcome
from danelaw.authentication.transaction import Transaction
from danelaw.authentication.writing import authentication_results
from danelaw.authres import AuthenticationResults
from danelaw.dkim import DKIMOutcome, DKIMVerdict
from danelaw.dmarc import DMARCEvaluation
from danelaw.dnsdata import Answer
from danelaw.message import Authors
from danelaw.spf import Evaluation

MOST_SIGNATURES = 10
"""Signatures of a message that are told about in fields and findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The verdicts on one message.

    `spf` is the MAIL FROM identity (the HELO domain for the null reverse-path), `helo` the HELO identity. `authors` are
    the addresses of From, `fault` why they are none that DMARC could go by. `list_traits` name fields that lists add.
    `key_answers` and `seal_answers` are what DNS said about keys of signatures and seals.
    """

    transaction: Transaction
    spf: Evaluation
    helo: Evaluation
    dkim: DKIMOutcome
    arc: ARCOutcome
    dmarc: DMARCEvaluation
    authors: Authors
    fault: str = ""
    list_traits: tuple[str, ...] = ()
    key_answers: tuple[Answer, ...] = ()
    seal_answers: tuple[Answer, ...] = ()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Everything DNS said, each question once."""
        said = (*self.spf.answers, *self.helo.answers, *self.key_answers, *self.seal_answers, *self.dmarc.answers)
        return tuple({answer.question: answer for answer in said}.values())

    @property
    def signatures(self) -> tuple[DKIMVerdict, ...]:
        """The verdicts on signatures worth telling, those that authenticate first; a header may hold thousands."""
        return tuple(sorted(self.dkim.verdicts, key=lambda verdict: not verdict.authenticates)[:MOST_SIGNATURES])

    def to_authentication_results(self, authserv_id: str) -> AuthenticationResults:
        """The field to put on top (RFC 8601 §2); values that no field can hold are left out."""
        return authentication_results(
            authserv_id,
            self.spf,
            self.helo,
            self.signatures,
            self.arc,
            self.dmarc,
            mail_from=self.transaction.mail_from,
        )

    def as_object(self) -> dict[str, Any]:
        """The JSON form. `spf` with result and domain, `dkim` with result, domain, selector and reason, `dmarc` with
        result, policy and domain, and `arc` with cv are a contract.
        """
        return {
            "spf": self.spf.as_object() | {"helo": self.helo.as_object()},
            "dkim": [verdict.as_object() for verdict in self.dkim.verdicts],
            "dmarc": self.dmarc.as_object(),
            "arc": {
                "cv": self.arc.status.value,
                "reason": self.arc.reason,
                "sealers": list(self.arc.sealers),
                "oldest_pass": self.arc.oldest_pass,
                "keys": [_key(answer) for answer in self.seal_answers],
            },
            "author": {
                "addresses": [mailbox.address for mailbox in self.authors.mailboxes],
                "domains": list(self.dmarc.authors),
                "fault": self.fault or None,
                "defects": [defect.value for defect in self.authors.defects],
            },
            "list_traits": list(self.list_traits),
            "client": {
                "ip": str(self.transaction.ip),
                "helo": self.transaction.helo,
                "mail_from": self.transaction.mail_from,
            },
        }


def _key(answer: Answer) -> dict[str, Any]:
    return {
        "question": str(answer.question),
        "dnssec": answer.status.value,
        "rcode": dns.rcode.to_text(answer.rcode),
        "reason": answer.reason,
    }
