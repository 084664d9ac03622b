"""DMARC: does the domain in From stand behind this message, and what does its owner want otherwise? (RFC 9989)

SPF and DKIM authenticate domains that no reader sees. DMARC asks whether one of them is *aligned* with the domain of
the From field (the Author Domain): the same name (strict), or the same Organizational Domain (relaxed). The owner
publishes a record at `_dmarc.<domain>`: `p=none`, `quarantine` or `reject` for mail that fails, `sp=` for subdomains,
`np=` for those that do not exist, `t=y` while testing, addresses for reports. Where there is none, a walk up the tree
of at most eight queries finds the record of the Organizational Domain; `psd=` marks where registries end.

    evaluation = await resolver.run(evaluate([Domain.from_text("example.org")], spf, dkim_outcome))
    evaluation.result, evaluation.reason, evaluation.policy, evaluation.disposition, evaluation.dnssec

`discover` and `judge` are its two halves, so that the walk can run while SPF and DKIM are still asking. Only what
`DKIMVerdict.authenticates` and an SPF pass of MAIL FROM count. DNS that fails or does not verify gives temperror and
no policy, but only where the missing answer could have made the message pass: broken DNS of a stranger's domain
switches nothing off. A From field that is no From field (two of them, no address) is permerror.

What the text leaves open, decided here: names of tags and values have no case, `DMARC1` has; a tag that stands twice
is discarded; a record without p= and rua= asks for nothing (none), one with a broken policy and no rua= is permerror;
all targets of a walk are asked at once and looked at in order.

Public names: `evaluate`, `discover`, `judge`, `DMARCEvaluation`, `Identifier`, `DMARCResult`; `DMARCRecord`,
`RecordError`, `ReportURI`, `Policy`, `PolicyTag`, `Alignment`, `PSD`, `MAX_RECORD_SIZE`, `select`, `parse`; `Tree`,
`Walk`, `Found`, `targets`; `MOST_AUTHORS`.
"""

from danelaw.dmarc.errors import RecordError
from danelaw.dmarc.evaluate import MOST_AUTHORS, discover, evaluate, judge
from danelaw.dmarc.record import MAX_RECORD_SIZE, DMARCRecord, parse, select
from danelaw.dmarc.result import DMARCEvaluation, Identifier
from danelaw.dmarc.tree import Found, Tree, Walk, targets
from danelaw.dmarc.uri import ReportURI
from danelaw.dmarc.values import PSD, Alignment, DMARCResult, Policy, PolicyTag

__all__ = [
    "MAX_RECORD_SIZE",
    "MOST_AUTHORS",
    "PSD",
    "Alignment",
    "DMARCEvaluation",
    "DMARCRecord",
    "DMARCResult",
    "Found",
    "Identifier",
    "Policy",
    "PolicyTag",
    "RecordError",
    "ReportURI",
    "Tree",
    "Walk",
    "discover",
    "evaluate",
    "judge",
    "parse",
    "select",
    "targets",
]
