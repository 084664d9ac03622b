"""What danelaw says to and hears from DNS: questions, and answers that never lose their DNSSEC status.

A pure look-up is a generator (`Lookup`) that yields batches of questions and is sent the answers in the
same order; `danelaw.resolver` drives it over the network and `danelaw.testing` from a dictionary.
A look-up never raises for what DNS does: time-outs, SERVFAIL and bogus data are answers too
(`Answer.failed`), because the caller must decide what a failure means and never confuse it with absence.
"""

from danelaw.dnsdata.answer import Answer, ChainLink, DNSSECStatus, weakest
from danelaw.dnsdata.question import Lookup, Question
from danelaw.dnsdata.rdata import read_as_they_come
from danelaw.dnsdata.recollection import Recollection

__all__ = [
    "Answer",
    "ChainLink",
    "DNSSECStatus",
    "Lookup",
    "Question",
    "Recollection",
    "read_as_they_come",
    "weakest",
]
