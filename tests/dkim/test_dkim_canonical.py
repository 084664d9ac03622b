"""Canonical forms by the examples of RFC 6376 §3.4, and in any chunking against a plain reading of its words."""

from __future__ import annotations

import base64
import hashlib
import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.dkim import BodyCanonicalizer, BodyHashes, Canonicalization, canonical_field
from danelaw.dkim.canonical import Octets

SIMPLE, RELAXED = Canonicalization.SIMPLE, Canonicalization.RELAXED

bodies = st.lists(
    st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"a", b"bc", b"  ", b"\r\n\r\n", b"\x00", b"\x0b", b"\xff"]),
    max_size=40,
).map(b"".join)


def canonical(body: bytes, how: Canonicalization, cuts: tuple[int, ...] = ()) -> bytes:
    out = bytearray()
    canonicalizer = BodyCanonicalizer(how, out.extend)
    for start, end in zip((0, *cuts), (*cuts, len(body)), strict=True):
        canonicalizer.update(body[start:end])
    canonicalizer.finish()
    return bytes(out)


def as_the_rfc_says(body: bytes, how: Canonicalization) -> bytes:
    """RFC 6376 §3.4.3 and §3.4.4 step by step on the whole body."""
    if how is RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+\Z", b"", line)) for line in body.split(b"\r\n")]
        body = b"\r\n".join(lines)
    body = re.sub(rb"(?:\r\n)*\Z", b"", body, count=1)
    return body + b"\r\n" if body or how is SIMPLE else b""


@given(bodies, st.sampled_from(Canonicalization), st.data())
def test_any_chunking_gives_what_the_rfc_says(body: bytes, how: Canonicalization, data: st.DataObject) -> None:
    cuts = tuple(sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6))))
    assert canonical(body, how, cuts) == as_the_rfc_says(body, how)


@given(bodies, st.sampled_from(Canonicalization))
def test_octet_by_octet_is_the_same_as_at_once(body: bytes, how: Canonicalization) -> None:
    assert canonical(body, how, tuple(range(1, len(body)))) == canonical(body, how)


@pytest.mark.parametrize("at", [65534, 65535, 65536, 65537, 131071])
@pytest.mark.parametrize("joint", [b" \t \r\n", b"\r\n\r\n\r\n", b" \r \r\n", b"\r\r\n", b"   x", b"\n\r\n"])
def test_what_straddles_the_inner_slices_is_seen_whole(at: int, joint: bytes) -> None:
    for shift in range(len(joint)):
        body = b"x" * (at - shift) + joint + b"y z"
        for how in Canonicalization:
            assert canonical(body, how) == as_the_rfc_says(body, how)
            assert canonical(body[:-3], how) == as_the_rfc_says(body[:-3], how)


@pytest.mark.parametrize(
    ("body", "how", "digest"),
    [
        (b"", SIMPLE, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),  # RFC 6376 §3.4.3
        (b"\r\n\r\n", SIMPLE, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        (b"", RELAXED, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),  # §3.4.4
        (b" \t\r\n\r\n", RELAXED, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        (b" ", RELAXED, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ],
)
def test_empty_bodies_hash_as_the_rfc_says(body: bytes, how: Canonicalization, digest: str) -> None:
    hashes = BodyHashes([(how, None)])
    hashes.update(body)
    assert base64.b64encode(hashes.finish()[how, None].digest or b"").decode() == digest


def test_the_examples_of_the_rfc() -> None:
    """RFC 6376 §3.4.5."""
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert canonical(body, RELAXED) == b" C\r\nD E\r\n"
    assert canonical(body, SIMPLE) == b" C \r\nD \t E\r\n"
    assert canonical_field(b"A", b"A: X\r\n", RELAXED) == b"a:X\r\n"
    assert canonical_field(b"B ", b"B : Y\t\r\n\tZ  \r\n", RELAXED) == b"b:Y Z\r\n"
    assert canonical_field(b"B ", b"B : Y\t\r\n\tZ  \r\n", SIMPLE) == b"B : Y\t\r\n\tZ  \r\n"


def test_only_spaces_and_tabs_are_white_space_in_a_field() -> None:
    assert canonical_field(b"A", b"A:\x0b x\x0c\xa0 \r\n", RELAXED) == b"a:\x0b x\x0c\xa0\r\n"
    assert canonical_field(b"A", b"A:\r\n \r\n\t\r\n", RELAXED) == b"a:\r\n"


@given(bodies, st.lists(st.integers(0, 60), max_size=5), st.sampled_from(Canonicalization), st.integers(1, 7))
def test_a_hash_over_the_first_octets_is_that_of_the_cut_canonical_body(
    body: bytes, lengths: list[int], how: Canonicalization, step: int
) -> None:
    hashes = BodyHashes([(how, length) for length in lengths] + [(how, None)])
    for start in range(0, len(body), step):
        hashes.update(body[start : start + step])
    found, whole = hashes.finish(), as_the_rfc_says(body, how)
    assert found[how, None].digest == hashlib.sha256(whole).digest()
    for length in lengths:
        expected = hashlib.sha256(whole[:length]).digest() if length <= len(whole) else None
        assert found[how, length].digest == expected
        assert found[how, length].octets == len(whole)


def test_a_body_is_canonicalized_once_per_way_however_many_signatures_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Canonicalization] = []

    class Counted(BodyCanonicalizer):
        def __init__(self, how: Canonicalization, sink: object) -> None:
            made.append(how)
            super().__init__(how, sink)  # type: ignore[arg-type]

    monkeypatch.setattr("danelaw.dkim.bodyhash.BodyCanonicalizer", Counted)
    BodyHashes([(RELAXED, None), (RELAXED, 5), (SIMPLE, None), (RELAXED, None), (SIMPLE, 9)])
    assert sorted(way.value for way in made) == ["relaxed", "simple"]


@pytest.mark.parametrize("kind", [b"text with  spaces \r\n", b" ", b"\r\n", b"\r", b"x"])
def test_memory_stays_small_however_long_the_body(kind: bytes) -> None:
    piece = kind * (1 << 20)
    octets = 0

    def sink(data: Octets) -> None:
        nonlocal octets
        octets += len(data)

    for how in Canonicalization:
        canonicalizer = BodyCanonicalizer(how, sink)
        tracemalloc.start()
        for _ in range(4):
            canonicalizer.update(piece)
        canonicalizer.update(b"x")
        canonicalizer.finish()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 << 20
    assert octets
