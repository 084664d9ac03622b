"""Who really sent it: SPF, DKIM, ARC and DMARC of one message, asked together and kept as one value.

    examination = Examination(header, Transaction(ip, helo, mail_from), now=now)
    for piece in body:
        examination.update(piece)
    verdicts = await resolver.run(examination.inquire())
    verdicts.dmarc.result, verdicts.dmarc.reason, verdicts.answers
    field = verdicts.to_authentication_results("mx.example.org").to_bytes()
    decision = disposition(verdicts, settings, now)

`inquire` is one look-up: the batches of SPF, of all keys and of DMARC's walk become one (`together`), under the one
budget of who drives it. Every answer keeps its DNSSEC status. `disposition` is what a receiver does with it all, a pure
function of verdicts and local rules: a published p=reject refuses only what shows no trait of a list and no seal of a
forwarder we trust, otherwise the message is held (RFC 9989 §7.4); DNS that fails applies no policy.

A From field that cannot be read in one way only, or stands twice, makes no author: permerror, whatever else passes.

Public names: `Examination`, `ExaminationSettings`, `Transaction`, `Verdicts`; `disposition`, `DispositionSettings`,
`Decision`, `Action`, `Cause`, `Enforcement`, `LocalPolicy`, `PolicyOverride`; `together`, `author_domains`,
`list_traits`, `forwarder`, `Forwarder`, `is_listed`.
"""

from danelaw.authentication.author import author_domains
from danelaw.authentication.disposition import (
    Action,
    Cause,
    Decision,
    DispositionSettings,
    Enforcement,
    LocalPolicy,
    PolicyOverride,
    disposition,
)
from danelaw.authentication.examination import Examination, ExaminationSettings, Memory
from danelaw.authentication.forwarding import Forwarder, forwarder, is_listed
from danelaw.authentication.together import together
from danelaw.authentication.traits import list_traits
from danelaw.authentication.transaction import Transaction
from danelaw.authentication.verdicts import Verdicts

__all__ = [
    "Action",
    "Cause",
    "Decision",
    "DispositionSettings",
    "Enforcement",
    "Examination",
    "ExaminationSettings",
    "Forwarder",
    "LocalPolicy",
    "Memory",
    "PolicyOverride",
    "Transaction",
    "Verdicts",
    "author_domains",
    "disposition",
    "forwarder",
    "is_listed",
    "list_traits",
    "together",
]
