"""DMARC Policy Records: what is strict, what is tolerated, and that each discarded part is named (RFC 9989 §4.7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.dmarc import PSD, Alignment, DMARCRecord, Policy, RecordError, ReportURI, parse, select


def read(text: str) -> DMARCRecord:
    return DMARCRecord.from_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=",
        "v=DMARC12",
        "v=dmarc1; p=none",
        "v=DMARC1 p=none",
        "p=none; v=DMARC1",
        " v=DMARC1; p=none",
        "v=DMARC1, p=none",
        "v=spf1 -all",
        "v:DMARC1; p=none",
    ],
)
def test_what_does_not_begin_with_the_version_is_no_record(text: str) -> None:
    with pytest.raises(RecordError, match="does not begin with v=DMARC1"):
        read(text)


@pytest.mark.parametrize("text", ["v=DMARC1;p=reject", "V = DMARC1 ; P=Reject;", "v=DMARC1\t;\tp\t=\tREJECT\t;"])
def test_white_space_and_case_of_names_and_values_do_not_matter(text: str) -> None:
    assert read(text) == DMARCRecord(policy=Policy.REJECT)


def test_everything_at_once() -> None:
    record = read(
        "v=DMARC1; p=quarantine; sp=none; np=reject; psd=n; t=y; adkim=s; aspf=s; fo=1:d:s; "
        "rua=mailto:a@example.org!10m , https://example.org/r; ruf=mailto:b@example.org"
    )
    assert (record.policy, record.subdomain_policy, record.nonexistent_policy) == (
        Policy.QUARANTINE,
        Policy.NONE,
        Policy.REJECT,
    )
    assert (record.psd, record.testing) == (PSD.NO, True)
    assert (record.dkim_alignment, record.spf_alignment) == (Alignment.STRICT, Alignment.STRICT)
    assert record.failure_options == ("1", "d", "s")
    assert [uri.text for uri in record.rua] == ["mailto:a@example.org", "https://example.org/r"]
    assert [uri.mailbox for uri in (*record.rua, *record.ruf)] == ["a@example.org", None, "b@example.org"]
    assert record.faults == ()
    assert read(record.to_text()) == record


@pytest.mark.parametrize(
    ("tag", "fault"),
    [
        ("adkim=x", "adkim= is 'x'"),
        ("aspf=", "aspf= is ''"),
        ("psd=maybe", "psd= is 'maybe'"),
        ("t=yes", "t= is 'yes'"),
        ("nonsense", "'nonsense' is no tag"),
        ("", "'' is no tag"),
        ("x1=2", "'x1=2' is no tag"),
        ("adkim=s; adkim=s", "adkim= stands more than once"),
        ("rua=example.org", "rua=: 'example.org' is no URI"),
        ("rua=mailto:nobody", "holds no mail address"),
        ("rua=mailto:a@example.org!1x", "is no URI"),
        ("ruf=mailto:a@b.example; fo=0:1", "fo= is '0:1'"),
        ("ruf=mailto:a@b.example; fo=d:d", "fo= is 'd:d'"),
        ("aspf=s\x00", "aspf= is ''"),
        ("aspf=s\xe9", "aspf= is ''"),
    ],
)
def test_a_mistake_behind_the_version_costs_only_its_tag_and_is_named(tag: str, fault: str) -> None:
    record = read(f"v=DMARC1; p=reject; {tag}; np=quarantine")
    assert any(fault in one for one in record.faults), record.faults
    assert (record.policy, record.nonexistent_policy) == (Policy.REJECT, Policy.QUARANTINE)
    assert (record.dkim_alignment, record.spf_alignment, record.psd, record.testing) == (
        Alignment.RELAXED,
        Alignment.RELAXED,
        PSD.UNKNOWN,
        False,
    )
    assert record.failure_options == ("0",)


def test_historic_and_unknown_tags_have_no_effect_and_are_remarked() -> None:
    record = read("v=DMARC1; p=reject; pct=0; rf=afrf; ri=bogus; nn=1")
    assert record.policy is Policy.REJECT
    assert record.faults == ()
    assert record.remarks == (
        "pct= has no effect any more",
        "rf= has no effect any more",
        "ri= has no effect any more",
        "nn= is unknown",
    )


def test_failure_options_count_only_beside_an_address_for_them() -> None:
    assert read("v=DMARC1; p=none; fo=1").failure_options == ("0",)
    assert read("v=DMARC1; p=none; fo=d:1:s; ruf=mailto:a@b.example").failure_options == ("d", "1", "s")


@pytest.mark.parametrize(
    ("text", "usable", "stands_for_none"),
    [
        ("v=DMARC1; p=none", True, False),
        ("v=DMARC1; p=bad; rua=mailto:a@b.example", True, True),
        ("v=DMARC1; rua=mailto:a@b.example", True, True),
        ("v=DMARC1; p=reject; sp=bad; rua=mailto:a@b.example", True, True),
        ("v=DMARC1; p=reject; np=bad; rua=mailto:a@b.example", True, True),
        ("v=DMARC1; p=reject; np=bad", False, False),
        ("v=DMARC1; p=none; p=reject", False, False),
        ("v=DMARC1; p=bad; rua=bad", False, False),
        ("v=DMARC1", False, False),
    ],
)
def test_a_record_without_valid_policy_counts_as_none_when_it_wants_reports(
    text: str, usable: bool, stands_for_none: bool
) -> None:
    record = read(text)
    assert (record.usable, record.stands_for_none) == (usable, stands_for_none)


def test_several_records_cancel_each_other_and_others_do_not_count() -> None:
    assert select(["hello", "v=DMARC1; p=none", "v=spf1 -all"])[0] == DMARCRecord(policy=Policy.NONE)
    assert select(["v=DMARC1; p=none", "v=DMARC1; p=none"]) == (None, "2 records, of which none counts")
    assert select(["hello"]) == (None, "no record")
    assert select(["v=DMARC1;" + "x" * 9000])[0] is None


def test_a_record_has_a_largest_size_and_number_of_addresses() -> None:
    found = parse("v=DMARC1; p=none; rua=" + "m" * 9000)
    assert isinstance(found, RecordError)
    assert "8192 are read at most" in found.reason
    record = read("v=DMARC1; p=none; rua=" + ",".join(["a:b"] * 300))
    assert len(record.rua) == 100
    assert "100 are read at most" in record.faults[0]


def test_a_mailto_uri_is_decoded() -> None:
    assert ReportURI("mailto:a%2Bb@example.org?subject=x").mailbox == "a+b@example.org"
    assert ReportURI("mailto:a%0D%0Ab@example.org").mailbox is None


_TAGS = st.sampled_from(
    ["p=none", "p=reject", "sp=bad", "np=none", "t=y", "psd=y", "adkim=s", "rua=a:b", "x=", ";", ""]
)


@given(st.lists(_TAGS | st.text(max_size=12), max_size=12).map(lambda parts: "v=DMARC1;" + ";".join(parts)))
def test_what_is_read_can_be_written_and_read_again(text: str) -> None:
    first = parse(text)
    assert isinstance(first, DMARCRecord)
    again = read(first.to_text())
    assert again.to_text() == first.to_text()
    assert again.faults == ()
    if not first.broken_policy:
        assert (again.policy, again.subdomain_policy, again.psd) == (first.policy, first.subdomain_policy, first.psd)


# What mox refuses and RFC 9989 reads: its grammar asks for no order behind v=, has no pct, rf, ri, and drops what is
# wrong. {input: (usable, stands for p=none)}
_LOOSER = {
    "v=DMARC1": (False, False),
    "v=DMARC1;": (False, False),
    "v=DMARC1;;": (False, False),
    "v=DMARC1; sp=reject; p=reject": (True, False),
    "v=DMARC1; rua=mailto:dmarc-feedback@example.com!99999999999999999999999999999999999999999999999": (True, True),
}


@pytest.mark.corpus
def test_the_published_records_are_read_as_rfc_9989_wants(corpus: Callable[[str], Path]) -> None:
    cases = json.loads((corpus("dmarc") / "dmarc_record_parse.json").read_text())
    assert len(cases) == 41
    same = looser = ignored = discarded = 0
    for case in cases:
        record, text = parse(case["input"]), case["input"]
        if isinstance(record, RecordError):
            assert not case["valid"], text
            ignored += 1
        elif case["valid"]:
            assert record.usable, text
            same += 1
        elif text in _LOOSER:
            assert (record.usable, record.stands_for_none) == _LOOSER[text], text
            assert not record.faults or text == "v=DMARC1;;"
            looser += 1
        else:
            # One tag is wrong, or historic; the rest holds no policy and no address.
            assert not record.usable, text
            assert record.faults or record.remarks or "fo=" in text, text
            discarded += 1
    assert (same, ignored, looser, discarded) == (6, 5, 5, 25)
