"""Verdicts over the hosts of a domain, shares over domains, and what one provider could change."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.adoption import (
    KINDS,
    Comparison,
    DomainFacts,
    HostFacts,
    NoSurvey,
    Step,
    Summary,
    UnreadableFacts,
    percent,
    table,
)
from danelaw.adoption.page import page
from danelaw.adoption.providers import missing_step
from danelaw.adoption.sentences import gain_words, headline, provider_words
from danelaw.adoption.tlsrpt import verdict
from danelaw.tlspolicy import Protection
from danelaw.tlsreport import wanted_by

GOOD = HostFacts(
    "mx1.example.net",
    10,
    "example.net",
    True,
    "usable",
    ("3 1 1",),
    "valid",
    "dane",
    "TLSv1.3",
    "yes",
    "the key matches",
)
BARE = replace(GOOD, name="mx2.big.example", site="big.example", tlsa="none", usages=(), dane="none", level="encrypted")


def facts(domain: str, *hosts: HostFacts, recipients: int = 1, **more: str) -> DomainFacts:
    values = {"mail": "yes", "dnssec": "signed", "mta_sts": "absent", "tlsrpt": "no", "level": "dane", "reason": ""}
    return DomainFacts(domain, recipients, 1.79e9, **{**values, **more}, hosts=hosts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hosts", "dnssec", "wanted"),
    [
        (("valid", "valid"), "signed", "valid"),
        (("valid", "untested"), "signed", "valid"),
        (("valid", "none"), "signed", "partial"),
        (("valid", "unusable"), "signed", "partial"),
        (("valid", "broken"), "signed", "broken"),
        (("valid",), "unsigned", "host-only"),
        (("untested", "untested"), "signed", "untested"),
        (("unusable", "none"), "signed", "unusable"),
        (("none",), "signed", "none"),
        (("unknown", "valid"), "signed", "unknown"),
        ((), "bogus", "unknown"),
    ],
)
def test_dane_of_a_domain_by_its_hosts(hosts: tuple[str, ...], dnssec: str, wanted: str) -> None:
    made = [replace(GOOD, name=f"mx{n}.example.net", dane=word) for n, word in enumerate(hosts)]
    assert facts("x.example", *made, dnssec=dnssec).dane == wanted


def test_the_oldest_version_and_the_weakest_offer_count() -> None:
    found = facts("x.example", GOOD, replace(GOOD, tls="TLSv1.2", requiretls="no"), replace(GOOD, tls="unknown"))
    assert (found.tls, found.requiretls) == ("TLSv1.2", "no")
    assert facts("x.example", replace(GOOD, tls="none")).tls == "none"


def test_facts_are_stored_and_read_back_and_damage_is_noticed() -> None:
    found = facts("x.example", GOOD, BARE, recipients=7, reason="ünïcode")
    assert DomainFacts.decode("x.example", 7, found.encode()) == found
    for broken in ("", "[]", "{}", "[2]", "null", found.encode()[:-5], "[" * 100_000):
        with pytest.raises(UnreadableFacts):
            DomainFacts.decode("x.example", 7, broken)


def test_shares_are_of_domains_that_take_mail_by_both_weights() -> None:
    summary = Summary()
    summary.add(facts("a.example", GOOD, recipients=30))
    summary.add(facts("b.example", BARE, recipients=60, level="encrypted", mta_sts="enforce"))
    summary.add(facts("c.example", recipients=500, mail="null-mx", level="no-mail"))
    assert (summary.total.domains, summary.total.recipients) == (2, 90)
    assert summary.no_mail["null-mx"].recipients == 500
    assert (summary.verified.domains, summary.verified.recipients) == (1, 30)
    assert headline(summary).startswith("33 % of your recipients")
    for kind in KINDS:
        assert sum(one.recipients for _, one in summary.ordered(kind)) == 90
    assert (summary.usages["3 1 1"].recipients, summary.host_usages["3 1 1"]) == (30, 1)
    assert json.loads(json.dumps(summary.to_json()))["shares"]["mta_sts"]["enforce"]["domains"] == 1


def test_a_host_of_many_domains_counts_once_among_hosts() -> None:
    summary = Summary()
    for number in range(20):
        summary.add(facts(f"d{number}.example", GOOD))
    assert (summary.host_count, summary.host_usages["3 1 1"], summary.usages["3 1 1"].domains) == (1, 1, 20)


@pytest.mark.parametrize(
    ("hosts", "dnssec", "wanted"),
    [
        ((BARE,), "signed", Step.PUBLISH),
        ((replace(BARE, signed=False),), "signed", Step.SIGN),
        ((replace(BARE, tlsa="usable", dane="broken"),), "signed", Step.REPAIR),
        ((replace(BARE, tlsa="unusable", dane="unusable"),), "signed", Step.REPAIR),
        ((BARE, GOOD), "signed", Step.PUBLISH),
        ((BARE, replace(GOOD, dane="broken")), "signed", None),
        ((BARE,), "unsigned", None),
        ((BARE,), "bogus", None),
        ((GOOD,), "signed", None),
        ((replace(BARE, dane="unknown", tlsa="unknown"),), "signed", None),
    ],
)
def test_what_the_provider_alone_would_have_to_do(
    hosts: tuple[HostFacts, ...], dnssec: str, wanted: Step | None
) -> None:
    assert missing_step(facts("x.example", *hosts, dnssec=dnssec), "big.example") is wanted


def test_the_sentence_about_a_provider() -> None:
    summary = Summary()
    hosts = [replace(BARE, name=f"mx{n}.big.example") for n in range(4)]
    for number in range(40):
        signed = "signed" if number < 30 else "unsigned"
        summary.add(facts(f"d{number}.example", *hosts, recipients=15, dnssec=signed, level="encrypted"))
    summary.add(facts("own.example", GOOD, recipients=400))
    (one,) = summary.providers.most_gain()
    assert provider_words(one, summary.total) == (
        "These four hosts of big.example carry 60 % of your recipients (40 domains)."
    )
    assert gain_words(one, summary.total) == (
        "With TLSA there, 30 more domains (45 % of your recipients) would be protected by DANE."
        " 10 domains there are not signed and would stay without."
    )


def test_domains_behind_several_providers_count_for_each_once() -> None:
    summary = Summary()
    summary.add(facts("x.example", GOOD, BARE, replace(BARE, name="mx3.big.example"), recipients=5))
    assert {one.site: (one.domains, one.recipients) for one in summary.providers.largest()} == {
        "example.net": (1, 5),
        "big.example": (1, 5),
    }


def test_words_of_levels_are_those_of_protections() -> None:
    words = KINDS["level"].words
    assert {words[one.level] for one in Protection if one.level not in ("waits", "pkix")} <= {
        one.value for one in Protection
    }
    assert words["pkix"] == Protection.PKIX.value


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 0, "0 %"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 10_000, "under 0.1 %"), (1, 3, "33 %"),
     (9999, 10_000, "99.9 %"),
     (4, 100, "4 %"), (1, 200, "0.5 %"), (995, 1000, "99.5 %")],
)  # fmt: skip
def test_shares_never_say_all_or_nothing_for_what_is_neither(part: int, whole: int, words: str) -> None:
    assert percent(part, whole) == words


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["v=TLSRPTv1; rua=mailto:tls@example.org"], "yes"),
        (["v=TLSRPTv1;rua=https://r.example/x,mailto:tls@example.org"], "yes"),
        (["something else", "v=TLSRPTv1; rua=mailto:tls@example.org; x=y;"], "yes"),
        (["v=TLSRPTv1; rua=mailto:a@x.example", "v=TLSRPTv1; rua=mailto:b@x.example"], "broken"),
        (["v=TLSRPTv1;"], "broken"),
        (["v=TLSRPTv1; rua=ftp://x"], "broken"),
        (["v=spf1 -all"], "no"),
        ([], "no"),
    ],
)
def test_records_for_tls_reports(texts: list[str], wanted: str) -> None:
    assert verdict(wanted_by(texts, "_smtp._tls.example.org")) == wanted


# What is written


def test_no_cell_is_a_formula_and_no_row_has_a_line_end_in_it() -> None:
    row = table.row(["=1+1", "@x", "-2", "+3", "\tx", "a\r\nb", "fine", 4, 'say "x", y'])
    (cells,) = csv.reader(io.StringIO(row))
    assert cells[:4] == ["'=1+1", "'@x", "'-2", "'+3"]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert (cells[6:], row.count("\n")) == (["fine", "4", 'say "x", y'], 1)


def test_a_row_has_the_columns_of_the_heading() -> None:
    (heading,) = csv.reader(io.StringIO(table.header()))
    (cells,) = csv.reader(io.StringIO(table.line(facts("x.example", GOOD, BARE, reason="=HYPERLINK()"))))
    named = dict(zip(heading, cells, strict=True))
    assert (named["domain"], named["dane"], named["usages"], named["reason"]) == (
        "x.example", "partial", "3 1 1", "'=HYPERLINK()",
    )  # fmt: skip


@given(st.text(max_size=200))
def test_any_text_of_strangers_stays_one_harmless_cell(text: str) -> None:
    (cells,) = csv.reader(io.StringIO(table.row([text])))
    assert not cells or not cells[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_the_page_needs_nothing_and_takes_no_markup_from_strangers() -> None:
    summary = Summary()
    evil = replace(BARE, site='<script>alert("x")</script>', name="mx.evil.example", usages=("<b>",), tlsa="usable")
    for number in range(3):
        summary.add(facts(f"d{number}.example", evil, level="encrypted"))
    earlier = Comparison.from_json(
        {"schema": "danelaw/survey/1", "made_at": 1.78e9, "domains": [{"domain": "d1.example", "level": "<i>"}]}
    )
    earlier.add(facts("d1.example", evil, level="encrypted"))
    text = "".join(page(summary, ["a <note>"], 1.79e9, earlier))
    for wrong in ("<script", "<b>", "<i>", "<note>", "http://", "https://", "url(", "@import", " src="):
        assert wrong not in text
    assert text.count("<svg") == text.count("</svg>") == text.count("aria-label=") + text.count('aria-hidden="true"')
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text


# What changed


def as_json(*found: DomainFacts) -> dict[str, object]:
    return {"schema": "danelaw/survey/1", "made_at": 1.78e9, "domains": [one.to_json() for one in found]}


def test_a_comparison_tells_better_from_worse_new_from_gone() -> None:
    earlier = Comparison.from_json(
        as_json(
            facts("better.example", BARE, level="encrypted"),
            facts("worse.example", GOOD),
            facts("same.example", GOOD),
            facts("gone.example", GOOD),
            facts("untested.example", GOOD, level="unknown"),
        )
    )
    now = [
        facts("better.example", GOOD, recipients=9),
        facts("worse.example", BARE, level="clear"),
        facts("same.example", GOOD),
        facts("new.example", GOOD),
        facts("untested.example", GOOD),
    ]
    for one in now:
        earlier.add(one)
    assert (earlier.count(better=True), earlier.count(better=False), earlier.new, earlier.gone) == (1, 1, 1, 1)
    assert [(one.domain, one.before, one.now, one.better) for one in earlier.changed] == [
        ("better.example", "encrypted", "dane", True),
        ("worse.example", "dane", "clear", False),
    ]
    assert json.dumps(earlier.to_json())


@pytest.mark.parametrize("value", [None, [], {}, {"schema": "danelaw/survey/1"}, {"schema": "x", "domains": []}])
def test_what_is_no_survey_is_said_to_be_none(value: object) -> None:
    with pytest.raises(NoSurvey):
        Comparison.from_json(value)
