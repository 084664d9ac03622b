"""The fuzz targets of dkim and arc on what they were made for, without a fuzzer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.dkim.dkim_samples import ed25519_signer, rsa_signer, signed, split

from danelaw.arc import ChainStatus, seal
from fuzz.arc_set import test_one_input as arc_target
from fuzz.dkim_canonical import test_one_input as canonical_target
from fuzz.dkim_key import test_one_input as key_target
from fuzz.dkim_signature import test_one_input as signature_target

SIGNATURE = split(signed())[0][0][1].partition(b":")[2].removesuffix(b"\r\n")
KEYS = [signer.key.record(notes="n").to_text().encode() for signer in (rsa_signer(), ed25519_signer())]
PIECES = st.sampled_from([b" ", b"\t", b"\r\n", b";", b"=", b":", b"v=1", b"b=", b"\xc3\xbc", b"\x00", b"l=0", b"("])


def chain() -> bytes:
    fields, body = split(signed())
    three = seal(fields, body, rsa_signer(), "mx.example.org; none", ChainStatus.NONE, now=1.0)
    values = [field.partition(b":")[2].removesuffix(b"\r\n") for field in three]
    return b"\x00".join(bytes([number]) + value for number, value in enumerate(values, 3))


CHAIN = chain()


def test_undamaged_input_reaches_the_end_of_every_target() -> None:
    signature_target(SIGNATURE)
    for key in KEYS:
        key_target(key)
    arc_target(CHAIN)


@given(st.integers(0, len(SIGNATURE)), PIECES | st.binary(max_size=3), st.integers(0, 4))
def test_damaged_signatures(at: int, piece: bytes, cut: int) -> None:
    signature_target(SIGNATURE[:at] + piece + SIGNATURE[at + cut :])


@given(st.sampled_from(KEYS), st.integers(0, 400), PIECES | st.binary(max_size=3), st.integers(0, 4))
def test_damaged_keys(key: bytes, at: int, piece: bytes, cut: int) -> None:
    key_target(key[:at] + piece + key[at + cut :])


@given(st.integers(0, len(CHAIN)), PIECES | st.binary(max_size=3), st.integers(0, 4))
def test_damaged_chains(at: int, piece: bytes, cut: int) -> None:
    arc_target(CHAIN[:at] + piece + CHAIN[at + cut :])


@given(st.lists(PIECES | st.binary(max_size=3), max_size=30).map(b"".join))
def test_octets_of_strangers(data: bytes) -> None:
    for target in (signature_target, key_target, canonical_target, arc_target):
        target(data)
