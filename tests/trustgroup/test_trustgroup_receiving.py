"""What mail from a member shows: transport, signature, DMARC, each in every state."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal

import pytest

from danelaw.address import Domain
from danelaw.arc import ARCOutcome, ChainStatus
from danelaw.authentication import Transaction, Verdicts
from danelaw.dkim import DKIMOutcome, DKIMResult, DKIMVerdict
from danelaw.dmarc import DMARCEvaluation, DMARCResult
from danelaw.dmarc.result import Identifier
from danelaw.dnsdata import DNSSECStatus
from danelaw.message import author_addresses
from danelaw.spf import Evaluation, Request, evaluate
from danelaw.testing import FakeDNS, run_lookup
from danelaw.trustgroup import Kept, Receive, judge_received

AUTHOR = Domain("news.example.org")
TLS13 = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
EVERYTHING = Receive(tls="1.2", dkim="author", dmarc="enforced")


def spf() -> Evaluation:
    request = Request.mail_from(ip_address("192.0.2.1"), "a@example.org", "mx.example.org")
    return run_lookup(evaluate(request, receiver="mx", now=0.0), FakeDNS())


def verdicts(
    *signatures: DKIMVerdict, dmarc: DMARCResult = DMARCResult.PASS, aligned: tuple[str, ...] = ()
) -> Verdicts:
    identifiers = tuple(
        Identifier(method="dkim", domain=name, result="pass", authenticated=True, aligned=True, note="")
        for name in aligned
    )
    none = spf()
    return Verdicts(
        transaction=Transaction(ip_address("192.0.2.1"), "mx", ""),
        spf=none,
        helo=none,
        dkim=DKIMOutcome(signatures),
        arc=ARCOutcome(ChainStatus.NONE, ""),
        dmarc=DMARCEvaluation(result=dmarc, reason="words", domain=AUTHOR.ascii, identifiers=identifiers),
        authors=author_addresses([(b"From", b"From: a@news.example.org\r\n")]),
    )


def signature(
    result: DKIMResult = DKIMResult.PASS,
    domain: str = AUTHOR.ascii,
    dnssec: DNSSECStatus = DNSSECStatus.SECURE,
    doubts: tuple[str, ...] = (),
) -> DKIMVerdict:
    return DKIMVerdict(result, "why", domain, "s1", dnssec=dnssec, doubts=doubts)


def test_what_shows_everything_is_kept() -> None:
    found = judge_received(EVERYTHING, AUTHOR, TLS13, verdicts(signature()))
    assert found.kept is Kept.KEPT
    assert found.reason == "TLS 1.3; DKIM signature of news.example.org; DMARC pass"


@pytest.mark.parametrize(
    ("floor", "tls", "kept"),
    [
        ("1.2", None, Kept.BROKEN),
        ("1.2", ("TLSv1", "x"), Kept.BROKEN),
        ("1.2", ("TLSv1.1", "x"), Kept.BROKEN),
        ("1.2", ("TLSv1.2", "x"), Kept.KEPT),
        ("1.3", ("TLSv1.2", "x"), Kept.BROKEN),
        ("1.3", TLS13, Kept.KEPT),
        ("1.2", ("unknown", "x"), Kept.BROKEN),
        (None, None, Kept.KEPT),
    ],
)
def test_the_session_has_a_floor(floor: str | None, tls: tuple[str, str] | None, kept: Kept) -> None:
    found = judge_received(Receive(tls=floor), AUTHOR, tls, verdicts())
    assert found.kept is kept
    assert found.no_tls is (kept is Kept.BROKEN)


@pytest.mark.parametrize(
    ("signatures", "kept", "words"),
    [
        ((), Kept.BROKEN, "it has no DKIM signature of news.example.org"),
        ((signature(DKIMResult.FAIL),), Kept.BROKEN, "does not hold: why"),
        ((signature(DKIMResult.TEMPERROR),), Kept.UNDECIDED, "cannot be looked up"),
        ((signature(DKIMResult.FAIL), signature(DKIMResult.TEMPERROR)), Kept.UNDECIDED, "cannot be looked up"),
        ((signature(doubts=("octets behind l=",)),), Kept.BROKEN, "does not hold"),
        ((signature(domain="example.org"),), Kept.BROKEN, "it has no DKIM signature of news.example.org"),
        ((signature(DKIMResult.FAIL), signature()), Kept.KEPT, "DKIM signature of news.example.org"),
        ((signature(domain="NEWS.Example.ORG."),), Kept.KEPT, "DKIM signature"),
    ],
)
def test_the_author_signs(signatures: tuple[DKIMVerdict, ...], kept: Kept, words: str) -> None:
    found = judge_received(Receive(dkim="author"), AUTHOR, None, verdicts(*signatures))
    assert found.kept is kept
    assert words in found.reason


def test_an_aligned_signature_is_enough_where_that_is_agreed() -> None:
    said = verdicts(signature(domain="example.org"), aligned=("example.org",))
    assert judge_received(Receive(dkim="aligned"), AUTHOR, None, said).kept is Kept.KEPT
    assert judge_received(Receive(dkim="author"), AUTHOR, None, said).kept is Kept.BROKEN
    stranger = verdicts(signature(domain="other.example"), aligned=("example.org",))
    assert judge_received(Receive(dkim="aligned"), AUTHOR, None, stranger).kept is Kept.BROKEN


def test_keys_can_be_wanted_in_signed_dns() -> None:
    demands = Receive(dkim="author", signed_keys=True)
    assert judge_received(demands, AUTHOR, None, verdicts(signature())).kept is Kept.KEPT
    found = judge_received(demands, AUTHOR, None, verdicts(signature(dnssec=DNSSECStatus.INSECURE)))
    assert found.kept is Kept.BROKEN
    assert "not in signed DNS" in found.reason


@pytest.mark.parametrize(
    ("wanted", "result", "kept"),
    [
        ("enforced", DMARCResult.PASS, Kept.KEPT),
        ("enforced", DMARCResult.FAIL, Kept.BROKEN),
        ("enforced", DMARCResult.PERMERROR, Kept.BROKEN),
        ("enforced", DMARCResult.TEMPERROR, Kept.UNDECIDED),
        ("enforced", DMARCResult.NONE, Kept.KEPT),
        ("pass", DMARCResult.NONE, Kept.BROKEN),
        ("pass", DMARCResult.PASS, Kept.KEPT),
        ("pass", DMARCResult.FAIL, Kept.BROKEN),
        ("off", DMARCResult.FAIL, Kept.KEPT),
    ],
)
def test_dmarc_is_enforced(wanted: Literal["off", "enforced", "pass"], result: DMARCResult, kept: Kept) -> None:
    assert judge_received(Receive(dmarc=wanted), AUTHOR, None, verdicts(dmarc=result)).kept is kept


def test_what_is_certainly_missing_goes_before_what_is_not_known() -> None:
    found = judge_received(EVERYTHING, AUTHOR, None, verdicts(signature(DKIMResult.TEMPERROR)))
    assert found.kept is Kept.BROKEN
    assert found.reasons == ("it came without TLS",)
