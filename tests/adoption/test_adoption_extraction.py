"""Domains from lists, logs and CSV: what counts, what is passed over, what is reported."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from danelaw.adoption import Extraction, ExtractionError, Form, column_of, delimiter_of, detect, domain_of, rows_of
from danelaw.adoption.extraction import MAX_REPORTED
from fuzz import adoption_extraction

POSTFIX = """\
Nov 25 06:25:01 mx postfix/smtpd[811]: connect from app1.shop.example[198.51.100.7]
Nov 25 06:25:02 mx postfix/smtp[822]: 4F2A: to=<anna@Example.ORG>, relay=mx1.example.org[192.0.2.10]:25, delay=0.4, \
delays=0.1/0/0.2/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 77)
Nov 25 06:25:02 mx postfix/smtp[822]: 4F2A: to=<bob@example.net>, orig_to=<team@shop.example>, \
relay=mx.example.net[192.0.2.20]:25, delay=1, delays=0/0/1/0, dsn=5.1.1, status=bounced (host mx.example.net said: 550)
Nov 25 06:25:03 mx postfix-out/relay/smtp[9]: 4F2B: to=<"odd >, relay=x"@sub.example>, relay=none, delay=30, \
delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to mx[192.0.2.9]:25: Connection timed out)
Nov 25 06:25:04 mx postfix/local[30]: 4F2C: to=<root@mx.shop.example>, relay=local, delay=0, dsn=2.0.0, status=sent (ok)
2026-11-25T06:25:05.123456+01:00 mx postfix/smtp[5]: 4F2D: to=<eve@[192.0.2.1]>, relay=192.0.2.1[192.0.2.1]:25, \
delay=1, dsn=2.0.0, status=sent (250 ok)
"""
EXIM = """\
2026-11-25 06:25:01 1tAbCd-000001-2X <= billing@shop.example H=app1 [198.51.100.7] P=esmtps S=4101
2026-11-25 06:25:02 1tAbCd-000001-2X => anna@example.org R=dnslookup T=remote_smtp H=mx1.example.org [192.0.2.10]
2026-11-25 06:25:02 1tAbCd-000001-2X -> carl@example.org R=dnslookup T=remote_smtp H=mx1.example.org [192.0.2.10]
2026-11-25 06:25:03 1tAbCe-000001-2X => root <root@mx.shop.example> R=local_user T=local_delivery
2026-11-25 06:25:03.123 [812] 1tAbCf-00000001Zdb-2X ** bob@example.net R=dnslookup T=remote_smtp: SMTP error: 550 no
2026-11-25 06:25:04 1tAbCg-000001-2X == dora@sub.example R=dnslookup T=remote_smtp defer (110): Connection timed out
2026-11-25 06:25:05 1tAbCg-000001-2X Completed
"""
DANELAW = """\
2026-11-25T09:14:03.120Z received id=0aBcDeFgHiJ from=billing@shop.example
2026-11-25T09:14:03.320Z delivered id=0aBcDeFgHiJ to=anna@example.org host=mx1 address=192.0.2.10 protection=DANE
2026-11-25T09:14:03.320Z warning returned id=0aBcDeFgHiJ to="bob smith@example.net" host=mx reason="no such user"
2026-11-25T09:14:03.420Z waiting id=0aBcDeFgHiJ to=dora@sub.example reason="no answer"
2026-11-25T09:14:03.520Z delivered id=0aBcDeFgHiJ to=me@shop.example host=maildir protection="handed over"
2026-11-25T09:14:03.520Z waiting id=0aBcDeFgHiJ host=mx1.example.org reason="no answer"
"""
DANELAW_JSON = """\
{"time":"2026-11-25T09:14:03.320Z","event":"delivered","id":"0","to":"anna@example.org","protection":"DANE"}
{"time":"2026-11-25T09:14:03.320Z","level":"info","event":"received","id":"0a","from":"x@shop.example"}
{"time":"2026-11-25T09:14:03.420Z","level":"info","event":"waiting","id":"0a","to":"dora@sub.example"}
"""


def read(form: Form, text: str) -> tuple[dict[str, int], Extraction]:
    extraction, found = Extraction(form), dict[str, int]()
    for line in text.splitlines():
        for entry in extraction.line(line):
            found[entry.domain] = found.get(entry.domain, 0) + entry.weight
    return found, extraction


@pytest.mark.parametrize(
    ("form", "text", "wanted"),
    [
        (Form.POSTFIX, POSTFIX, {"example.org": 1, "example.net": 1, "sub.example": 0}),
        (Form.EXIM, EXIM, {"example.org": 2, "example.net": 1, "sub.example": 0}),
        (Form.DANELAW, DANELAW, {"example.org": 1, "example.net": 1, "sub.example": 0}),
        (Form.DANELAW, DANELAW_JSON, {"example.org": 1, "sub.example": 0}),
    ],
)
def test_logs_give_recipients_that_left_the_machine(form: Form, text: str, wanted: dict[str, int]) -> None:
    assert detect(text.splitlines()) is form
    found, extraction = read(form, text)
    assert found == wanted
    assert extraction.invalid_count == 0


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("example.org", {"example.org": 1}),
        ("  Example.ORG.  ", {"example.org": 1}),
        ("\ufeffexample.org", {"example.org": 1}),
        ("Bücher.example", {"xn--bcher-kva.example": 1}),
        ("xn--bcher-kva.example", {"xn--bcher-kva.example": 1}),
        ("anna@example.org", {"example.org": 1}),
        ('"odd @ local"@example.org', None),
        ("Anna <anna@example.org>, Bob <bob@example.net>", {"example.org": 1, "example.net": 1}),
        ("anna@example.org, bob@example.org; eve@example.net", {"example.org": 2, "example.net": 1}),
        ("   1204 example.org", {"example.org": 1204}),
        ("example.org\t12", {"example.org": 12}),
        ("example.org,12", {"example.org": 12}),
        ("example.org   # the large one", {"example.org": 1}),
        ("# only words", {}),
        ("", {}),
        ("localhost", None),
        ("192.0.2.1", None),
        ("anna@[192.0.2.1]", None),
        ("@example.org", None),
        ("two words", None),
        ("a..b.example", None),
        ("ex ample.org anna@example.org", None),
        ("=cmd|' /C calc'!A0", None),
        ("x" * 70_000, None),
    ],
)
def test_lines_of_a_list(line: str, wanted: dict[str, int] | None) -> None:
    found, extraction = read(Form.LIST, line) if line else ({}, Extraction(Form.LIST))
    assert found == (wanted or {})
    assert extraction.invalid_count == (1 if wanted is None else 0)
    if wanted is None:
        assert extraction.invalid[0].number == 1
        assert extraction.invalid[0].reason


def test_invalid_lines_are_all_counted_and_the_first_kept_with_their_numbers() -> None:
    _, extraction = read(Form.LIST, "example.org\n" + "two words\n" * (MAX_REPORTED + 5))
    assert (extraction.invalid_count, len(extraction.invalid)) == (MAX_REPORTED + 5, MAX_REPORTED)
    assert extraction.invalid[0].number == 2


def test_columns_are_found_by_heading_by_name_and_by_number() -> None:
    assert delimiter_of("id;e-mail;note") == ";"
    assert delimiter_of("example.org") == ","
    assert column_of(["id", "E-Mail", "note"], None) == (1, True)
    assert column_of(["id", "Kunde"], "kunde") == (1, True)
    assert column_of(["1", "anna@example.org"], "2") == (1, False)
    assert column_of(["anna@example.org"], None) == (0, False)
    for first, wanted in ((["a", "b"], None), (["a", "b"], "c"), (["a", "b"], "3")):
        with pytest.raises(ExtractionError):
            column_of(first, wanted)


def test_a_quote_that_nothing_closes_costs_one_line_of_csv() -> None:
    lines = ["name,to\n", '"Smith\n', *(f"n,anna@d{n}.example\n" for n in range(100)), '"a\nb",c@x.example\n']
    rows = list(rows_of(iter("".join(lines).splitlines(keepends=True)), ","))
    assert [(row.first, row.reason) for row in rows if row.reason] == [(2, "a quote is opened and not closed")]
    assert [row.cells[1] for row in rows if row.cells] == [
        "to",
        *(f"anna@d{n}.example" for n in range(100)),
        "c@x.example",
    ]
    assert (rows[-1].first, rows[-1].last) == (103, 104)
    long = ['"' + "a" * 140_000 + '",b@x.example\n', "n,anna@y.example\n"]
    assert [bool(row.reason) for row in rows_of(iter(long), ",")] == [True, False]
    assert [row.reason != "" for row in rows_of(iter(['a,"b\n', "c,d"]), ",")] == [True, False]
    assert list(rows_of(iter([]), ",")) == []


@given(st.binary(max_size=400))
@example(b'\x00a,"b\nc,d\n')
@example(b"\x01" + POSTFIX.encode())
@example(b"\x02" + EXIM.encode())
@example(b"\x03" + (DANELAW + DANELAW_JSON).encode())
@example(b"\x00v=TLSRPTv1; rua=mailto:a@x.example\nexample.org")
def test_the_fuzz_target_holds(data: bytes) -> None:
    adoption_extraction.test_one_input(data)


@given(st.sampled_from(Form), st.text())
def test_any_line_gives_domains_or_a_reason(form: Form, text: str) -> None:
    extraction = Extraction(form)
    for entry in extraction.line(text):
        assert domain_of(entry.domain) == entry.domain
        assert entry.weight >= 0
    assert extraction.lines == 1
