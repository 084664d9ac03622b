"""Sealing and validating chains of our own: what breaks them, what does not, and what is said about it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.dkim.dkim_samples import MESSAGE, NOW, ed25519_signer, names, published, rsa_signer, signed, split

from danelaw.arc import (
    ARCAuthenticationResults,
    ARCError,
    ARCOutcome,
    ChainStatus,
    seal,
    verify,
)
from danelaw.dkim import SigningKey, VerifySettings
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS, run_lookup

NONE, PASS, FAIL = ChainStatus.NONE, ChainStatus.PASS, ChainStatus.FAIL
RESULTS = "mx.example.org; spf=pass smtp.mfrom=joe@example.org"


def sealed(message: bytes, status: ChainStatus, key: SigningKey | None = None) -> bytes:
    fields, body = split(message)
    return b"".join(seal(fields, body, key or rsa_signer(), RESULTS, status, now=NOW)) + message


def judged(message: bytes, dns: FakeDNS | None = None, settings: VerifySettings | None = None) -> ARCOutcome:
    fields, body = split(message)
    return run_lookup(verify(fields, body, now=NOW, settings=settings), dns or names())


def chain(length: int) -> bytes:
    message = signed()
    for number in range(length):
        message = sealed(message, PASS if number else NONE, ed25519_signer())
    return message


def test_a_message_never_sealed_is_none() -> None:
    assert judged(MESSAGE).status is NONE


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_chain_of_our_own_passes(length: int) -> None:
    outcome = judged(chain(length))
    assert (outcome.status, outcome.oldest_pass) == (PASS, 0)
    assert outcome.sealers == ("example.org",) * length
    assert outcome.chain.sets[-1].results.payload == RESULTS


def test_all_keys_are_asked_for_in_one_batch() -> None:
    dns = names()
    assert judged(sealed(sealed(MESSAGE, NONE), PASS, ed25519_signer()), dns).status is PASS
    assert [len(batch) for batch in dns.batches] == [2]


def test_fifty_sets_are_the_most() -> None:
    message = chain(50)
    assert judged(message).status is PASS
    with pytest.raises(ARCError, match="more than 50"):
        sealed(message, PASS)


def test_a_list_that_changes_the_message_and_seals_leaves_the_chain_whole() -> None:
    once = chain(1)
    changed = once.replace(b"Joe.\r\n", b"Joe.\r\n-- \r\na list\r\n")
    assert judged(changed).status is FAIL
    assert "message signature of set 1" in judged(changed).reason
    twice = judged(sealed(changed, PASS))
    assert (twice.status, twice.oldest_pass) == (PASS, 2)
    assert judged(sealed(sealed(changed, PASS), PASS)).oldest_pass == 2


def test_a_change_of_an_older_results_field_breaks_the_seals() -> None:
    message = chain(2)
    changed = message[::-1].replace(b"ssap=fps", b"liaf=fps", 1)[::-1]
    assert changed != message
    outcome = judged(changed)
    assert outcome.status is FAIL
    assert "the seal of set 2" in outcome.reason


@pytest.mark.parametrize("name", [b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"])
def test_a_missing_or_doubled_field_is_a_failure(name: bytes) -> None:
    fields, body = split(chain(2))
    without = [field for field in fields if not (field[0] == name and b" i=1;" in field[1])]
    assert len(without) == len(fields) - 1
    outcome = run_lookup(verify(without, body, now=NOW), names())
    assert (outcome.status, outcome.reason) == (FAIL, f"set 1 has no {name.decode()}")
    doubled = [*fields, next(field for field in fields if field[0] == name)]
    outcome = run_lookup(verify(doubled, body, now=NOW), names())
    assert (outcome.status, outcome.reason) == (FAIL, f"there are two {name.decode()} fields with i=2")


def test_sets_with_a_gap_are_a_failure() -> None:
    fields, body = split(chain(3))
    gap = [field for field in fields if not (field[0].startswith(b"ARC-") and b" i=2;" in field[1])]
    outcome = run_lookup(verify(gap, body, now=NOW), names())
    assert (outcome.status, outcome.reason) == (FAIL, "the sets are numbered 1, 3, not 1 to 2")


def test_a_failed_chain_is_marked_once_and_left_alone_afterwards() -> None:
    broken = chain(2).replace(b"Hi.", b"Ho.")
    marked = sealed(broken, FAIL)
    assert marked != broken
    outcome = judged(marked)
    assert outcome.status is FAIL
    assert "already found the chain broken (cv=fail)" in outcome.reason
    fields, body = split(marked)
    assert seal(fields, body, rsa_signer(), RESULTS, FAIL, now=NOW) == ()


def test_a_status_that_cannot_be_is_refused() -> None:
    for message, status in ((MESSAGE, PASS), (chain(1), NONE)):
        with pytest.raises(ARCError, match="cannot be found"):
            sealed(message, status)


def test_dns_failures_fail_the_chain_and_are_marked_as_temporary() -> None:
    dns = names().fail("e._domainkey.example.org", DNSSECStatus.BOGUS)
    outcome = judged(chain(1), dns)
    assert (outcome.status, outcome.temporary) == (FAIL, True)
    assert judged(chain(1), FakeDNS()).temporary is False


def test_the_size_rule_holds_for_seals_and_a_testing_key_does_not_matter() -> None:
    message = sealed(MESSAGE, NONE)
    testing = FakeDNS(published(rsa_signer(), flags=("y",)))
    assert judged(message, testing).status is PASS
    assert judged(message, settings=VerifySettings(smallest_rsa=4096)).status is FAIL


def test_an_expired_message_signature_does_not_pass() -> None:
    message = sealed(MESSAGE, NONE)
    fields, body = split(message)
    late = run_lookup(verify(fields, body, now=NOW - timedelta(days=1).total_seconds()), names())
    assert late.status is FAIL


def test_comments_stand_where_the_grammar_lets_them() -> None:
    read = ARCAuthenticationResults.from_bytes(b" (a (nested) one) i (x) = (y) 3 (z) ;\r\n mx.example.org; none")
    assert read == ARCAuthenticationResults(3, "mx.example.org; none")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b" mx.example.org; i=1;", "does not begin with i="),
        (b" i=0; x", "not a number from 1 to 50"),
        (b" i=51; x", "not a number from 1 to 50"),
        (b" i=1 x", "does not begin with i="),
    ],
)
def test_broken_results_say_why(value: bytes, reason: str) -> None:
    with pytest.raises(ARCError, match=reason):
        ARCAuthenticationResults.from_bytes(value)


def test_results_cannot_smuggle_a_field_in() -> None:
    fields, body = split(MESSAGE)
    with pytest.raises(ARCError, match="folds nothing"):
        seal(fields, body, rsa_signer(), "mx.example.org; none\r\nX: y", NONE, now=NOW)
