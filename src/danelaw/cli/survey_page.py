"""What `danelaw survey` prints for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from danelaw.adoption import KINDS, NO_MAIL, percent, words_for
from danelaw.adoption.sentences import gain_words, headline, provider_words
from danelaw.cli.output import LEVEL_SYMBOLS, Output, Symbol
from danelaw.outbound.surveying import Ended

if TYPE_CHECKING:
    from danelaw.cli.survey_report import Result

_BAR = 20
_PROVIDERS = 6
_GAINS = 3
_USAGES = 5


def show(out: Output, result: Result, written: list[str]) -> None:
    """Print a survey: the answer first, the next command last."""
    summary = result.summary
    untested = "unknown" in summary.kinds["level"] and len(summary.kinds["level"]) == 1
    verified = summary.verified
    symbol = Symbol.VERIFIED if verified.domains == summary.total.domains > 0 else Symbol.ENCRYPTED
    out.headline(Symbol.NONE if untested else symbol, headline(summary))
    out.line()
    _source(out, result)
    if summary.total.domains:
        _kinds(out, result)
        _providers(out, result)
        _gains(out, result)
    if result.comparison is not None:
        _comparison(out, result)
    out.line()
    for note in result.notes:
        out.paragraph(note)
    for target in written:
        out.paragraph(f"written: {target}")
    out.next(_next(result, written))


def _source(out: Output, result: Result) -> None:
    extraction, summary = result.reading.extraction, result.summary
    out.paragraph(
        f"{result.reading.source}: {extraction.lines:,} lines read as {result.reading.form}, {result.total:,} domains, "
        f"{extraction.entries:,} recipients; {result.done:,} asked, {summary.host_count:,} mail servers. No mail sent."
    )
    none = "; ".join(f"{one.domains:,} {NO_MAIL.get(why, why)}" for why, one in summary.no_mail.items() if one.domains)
    if none:
        out.paragraph(f"not counted below: {none}")


def _kinds(out: Output, result: Result) -> None:
    summary = result.summary
    total = summary.total
    rows = []
    for kind in KINDS:
        title = KINDS[kind].title
        for value, one in summary.ordered(kind):
            symbol = LEVEL_SYMBOLS.get(value, Symbol.NONE) if kind == "level" else Symbol.NONE
            cells = (
                title,
                words_for(kind, value),
                f"{one.domains:>7,}",
                f"{percent(one.domains, total.domains):>11}",
                f"{percent(one.recipients, total.recipients):>11}",
                _bar(out, one.recipients, total.recipients),
            )
            rows.append((symbol, cells))
            title = ""
    out.line()
    out.table(rows, heads=("", "", "domains", "of domains", " recipients", ""))
    usages = sorted(summary.usages.items(), key=lambda item: (-item[1].domains, item[0]))[:_USAGES]
    if usages:
        words = ", ".join(f"{usage} at {one.domains:,}" for usage, one in usages)
        out.line()
        out.paragraph(f"TLSA by parameters, domains: {words}")


def _bar(out: Output, part: int, whole: int) -> str:
    filled = 0 if not whole else round(_BAR * part / whole)
    return ("█" if out.utf8 else "#") * max(filled, 1 if part else 0)


def _providers(out: Output, result: Result) -> None:
    total = result.summary.total
    rows = [
        (
            Symbol.NONE,
            (
                one.site,
                f"{len(one.hosts):>5,}",
                f"{one.domains:>7,}",
                f"{percent(one.recipients, total.recipients):>11}",
                f"{percent(one.dane[1], one.recipients):>8}",
                _bar(out, one.recipients, total.recipients),
            ),
        )
        for one in result.summary.providers.largest(_PROVIDERS)
    ]
    out.line()
    out.table(rows, heads=("provider", "hosts", "domains", " recipients", "DANE now", ""))


def _gains(out: Output, result: Result) -> None:
    total = result.summary.total
    found = result.summary.providers.most_gain(_GAINS)
    if found:
        out.line()
    for one in found:
        out.paragraph(f"{provider_words(one, total)} {gain_words(one, total)}", hang=2)


def _comparison(out: Output, result: Result) -> None:
    comparison = result.comparison
    assert comparison is not None
    when = datetime.fromtimestamp(comparison.made_at, UTC).strftime("%Y-%m-%d")
    out.line()
    out.paragraph(
        f"since {when}: {comparison.count(better=True):,} domains better protected, "
        f"{comparison.count(better=False):,} worse; {comparison.new:,} new, {comparison.gone:,} gone"
    )
    rows = [
        (
            Symbol.VERIFIED if one.better else Symbol.STOPPED,
            (one.domain, words_for("level", one.before), "→", words_for("level", one.now)),
        )
        for one in comparison.changed[:_PROVIDERS]
    ]
    if rows:
        out.table(rows)


def _next(result: Result, written: list[str]) -> str:
    if not result.complete:
        why = {Ended.BUDGET: "the budget is used", Ended.STOPPED: "stopped"}.get(result.ended, "not all could be asked")
        return f"the same command goes on ({why}: {result.done:,} of {result.total:,} done)"
    if not written:
        return "the same command with --write survey.html --write survey.csv --write survey.json"
    return "danelaw check DOMAIN, for one of them; later --again --compare with what was written as .json"
