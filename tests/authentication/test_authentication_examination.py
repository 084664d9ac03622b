"""All verdicts of a message from one look-up: what is asked together, what each says, and with which evidence."""

from __future__ import annotations

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.arc import ChainStatus
from danelaw.authentication import Transaction, Verdicts, together
from danelaw.dkim import DKIMResult
from danelaw.dmarc import DMARCResult, Policy
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.spf import SPFResult
from danelaw.testing import FakeDNS, run_lookup

from authentication_samples import MESSAGE, STRANGER, examined, internet, said, signed, with_from  # isort: skip


def test_everything_passes_and_every_answer_keeps_its_status() -> None:
    found = examined(signed())
    assert (found.spf.result, found.helo.result) == (SPFResult.PASS, SPFResult.PASS)
    assert (found.dkim.result, found.arc.status) == (DKIMResult.PASS, ChainStatus.NONE)
    assert (found.dmarc.result, found.dmarc.policy, found.dmarc.domain) == (
        DMARCResult.PASS,
        Policy.REJECT,
        "example.org",
    )
    assert {str(answer.question): answer.status.value for answer in found.answers} == {
        "example.org. TXT": "secure",
        "mx.example.org. TXT": "secure",
        "r._domainkey.example.org. TXT": "secure",
        "_dmarc.example.org. TXT": "secure",
    }


def test_the_questions_of_all_go_out_together() -> None:
    dns = internet()
    batches: list[int] = []
    answer_batch = dns.answer_batch

    def counted(questions: tuple[Question, ...]) -> tuple[Answer, ...]:
        batches.append(len(questions))
        return answer_batch(questions)

    dns.answer_batch = counted  # type: ignore[method-assign]
    examined(signed(), dns)
    assert batches == [4, 1]  # SPF of HELO comes last, on its own


def test_a_forger_fails_although_his_own_domain_passes() -> None:
    found = examined(MESSAGE, transaction=STRANGER)
    assert (found.spf.result, found.spf.domain) == (SPFResult.PASS, "stranger.test")
    assert (found.dmarc.result, found.dmarc.disposition) == (DMARCResult.FAIL, Policy.REJECT)
    assert found.dmarc.identifiers[0].aligned is False


@given(st.integers(1, 40))
def test_the_body_may_come_in_any_pieces(piece: int) -> None:
    assert examined(signed(), piece=piece).dkim.result is DKIMResult.PASS


def test_a_line_that_is_no_field_begins_the_body() -> None:
    broken = MESSAGE.replace(b"\r\n\r\nHi", b"\r\nthis is no field\r\n\r\nHi")
    assert examined(signed(broken)).dkim.result is DKIMResult.PASS
    without_body = broken[: broken.index(b"Hi.")]
    assert examined(signed(without_body)).dkim.result is DKIMResult.PASS


@pytest.mark.parametrize(
    ("fields", "author", "result"),
    [
        # What RFC 5322 allows has one reading.
        ((b"From: joe@example.org",), "example.org", "fail"),
        ((b"From: JOE@EXAMPLE.ORG",), "example.org", "fail"),
        ((b"FROM : Joe <joe@example.org>",), "example.org", "fail"),
        ((b"From: (x@stranger.test) joe@example.org (a \\) b)",), "example.org", "fail"),
        ((b"From: Joe\r\n <joe@\r\n example.org>",), "example.org", "fail"),
        ((b"From: friends: joe@example.org;",), "example.org", "fail"),
        ((b"From: <@stranger.test:joe@example.org>",), "example.org", "fail"),
        ((b'From: "x@stranger.test" <joe@example.org>',), "example.org", "fail"),
        ((b"From: x@stranger.test <joe@example.org>",), "example.org", "fail"),
        ((b"From: =?utf-8?q?joe=40stranger=2Etest?= <joe@example.org>",), "example.org", "fail"),
        ((b"From: joe@example.org, ann@example.org",), "example.org", "fail"),
        ((b"From: joe@example.org.",), "example.org", "fail"),
        # The author is the stranger, whatever a display name says.
        ((b"From: =?utf-8?q?=3Cjoe=40example=2Eorg=3E?= <x@stranger.test>",), "stranger.test", "none"),
        ((b'From: "joe@example.org" <x@stranger.test>',), "stranger.test", "none"),
        # Several authors: the one that fails speaks.
        ((b"From: x@stranger.test, joe@example.org",), "example.org", "fail"),
        # No proper author.
        ((), "", "permerror"),
        ((b"From:",), "", "permerror"),
        ((b"From: undisclosed:;",), "", "permerror"),
        ((b"From: Joe",), "", "permerror"),
        ((b"From: joe@[192.0.2.1]",), "", "permerror"),
        ((b"From: joe@exa mple.org>",), None, "permerror"),
        ((b"From: joe@example.org", b"From: x@stranger.test"), "", "permerror"),
        ((b"From: joe@example.org", b"From: joe@example.org"), "example.org", "permerror"),
        ((b"From: x@stranger.test <joe@example.org", ), None, "permerror"),
        ((b"From: joe@example.org\x00@stranger.test",), None, "permerror"),
    ],
)  # fmt: skip
def test_tricks_with_the_author(fields: tuple[bytes, ...], author: str | None, result: str) -> None:
    """A stranger whose own SPF passes never passes for example.org."""
    found = examined(with_from(*fields), transaction=STRANGER)
    assert found.dmarc.result.value == result, found.dmarc.reason
    assert author is None or found.dmarc.domain == author
    assert (found.fault != "") == (result == "permerror")


def test_a_second_from_field_above_a_signed_one_is_permerror() -> None:
    found = examined(b"From: boss@example.org\r\n" + signed(), transaction=STRANGER)
    assert found.dkim.result is not DKIMResult.PASS
    assert found.dmarc.result is DMARCResult.PERMERROR


def test_a_domain_in_unicode_is_looked_up_in_ascii() -> None:
    dns = internet().add('_dmarc.xn--bcher-kva.example. TXT "v=DMARC1; p=reject"', DNSSECStatus.INSECURE)
    found = examined(with_from("From: a@bücher.example".encode()), dns)
    assert (found.dmarc.domain, found.dmarc.disposition) == ("xn--bcher-kva.example", Policy.REJECT)


def test_the_null_reverse_path_is_judged_by_helo() -> None:
    found = examined(MESSAGE, transaction=said("", "mx.example.org"))
    assert (found.spf.domain, found.spf.sender) == ("mx.example.org", "postmaster@mx.example.org")
    assert found.dmarc.result is DMARCResult.PASS


def test_failing_dns_of_the_client_changes_no_other_verdict() -> None:
    names = internet()
    names.fail("mx.stranger.test", dns.rcode.SERVFAIL)
    names.fail("stranger.test", dns.rcode.SERVFAIL)
    found = examined(MESSAGE, names, STRANGER)
    assert (found.spf.result, found.helo.result) == (SPFResult.TEMPERROR, SPFResult.TEMPERROR)
    assert found.dmarc.disposition is Policy.REJECT


def test_the_json_form_keeps_its_contract() -> None:
    said_ = examined(signed()).as_object()
    assert (said_["spf"]["result"], said_["spf"]["domain"]) == ("pass", "example.org")
    assert {"result", "domain", "selector", "reason"} <= said_["dkim"][0].keys()
    assert (said_["dmarc"]["result"], said_["dmarc"]["policy"], said_["dmarc"]["domain"]) == (
        "pass",
        "reject",
        "example.org",
    )
    assert said_["arc"]["cv"] == "none"
    assert examined(MESSAGE).as_object()["dkim"] == []


def _asks(*names: str) -> Lookup[list[str]]:
    found = []
    for name in names:
        (answer,) = yield (Question.from_text(name, "TXT"),)
        found.append(str(answer.question.name))
    return found


def test_look_ups_run_side_by_side_and_a_question_is_asked_once() -> None:
    dns = FakeDNS()
    found = run_lookup(together(_asks("a.x", "b.x"), _asks(), _asks("a.x"), _asks("c.x", "d.x", "e.x")), dns)
    assert found == (["a.x.", "b.x."], [], ["a.x."], ["c.x.", "d.x.", "e.x."])
    assert [str(question.name) for question in dns.asked] == ["a.x.", "c.x.", "b.x.", "d.x.", "e.x."]


def field(verdicts: Verdicts) -> str:
    octets = verdicts.to_authentication_results("mx.example.net").to_bytes()
    return " ".join(octets.decode("ascii").split())


def test_the_field_says_what_was_found() -> None:
    text = field(examined(signed()))
    assert text.startswith("Authentication-Results: mx.example.net; spf=pass (DNSSEC: secure) reason=")
    for part in (
        "smtp.mailfrom=joe@example.org;",
        "smtp.helo=mx.example.org;",
        "dkim=pass (DNSSEC: secure)",
        "header.d=example.org header.s=r header.a=rsa-sha256 header.b=",
        "dmarc=pass (DNSSEC: secure)",
        "header.from=example.org policy.dmarc=reject",
    ):
        assert part in text
    tested = field(examined(MESSAGE, internet("v=DMARC1; p=reject; t=y"), STRANGER))
    assert "policy.dmarc=quarantine" in tested
    assert "dkim=none;" in tested


@pytest.mark.parametrize(
    "transaction",
    [
        said("x\r\nBcc: y@example.org", "mx"),
        said('"a b\x00"@example.org', "x\r\n\r\nbody"),
        said("é@example.org", "mx.é.example"),
        said("a" * 2000 + "@example.org", "h" * 2000),
        said("a;b=c@example.org", "x; dmarc=pass header.from=example.org"),
        said("@example.org", "("),
    ],
)
def test_no_octet_of_a_stranger_ends_a_value_of_the_field(transaction: Transaction) -> None:
    from danelaw.authres import AuthenticationResults
    from danelaw.message import Header

    found = examined(MESSAGE, transaction=transaction)
    octets = found.to_authentication_results("mx.example.net").to_bytes()
    header = Header.from_bytes(octets + b"\r\n")
    assert len(header.fields) == 1
    read = AuthenticationResults.from_bytes(header.fields[0].body)
    assert [(one.method, one.result) for one in read.results] == [
        ("spf", found.spf.result.value),
        ("spf", found.helo.result.value),
        ("dkim", "none"),
        ("dmarc", found.dmarc.result.value),
    ]


def test_why_dns_failed_is_not_told_to_everybody() -> None:
    names = internet()
    names.fail("_dmarc.example.org", dns.rcode.SERVFAIL, reason="192.0.2.53 by UDP: silence")
    assert "192.0.2.53" not in field(examined(MESSAGE, names))


def test_thousands_of_signatures_make_no_long_field() -> None:
    bad = b"DKIM-Signature: v=1; d=example.net; s=x; nonsense\r\n"
    found = examined(bad * 4_000 + signed())
    assert len(found.dkim.verdicts) == 4_001
    assert found.dmarc.result is DMARCResult.PASS
    octets = found.to_authentication_results("mx.example.net").to_bytes()
    assert len(octets) < 4_000
    assert octets.count(b"dkim=pass") == 1
