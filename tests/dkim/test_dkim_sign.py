"""Signing: what h= covers, what the field looks like, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from tests.dkim.dkim_samples import (
    DOMAIN,
    MESSAGE,
    NOW,
    ed25519_signer,
    rsa_key,
    rsa_signer,
    signed,
    split,
    verified,
)

from danelaw.dkim import (
    DEFAULT_OVERSIGNED,
    DKIMResult,
    DKIMSignature,
    DKIMSigning,
    KeyRefused,
    PrivateKey,
    SigningError,
    SigningKey,
)


def field(message: bytes) -> DKIMSignature:
    name, raw = split(message)[0][0]
    assert name == b"DKIM-Signature"
    return DKIMSignature.from_bytes(raw.partition(b":")[2])


def test_every_field_there_is_covered_and_none_can_be_added() -> None:
    signature = field(signed())
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        assert signature.headers.count(name) == 2
    for name in ("Reply-To", "Cc", "Content-Type", "MIME-Version"):
        assert signature.headers.count(name) == 1
    assert "Received" not in signature.headers
    assert set(DEFAULT_OVERSIGNED) <= set(signature.headers)


def test_times_identity_and_headers_are_settings() -> None:
    signature = field(
        signed(lifetime=timedelta(days=7), identity="joe@mail.example.org", headers=("From",), oversigned=())
    )
    assert (signature.timestamp, signature.expiration) == (int(NOW), int(NOW) + 7 * 86400)
    assert (signature.identity, signature.headers) == ("joe@mail.example.org", ("From",))
    assert field(signed(timestamp=False)).timestamp is None


def test_two_keys_sign_over_one_pass_of_the_body() -> None:
    fields, body = split(MESSAGE)
    signing = DKIMSigning(fields, [rsa_signer(), ed25519_signer()])
    for octet in body:
        signing.update(bytes([octet]))
    both = signing.sign(NOW)
    assert [b"a=rsa-sha256" in both[0], b"a=ed25519-sha256" in both[1]] == [True, True]
    assert verified(b"".join(both) + MESSAGE).result is DKIMResult.PASS
    assert b"".join(both) == signed(MESSAGE, [rsa_signer(), ed25519_signer()]).removesuffix(MESSAGE)


def test_the_field_is_ascii_in_short_lines_and_ends_with_crlf() -> None:
    raw = signed().removesuffix(MESSAGE)
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78


@given(
    st.lists(st.tuples(st.sampled_from(["To", "Cc", "X", "Subject", "List-Id"]), st.binary(max_size=30)), max_size=8),
    st.binary(max_size=200),
)
def test_whatever_is_signed_verifies(others: list[tuple[str, bytes]], body: bytes) -> None:
    header = b"".join(
        name.encode() + b": " + value.replace(b"\r", b" ").replace(b"\n", b"\r\n ") + b"\r\n" for name, value in others
    )
    message = header + b"From: a@example.org\r\n\r\n" + body
    outcome = verified(signed(message, [ed25519_signer()]))
    assert [verdict.result for verdict in outcome.verdicts] == [DKIMResult.PASS]


@pytest.mark.parametrize(
    ("message", "words"), [(b"To: b\r\n\r\n", "no From"), (b"From: a\r\nFROM: b\r\n\r\n", "2 From")]
)
def test_a_message_without_exactly_one_author_is_not_signed(message: bytes, words: str) -> None:
    with pytest.raises(SigningError, match=words):
        signed(message)


def test_no_key_is_an_error() -> None:
    with pytest.raises(SigningError, match="no key"):
        DKIMSigning(split(MESSAGE)[0], [])


def pem(key: object, secret: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(secret) if secret else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)  # type: ignore[attr-defined, no-any-return]


def test_keys_come_in_pem_and_others_are_refused_with_the_reason() -> None:
    assert PrivateKey.from_pem(pem(rsa_key())).algorithm == "rsa-sha256"
    assert PrivateKey.from_pem(pem(ed25519_signer().key.key)).algorithm == "ed25519-sha256"
    for data, words in (
        (pem(rsa_key(), b"secret"), "encrypted"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
        (b"no key", "no private key in PEM"),
    ):
        with pytest.raises(KeyRefused, match=words):
            PrivateKey.from_pem(data)


def test_a_key_does_not_show_itself() -> None:
    assert "private" not in repr(SigningKey(DOMAIN, "r", PrivateKey.from_key(rsa_key()))).lower().replace(
        "privatekey", ""
    )
