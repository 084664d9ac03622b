"""TXT records and policy documents, by the grammar of RFC 8461 §3.1 and §3.2, and mox's own cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.mtasts import MAX_POLICY_SIZE, PolicyError, PolicyMode, RecordError, STSPolicy, STSRecord
from danelaw.mtasts.policy import MAX_AGE_LIMIT, MAX_MX_PATTERNS
from danelaw.mtasts.record import MAX_RECORD_SIZE, select


@pytest.mark.corpus
def test_every_case_of_mox(corpus: Callable[[str], Path]) -> None:
    """18 records and 24 policies; the grammar leaves nothing to differ about."""
    cases = json.loads((corpus("mta-sts") / "mtasts_parse.json").read_text("utf-8"))
    assert len(cases) == 42
    wrong = []
    for case in cases:
        try:
            if case["test"] == "TestRecord":
                assert STSRecord.from_text(case["input"]).id in case["expected_go_literal"]
            else:
                STSPolicy.from_text(case["input"])
            valid = True
        except (RecordError, PolicyError):
            valid = False
        if valid is not case["valid"]:
            wrong.append(case)
    assert wrong == []


# TXT records


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("v=STSv1; id=20160831085700Z;", "20160831085700Z"),
        ("v=STSv1;id=a", "a"),
        ("v=STSv1 \t;\t id=a\t ;  ", "a"),
        ("v=STSv1; id=" + "9" * 32, "9" * 32),
        ("v=STSv1; a.b-c_d=1; id=x", "x"),  # any order, unknown fields ignored
        ("v=STSv1; id=first; id=second", "first"),  # of a field that stands twice, the first
        ("v=STSv1; id=a; v=STSv2", "a"),
        ("v=STSv1; id=a; ID=b; x=<>!~", "a"),
    ],
)
def test_records_that_are_valid(text: str, identity: str) -> None:
    assert STSRecord.from_text(text).id == identity
    assert select([text]) == STSRecord(identity)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=STSv1",
        "v=STSv1;",
        "v=STSv1; ;id=a",
        "v=STSv1; id=a;;",
        "v=STSv1; ID=a",
        "v=STSv1; id =a",
        "v=STSv1; id= a",
        "v=STSv1; id=a b",
        "v=STSv1; id=a ",  # white space belongs to a delimiter
        "v=STSv1; id=a\n",
        "v=STSv1; id=é",
        "v=STSv1 id=a",
        "V=STSv1; id=a",
        "v=stsv1; id=a",
        " v=STSv1; id=a",
        "v=STSv10; id=a",
        "id=a; v=STSv1",
        "v=STSv1; id=a; x",
        "v=STSv1; id=a; x=",
        "v=STSv1; id=a; x=a=b",
        "v=STSv1; id=a; -x=1",
        "v=STSv1; id=a; x=é",
        "v=STSv1; id=a; x=" + "y" * MAX_RECORD_SIZE,
    ],
)
def test_records_that_are_not(text: str) -> None:
    with pytest.raises(RecordError) as raised:
        STSRecord.from_text(text)
    assert len(raised.value.reason) < 200


@pytest.mark.parametrize(
    ("texts", "identity"),
    [
        ([], None),
        (["v=spf1 -all"], None),
        (["v=spf1 -all", "hello"], None),
        (["v=STSv1; id=a", "v=spf1 -all", "other"], "a"),
        (["v=STSv1 ; id=a"], "a"),  # valid by the grammar when it stands alone
        (["v=STSv1 ; id=a", "v=STSv1; id=b"], "b"),  # but discarded among several
    ],
)
def test_of_several_texts_those_of_other_protocols_are_discarded(texts: list[str], identity: str | None) -> None:
    assert select(texts) == (STSRecord(identity) if identity else None)


@pytest.mark.parametrize("texts", [["v=STSv1; id=a", "v=STSv1; id=a"], ["v=STSv1;", "x"], ["v=STSv1; id=a;;"]])
def test_two_records_or_a_broken_one_are_as_good_as_none(texts: list[str]) -> None:
    with pytest.raises(RecordError):
        select(texts)


@given(st.text(max_size=60) | st.text(alphabet="v=STSv1; id=aB9_.\t", max_size=60).map(lambda text: "v=STSv1;" + text))
def test_records_of_strangers(text: str) -> None:
    try:
        record = STSRecord.from_text(text)
    except RecordError:
        return
    assert STSRecord.from_text(record.to_text()) == record
    assert record.id.isalnum()
    assert 1 <= len(record.id) <= 32


# Policies

GOOD = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


def test_the_example_of_the_rfc() -> None:
    policy = STSPolicy.from_text(GOOD)
    assert policy == STSPolicy(PolicyMode.ENFORCE, ("mail.example.com", "*.example.net"), 604_800)
    assert policy.to_text() == GOOD
    assert STSPolicy.from_text(GOOD.encode()) == policy


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\r\n", "\n"),
        GOOD.replace("\r\n", "\n", 2),  # both line ends in one document
        GOOD.rstrip(),
        GOOD.replace("\r\n", " \t \r\n"),
        GOOD.replace(": ", ":"),
        GOOD.replace(": ", ": \t "),
        GOOD + "\r\n\r\n",
        "\r\n" + GOOD,
        "mx: mail.example.com\nmax_age: 604800\nmx: *.example.net\nmode: enforce\nversion: STSv1\n",  # any order
        GOOD + "x-1.y_z: Grüße, 世界: a  b\r\n",
        GOOD + "mode: none\r\nversion: STSv2\r\nmax_age: 1\r\n",  # the first counts
        GOOD + "mode: nonsense\r\nmax_age: never\r\n",
        GOOD + "Mode: none\r\nMX: evil.example\r\n",  # keys are case-sensitive: these are unknown
        GOOD + "mx: mail.example.com\r\n",
        GOOD.replace("mail.example.com", "MAIL.Example.COM"),
    ],
)
def test_the_same_policy_written_otherwise(text: str) -> None:
    assert STSPolicy.from_text(text) == STSPolicy.from_text(GOOD)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version: STSv1\r\n", "", "no version line"),
        ("STSv1", "STSv2", "not STSv1"),
        ("STSv1", "stsv1", "not STSv1"),
        ("STSv1", "STSv1 x", "not STSv1"),
        ("version", "Version", "no version line"),
        ("version:", " version:", "is no key"),
        ("version:", "version :", "is no key"),
        ("version:", "﻿version:", "is no key"),
        ("mode: enforce\r\n", "", "no mode line"),
        ("enforce", "Enforce", "enforce, testing or none expected"),
        ("enforce", "report", "enforce, testing or none expected"),
        ("max_age: 604800\r\n", "", "no max_age line"),
        ("604800", "", "empty"),
        ("604800", "-1", "number of seconds"),
        ("604800", "1.5", "number of seconds"),
        ("604800", "+1", "number of seconds"),
        ("604800", "1 000", "number of seconds"),
        ("604800", "٣", "number of seconds"),
        ("604800", "1" * 11, "number of seconds"),
        ("mail.example.com", "mail.example.com.", "is no host name"),
        ("mail.example.com", "mail.example.com, b.example", "is no host name"),
        ("mail.example.com", "*", "is no host name"),
        ("mail.example.com", "*.", "is no host name"),
        ("mail.example.com", "m*.example.com", "is no host name"),
        ("mail.example.com", "mail.*.com", "is no host name"),
        ("mail.example.com", ".example.com", "is no host name"),
        ("mail.example.com", "a..example.com", "is no host name"),
        ("mail.example.com", "-a.example.com", "is no host name"),
        ("mail.example.com", "a_b.example.com", "is no host name"),
        ("mail.example.com", "bücher.example", "is no host name"),
        ("mail.example.com", "[192.0.2.1]", "is no host name"),
        ("mail.example.com", "a" * 64 + ".example", ""),
        ("mx: mail.example.com\r\n", "hello\r\n", "no colon"),
        ("mx: mail.example.com", "_x: y", "is no key"),
        ("mx: mail.example.com", "x" * 33 + ": y", "is no key"),
        ("mx: mail.example.com", "x: ", "empty"),
        ("mx: mail.example.com", "x: a\x00b", "control characters"),
        ("mx: mail.example.com", "x: a\tb", "control characters"),
        ("mx: mail.example.com", "x: a\rb", "control characters"),
        ("mx: mail.example.com", "x: a\x7f", "control characters"),
    ],
)
def test_policies_that_are_not_valid(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(PolicyError) as raised:
        STSPolicy.from_text(GOOD.replace(old, new, 1))
    assert words in raised.value.reason


@pytest.mark.parametrize("mode", ["enforce", "testing"])
def test_only_mode_none_needs_no_mx(mode: str) -> None:
    with pytest.raises(PolicyError, match=f"no mx line, which mode {mode} needs"):
        STSPolicy.from_text(f"version: STSv1\nmode: {mode}\nmax_age: 1")
    assert STSPolicy.from_text("version: STSv1\nmode: none\nmax_age: 86400") == STSPolicy(PolicyMode.NONE, (), 86_400)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0", 0), ("31557600", MAX_AGE_LIMIT), ("31557601", MAX_AGE_LIMIT), ("9999999999", MAX_AGE_LIMIT), ("007", 7)],
)
def test_max_age_is_a_year_at_most(written: str, seconds: int) -> None:
    assert STSPolicy.from_text(GOOD.replace("604800", written)).max_age == seconds


def test_sizes_have_an_end() -> None:
    filler = GOOD + "x: " + "y" * (MAX_POLICY_SIZE - len(GOOD) - 3)
    assert STSPolicy.from_text(filler).max_age == 604_800
    with pytest.raises(PolicyError, match="larger than 65536 octets"):
        STSPolicy.from_text(filler + "y")
    with pytest.raises(PolicyError, match="larger than 65536 octets"):
        STSPolicy.from_text(GOOD + "x: " + "é" * (MAX_POLICY_SIZE // 2))
    with pytest.raises(PolicyError, match=f"more than {MAX_MX_PATTERNS} mx lines"):
        STSPolicy.from_text(GOOD + "".join(f"mx: m{number}.example\n" for number in range(MAX_MX_PATTERNS)))


def test_octets_that_are_no_utf8_or_a_web_page() -> None:
    with pytest.raises(PolicyError, match="not UTF-8"):
        STSPolicy.from_text(GOOD.encode() + b"x: \xff\n")
    with pytest.raises(PolicyError):
        STSPolicy.from_text(b"<!doctype html><title>404</title>")


@pytest.mark.parametrize(
    ("pattern", "host", "covered"),
    [
        ("mail.example.com", "mail.example.com", True),
        ("mail.example.com", "MAIL.example.com", True),
        ("mail.example.com", "a.mail.example.com", False),
        ("mail.example.com", "example.com", False),
        ("*.example.com", "mail.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "foo.bar.example.com", False),
        ("*.example.com", "mailexample.com", False),
        ("*.xn--bcher-kva.example", "mx.bücher.example", True),
        ("*.com", "example.com", True),  # RFC 8461 §4.1 knows no exception: the domain's own policy says so
    ],
)
def test_which_hosts_a_pattern_covers(pattern: str, host: str, covered: bool) -> None:
    policy = STSPolicy.from_text(f"version: STSv1\nmode: enforce\nmx: {pattern}\nmax_age: 1")
    assert policy.matches(Domain.from_text(host)) is covered


_KEYS = st.sampled_from(["version", "mode", "mx", "max_age", "x", "", "é"])
_VALUES = st.sampled_from(["STSv1", "enforce", "none", "mx.example.org", "*.example.org", "86400", "9" * 11, "", "a b"])
_LINES = st.builds(lambda key, gap, value: f"{key}:{gap}{value}", _KEYS, st.sampled_from(["", " ", "\t "]), _VALUES)


@given(st.binary(max_size=300) | st.lists(_LINES, max_size=8).map("\r\n".join))
def test_documents_of_strangers(body: bytes | str) -> None:
    try:
        policy = STSPolicy.from_text(body)
    except PolicyError:
        return
    assert STSPolicy.from_text(policy.to_text()) == policy
    assert 0 <= policy.max_age <= MAX_AGE_LIMIT
    assert policy.mx or policy.mode is PolicyMode.NONE
