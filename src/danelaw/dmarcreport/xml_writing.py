"""An aggregate report as XML, element by element in the order of the schema (RFC 9990 appendix A)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape

from danelaw.dmarcreport.errors import ReportError
from danelaw.dmarcreport.values import (
    ALIGNED,
    DISPOSITIONS,
    DKIM_RESULTS,
    NAMESPACE,
    OVERRIDES,
    POLICIES,
    SPF_RESULTS,
    AggregateReport,
    DKIMAuthResult,
    OverrideReason,
    PublishedPolicy,
    ReportRecord,
    SPFAuthResult,
)

# XML 1.0 §2.2: what no document may hold, and carriage returns, which readers would turn into line feeds.
_REPLACEMENT = "\ufffd"
_FORBIDDEN = re.compile("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_xml(report: AggregateReport) -> bytes:
    """The report in UTF-8, in the form of RFC 9990 whatever form it came in.

    Raises `ReportError` for one without records, and for words that the schema does not know.
    """
    if not report.records:
        raise ReportError("a report needs at least one record")
    return "\n".join(_feedback(report)).encode("utf-8")


def _feedback(report: AggregateReport) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<feedback xmlns="{NAMESPACE}">'
    yield " <version>1.0</version>"
    yield " <report_metadata>"
    yield _leaf(2, "org_name", report.org_name)
    yield _leaf(2, "email", report.email)
    yield from _optional(2, "extra_contact_info", report.extra_contact_info or None)
    yield _leaf(2, "report_id", report.report_id)
    yield "  <date_range>"
    yield _leaf(3, "begin", str(report.begin))
    yield _leaf(3, "end", str(report.end))
    yield "  </date_range>"
    yield from _optional(2, "error", "; ".join(report.errors) or None)
    yield from _optional(2, "generator", report.generator or None)
    yield " </report_metadata>"
    yield from _policy(report.policy)
    for record in report.records:
        yield from _record(record)
    yield "</feedback>\n"


def _policy(policy: PublishedPolicy) -> Iterator[str]:
    yield " <policy_published>"
    yield _leaf(2, "domain", policy.domain)
    yield from _optional(2, "discovery_method", _among(policy.discovery_method, ("psl", "treewalk")))
    yield _leaf(2, "p", _word(policy.p, POLICIES))
    yield from _optional(2, "sp", _among(policy.sp, POLICIES))
    yield from _optional(2, "np", _among(policy.np, POLICIES))
    yield from _optional(2, "fo", policy.fo)
    yield from _optional(2, "adkim", _among(policy.adkim, ("r", "s")))
    yield from _optional(2, "aspf", _among(policy.aspf, ("r", "s")))
    yield from _optional(2, "testing", _among(policy.testing, ("n", "y")))
    yield " </policy_published>"


def _record(record: ReportRecord) -> Iterator[str]:
    yield " <record>"
    yield "  <row>"
    yield _leaf(3, "source_ip", record.source_ip)
    yield _leaf(3, "count", str(record.count))
    yield "   <policy_evaluated>"
    yield _leaf(4, "disposition", _word(record.disposition, DISPOSITIONS))
    yield _leaf(4, "dkim", _word(record.dkim, ALIGNED))
    yield _leaf(4, "spf", _word(record.spf, ALIGNED))
    for reason in record.reasons:
        yield from _reason(reason)
    yield "   </policy_evaluated>"
    yield "  </row>"
    yield "  <identifiers>"
    yield _leaf(3, "header_from", record.header_from)
    yield from _optional(3, "envelope_from", record.envelope_from)
    yield from _optional(3, "envelope_to", record.envelope_to)
    yield "  </identifiers>"
    yield "  <auth_results>"
    for signature in record.signatures:
        yield from _dkim(signature)
    # The schema allows one SPF result; reports of RFC 7489 may have had more.
    for spf in record.spf_results[:1]:
        yield from _spf(spf)
    yield "  </auth_results>"
    yield " </record>"


def _reason(reason: OverrideReason) -> Iterator[str]:
    yield "    <reason>"
    yield _leaf(5, "type", _word(reason.type, OVERRIDES))
    yield from _optional(5, "comment", reason.comment or None)
    yield "    </reason>"


def _dkim(signature: DKIMAuthResult) -> Iterator[str]:
    yield "   <dkim>"
    yield _leaf(4, "domain", signature.domain)
    yield _leaf(4, "selector", signature.selector)
    yield _leaf(4, "result", _word(signature.result, DKIM_RESULTS))
    yield from _optional(4, "human_result", signature.human_result or None)
    yield "   </dkim>"


def _spf(spf: SPFAuthResult) -> Iterator[str]:
    yield "   <spf>"
    yield _leaf(4, "domain", spf.domain)
    yield from _optional(4, "scope", "mfrom" if spf.scope == "mfrom" else None)
    yield _leaf(4, "result", _word(spf.result, SPF_RESULTS))
    yield from _optional(4, "human_result", spf.human_result or None)
    yield "   </spf>"


def _optional(depth: int, name: str, text: str | None) -> Iterator[str]:
    if text is not None:
        yield _leaf(depth, name, text)


def _leaf(depth: int, name: str, text: str) -> str:
    return f"{' ' * depth}<{name}>{escape(_FORBIDDEN.sub(_REPLACEMENT, text))}</{name}>"


def _word(text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise ReportError(f"{text[:40]!r} is not one of {', '.join(known)}")
    return text


def _among(text: str | None, known: tuple[str, ...]) -> str | None:
    return None if text is None else _word(text, known)
