"""Verification rule by rule: each result of RFC 8601 §2.7.1 with its reason, and never a pass where a rule says no."""

from __future__ import annotations

from datetime import timedelta

import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dkim.dkim_samples import (
    DOMAIN,
    MESSAGE,
    NOW,
    ed25519_key,
    ed25519_signer,
    names,
    published,
    rsa_key,
    rsa_signer,
    signed,
    split,
    txt,
    verified,
)

from danelaw.dkim import (
    Canonicalization,
    DKIMKeyRecord,
    DKIMResult,
    DKIMVerification,
    PrivateKey,
    SigningKey,
)
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS, run_lookup

PASS, FAIL, POLICY = DKIMResult.PASS, DKIMResult.FAIL, DKIMResult.POLICY
NEUTRAL, TEMPERROR, PERMERROR = DKIMResult.NEUTRAL, DKIMResult.TEMPERROR, DKIMResult.PERMERROR
OWNER = "r._domainkey.example.org"


def only(message: bytes, dns: FakeDNS | None = None, **settings: object) -> tuple[DKIMResult, str]:
    (verdict,) = verified(message, dns, **settings).verdicts  # type: ignore[arg-type]
    assert verdict.reason
    assert not verdict.authenticates or verdict.result is PASS
    return verdict.result, verdict.reason


def with_record(text: str) -> FakeDNS:
    return FakeDNS(txt(OWNER, text))


def by_hand(tags: str, message: bytes = MESSAGE) -> bytes:
    """A DKIM-Signature field that no signer of ours would write, in front of a message."""
    return f"DKIM-Signature: {tags}\r\n".encode() + message


HASH = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="


def test_an_unsigned_message_is_none() -> None:
    outcome = verified(MESSAGE)
    assert (outcome.result, outcome.verdicts) == (DKIMResult.NONE, ())


@pytest.mark.parametrize("header_way", Canonicalization)
@pytest.mark.parametrize("body_way", Canonicalization)
def test_both_algorithms_pass_in_every_canonical_form(header_way: Canonicalization, body_way: Canonicalization) -> None:
    message = signed(
        MESSAGE,
        [rsa_signer(), ed25519_signer()],
        header_canonicalization=header_way,
        body_canonicalization=body_way,
    )
    outcome = verified(message)
    assert [verdict.result for verdict in outcome.verdicts] == [PASS, PASS]
    assert [verdict.key_bits for verdict in outcome.verdicts] == [2048, 256]
    assert all(verdict.dnssec is DNSSECStatus.SECURE for verdict in outcome.authenticated)


def test_the_status_of_the_answer_stays_with_the_verdict() -> None:
    (verdict,) = verified(signed(), names().mark("example.org", DNSSECStatus.SECURE)).verdicts
    assert verdict.dnssec is DNSSECStatus.SECURE
    (verdict,) = verified(signed(), FakeDNS(insecure=published(rsa_signer()))).verdicts
    assert verdict.dnssec is DNSSECStatus.INSECURE


@given(st.data())
@settings(max_examples=60)
def test_no_change_of_an_octet_goes_unseen_in_simple_form(data: st.DataObject) -> None:
    way = Canonicalization.SIMPLE
    message = bytearray(signed(header_canonicalization=way, body_canonicalization=way))
    # Received is not signed; everything else of the header and body is, but empty lines at the end.
    start = message.index(b"From: Joe")
    at = data.draw(st.integers(start, len(message) - 7))
    message[at] ^= 1 << data.draw(st.integers(0, 6))
    assert verified(bytes(message)).result is not PASS


def test_white_space_may_change_in_relaxed_form_and_words_may_not() -> None:
    message = signed()
    refolded = message.replace(b"net>,\r\n\tAnna", b"net>, Anna").replace(
        b"Is  dinner\tready?  ", b"Is dinner\r\n ready?"
    )
    refolded = refolded.replace(b"lost  the game.\t Are", b"lost the game. Are").replace(b"SUBJECT", b"subject")
    assert refolded != message
    assert only(refolded)[0] is PASS
    assert only(message.replace(b"Hi.", b"Ho.")) == (FAIL, "the body is not the one that was signed (bh= differs)")
    result, reason = only(message.replace(b"Is  dinner", b"Is  supper"))
    assert result is FAIL
    assert "a signed header field was changed" in reason


def test_a_body_in_any_pieces_gives_the_same_outcome() -> None:
    message = signed()
    body = split(message)[1]
    for size in (1, 2, 3, 7, 1000):
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert verified(message, pieces=pieces).result is PASS


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r", b" \r", b"x", b"\r\n\r\n"])
def test_bodies_with_odd_ends_verify(end: bytes) -> None:
    for body in (b"", b"a\rb\nc"):
        message = b"From: a@example.org\r\n\r\n" + body + end
        for way in Canonicalization:
            assert only(signed(message, body_canonicalization=way))[0] is PASS


def test_repeated_names_are_taken_from_the_bottom() -> None:
    message = b"X: 1\r\nX: 2\r\nFrom: a@example.org\r\nX: 3\r\n\r\n"
    protected = signed(message, headers=("From", "X"), oversigned=())
    assert b"h=From:X:X:X;" in protected
    once = signed(b"From: a@example.org\r\nX: 3\r\n\r\n", headers=("From", "X"), oversigned=())
    on_top = once.replace(b"From: a@", b"X: 2\r\nFrom: a@")
    assert only(on_top)[0] is PASS  # h=From:X means the lowest X
    assert only(once.replace(b"X: 3\r\n", b"X: 3\r\nX: 4\r\n"))[0] is FAIL
    assert only(protected.replace(b"X: 1\r\nX: 2", b"X: 2\r\nX: 1"))[0] is FAIL


def test_a_field_that_is_added_under_an_oversigned_name_is_seen() -> None:
    assert only(signed().replace(b"\r\nFrom:", b"\r\nSubject: buy\r\nFrom:"))[0] is FAIL


def test_a_second_author_is_not_let_through_by_a_signature_over_the_first() -> None:
    message = signed(oversigned=())
    result, reason = only(message.replace(b"\r\nFrom:", b"\r\nFrom: boss@example.org\r\nFrom:"))
    assert (result, reason) == (POLICY, "the message has 2 From fields, and the signature covers 1")


def test_a_message_without_author_is_permerror() -> None:
    message = by_hand(f"v=1; a=rsa-sha256; d=example.org; s=r; h=From; bh={HASH}; b=AAAA", b"To: b@example.org\r\n\r\n")
    assert only(message) == (PERMERROR, "the message has no From field")


# Keys


def test_no_key_and_a_revoked_key_are_permerror() -> None:
    assert only(signed(), FakeDNS()) == (PERMERROR, f"there is no key at {OWNER}")
    assert only(signed(), FakeDNS(f"{OWNER}. A 192.0.2.1"))[0] is PERMERROR
    result, reason = only(signed(), with_record("v=DKIM1; p="))
    assert result is PERMERROR
    assert "it is revoked" in reason


@pytest.mark.parametrize("how", [DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_failed_look_up_is_temperror_and_never_absence(how: DNSSECStatus | dns.rcode.Rcode) -> None:
    result, reason = only(signed(), names().fail(OWNER, how))
    assert result is TEMPERROR
    assert f"{OWNER} cannot be looked up now" in reason


def test_a_failed_look_up_outranks_what_failed_for_good() -> None:
    message = signed(MESSAGE, [rsa_signer(), ed25519_signer()]).replace(b"Hi.", b"Ho.")
    outcome = verified(message, names().fail(OWNER, DNSSECStatus.BOGUS))
    assert [verdict.result for verdict in outcome.verdicts] == [TEMPERROR, FAIL]
    assert outcome.result is TEMPERROR


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"services": ("tlsrpt",)}, "not for mail"),
        ({"hashes": ("sha1",)}, "does not allow sha256"),
        ({"key_type": "ed25519"}, "k=ed25519, and the signature needs rsa"),
        ({"public_key": b"x"}, "holds no RSA key"),
    ],
)
def test_a_key_that_does_not_fit_is_permerror(change: dict[str, object], reason: str) -> None:
    result, words = only(signed(), FakeDNS(published(rsa_signer(), **change)))
    assert result is PERMERROR
    assert reason in words


def test_a_record_that_is_no_key_says_so() -> None:
    result, reason = only(signed(), with_record("v=spf1 -all"))
    assert result is PERMERROR
    assert "begins with v='spf1 -all'" in reason


def test_of_several_records_the_one_that_fits_counts() -> None:
    other = SigningKey(DOMAIN, "r", PrivateKey.from_key(rsa_key(1024)))
    dns = FakeDNS(txt(OWNER, "v=spf1 -all") + published(other) + published(rsa_signer()))
    assert only(signed(), dns)[0] is PASS
    assert only(signed(), FakeDNS(txt(OWNER, "v=spf1 -all") + published(other)))[0] is FAIL
    many = "".join(txt(OWNER, f"v=DKIM1; n={number}; p=") for number in range(8))
    assert only(signed(), FakeDNS(many + published(rsa_signer())), most_keys=2)[0] is PERMERROR


def test_key_sizes_follow_rfc_8301_and_our_own_rule() -> None:
    short = rsa_key(1024)
    signer = SigningKey(DOMAIN, "r", PrivateKey.from_key(short))
    dns = FakeDNS(published(signer))
    message = signed(MESSAGE, [signer])
    assert only(message, dns)[0] is PASS
    result, reason = only(message, dns, smallest_rsa=2048)
    assert result is POLICY
    assert "has 1024 bits, fewer than 2048" in reason


def test_rsa_below_1024_bits_is_permerror_though_it_fits() -> None:
    # The key of the ARC test suite (as_fields_b_512).
    p = (
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIWmlgix/84GJ+dfgjm7LTc9EPdfk"
        "ftlgiPpCq4/kbDAZmU0VvYKDljjleJ1dfvS+CGy9U/kk1tG3EeEvb82xAcCAwEAAQ=="
    )
    result, reason = only(signed(), with_record(f"v=DKIM1; p={p}"))
    assert result is PERMERROR
    assert "512 bits, fewer than 1024" in reason


def test_an_rsa_key_in_the_form_of_rfc_6376_itself_is_taken() -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    octets = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert only(signed(), FakeDNS(published(rsa_signer(), public_key=octets)))[0] is PASS


def test_rsa_sha1_no_longer_counts_and_unknown_algorithms_are_ignored() -> None:
    tags = f"v=1; a=rsa-sha1; d=example.org; s=r; h=From; bh={HASH}; b=AAAA"
    result, reason = only(by_hand(tags))
    assert (result, "rsa-sha1" in reason) == (PERMERROR, True)
    assert only(by_hand(tags.replace("rsa-sha1", "rsa-sha512")))[0] is NEUTRAL


def test_strict_identity_of_the_key_forbids_subdomains_in_i() -> None:
    dns = FakeDNS(published(rsa_signer(), flags=("s",)))
    assert only(signed(identity="joe@example.org"), dns)[0] is PASS
    message = signed(identity="joe@mail.example.org")
    assert only(message)[0] is PASS
    result, reason = only(message, dns)
    assert result is PERMERROR
    assert "(t=s)" in reason


def test_a_key_in_testing_mode_authenticates_nobody() -> None:
    dns = FakeDNS(published(rsa_signer(), flags=("y",)))
    outcome = verified(signed(), dns)
    assert outcome.result is PASS
    assert outcome.verdicts[0].testing
    assert outcome.authenticated == ()
    assert "only tests DKIM" in outcome.verdicts[0].reason
    assert len(verified(signed(), dns, testing=True).authenticated) == 1


# Time


def test_expiry_and_post_dating_count_beyond_the_drift() -> None:
    message = signed(lifetime=timedelta(hours=1))
    assert only(message, now=NOW + 3600 + 299)[0] is PASS
    result, reason = only(message, now=NOW + 3600 + 301)
    assert (result, reason) == (POLICY, "it expired 301 seconds ago (x=)")
    assert only(message, now=NOW - 299)[0] is PASS
    result, reason = only(message, now=NOW - 301)
    assert (result, reason) == (POLICY, "it claims to be made 301 seconds in the future (t=)")
    assert only(message, now=NOW - 301, drift=timedelta(minutes=10))[0] is PASS
    assert only(signed(timestamp=False), now=0.0)[0] is PASS


# l=


def limited(length: int, message: bytes = MESSAGE) -> bytes:
    """A signature with l=, which our signer does not make."""
    from dataclasses import replace

    from danelaw.dkim import BodyHashes, DKIMSignature, HeaderFields

    fields, body = split(message)
    way = Canonicalization.SIMPLE
    hashes = BodyHashes([(way, length)])
    hashes.update(body)
    digest = hashes.finish()[way, length].digest or b"\0" * 32
    unsigned = DKIMSignature("rsa-sha256", DOMAIN, "r", ("From",), digest, b"", way, way, length=length)
    raw = f"DKIM-Signature:{unsigned.to_text()}\r\n".encode()
    hashed = HeaderFields(fields).digest(("From",), way, (b"DKIM-Signature", raw))
    return (
        f"DKIM-Signature:{replace(unsigned, signature=rsa_signer().key.sign(hashed)).to_text()}\r\n".encode() + message
    )


def test_octets_behind_l_verify_and_authenticate_nobody() -> None:
    whole = len(split(MESSAGE)[1]) - 4
    outcome = verified(limited(whole))
    assert len(outcome.authenticated) == 1
    longer = verified(limited(whole) + b"buy this\r\n")
    (verdict,) = longer.verdicts
    assert (longer.result, verdict.unsigned_octets, longer.authenticated) == (PASS, 14, ())
    assert "14 octets of the body stand behind what is signed (l=)" in verdict.reason
    assert len(verified(limited(whole) + b"buy this\r\n", partial_body=True).authenticated) == 1
    assert verified(limited(0)).result is PASS
    assert verified(limited(0)).authenticated == ()


def test_an_l_larger_than_the_body_is_permerror() -> None:
    result, reason = only(limited(100_000))
    assert result is PERMERROR
    assert "l= covers 100000 octets" in reason


# Several signatures


def test_all_keys_are_asked_for_in_one_batch_and_each_name_once() -> None:
    message = signed(MESSAGE, [rsa_signer(), ed25519_signer(), rsa_signer()])
    dns = names()
    assert [verdict.result for verdict in verified(message, dns).verdicts] == [PASS] * 3
    assert [len(batch) for batch in dns.batches] == [2]


def test_signatures_beyond_the_limit_are_not_tried() -> None:
    message = signed(MESSAGE, [rsa_signer()] * 5)
    found = verified(message, most_signatures=3).verdicts
    assert [verdict.result for verdict in found] == [PASS] * 3 + [NEUTRAL] * 2
    assert found[-1].reason == "it was not tried: only 3 signatures of a message are"


def test_a_broken_signature_does_not_hide_a_good_one() -> None:
    outcome = verified(by_hand("v=1; nonsense", signed()))
    assert [verdict.result for verdict in outcome.verdicts] == [PERMERROR, PASS]
    assert outcome.result is PASS


def test_signing_others_signatures_covers_them_and_not_itself() -> None:
    once = signed()
    twice = signed(once, [ed25519_signer()], headers=("From", "DKIM-Signature"), oversigned=("From",))
    assert [verdict.result for verdict in verified(twice).verdicts] == [PASS, PASS]
    changed = twice.replace(b" v=1; a=rsa", b" v=1;; a=rsa")
    assert [verdict.result for verdict in verified(changed).verdicts] == [FAIL, PERMERROR]


def test_no_body_is_needed_where_no_signature_is_worth_it() -> None:
    fields, _ = split(by_hand("v=1; nonsense"))
    verification = DKIMVerification(fields, now=NOW)
    assert not verification.needs_body
    assert run_lookup(verification.lookup(), names()) == {}
    assert verification.conclude({}).result is PERMERROR


def test_a_question_too_long_for_dns_is_permerror() -> None:
    long = ".".join(["a" * 60] * 4)
    tags = f"v=1; a=rsa-sha256; d={long}.org; s=r; h=From; bh={HASH}; b=AAAA"
    result, reason = only(by_hand(tags))
    assert result is PERMERROR
    assert "too long for a name" in reason


def test_rfc_8463_example_key_is_ours() -> None:
    record = PrivateKey.from_key(ed25519_key()).record()
    expected = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert record.to_text() == expected
    assert DKIMKeyRecord.from_text(expected) == record
