"""Tag lists, key records and signature fields: what RFC 6376 lets through, and each fault by its reason."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dkim.dkim_samples import DOMAIN, rsa_signer

from danelaw.address import Domain
from danelaw.dkim import (
    Canonicalization,
    DKIMKeyRecord,
    DKIMResult,
    DKIMSignature,
    KeyRecordError,
    KeyRefused,
    PublicKey,
    SignatureError,
    TagList,
    TagListError,
)
from danelaw.dkim.taglist import MAX_TAGS, without_value

HASH = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
GOOD = f" v=1; a=rsa-sha256; d=example.org; s=r; h=From:To; bh={HASH}; b=AAAA"


def tags(raw: bytes) -> dict[str, str]:
    return TagList.from_bytes(raw, max_octets=4096).tags


def test_white_space_and_folding_stand_wherever_the_grammar_lets_them() -> None:
    raw = b"\r\n\tv\r\n =\r\n 1\t; a=x  \r\n y ;\r\n b= ;c=\r\n"
    assert tags(raw) == {"v": "1", "a": "x   y", "b": "", "c": ""}
    assert tags(b"a=1;") == tags(b"a=1 ; ") == {"a": "1"}
    assert tags(b"A=1;a=2") == {"A": "1", "a": "2"}  # names are case-sensitive
    assert tags("n=grüß".encode()) == {"n": "grüß"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "is empty"),
        (b" \r\n ", "is empty"),
        (b"a=1;;b=2", "two semicolons have nothing between them"),
        (b"a=1;b=2;;", "two semicolons"),
        (b"a=1;b", "'b' is no tag=value"),
        (b"a=1; a=2", "a= stands twice"),
        (b"1a=1", "'1a' is no name of a tag"),
        (b"a-b=1", "'a-b' is no name of a tag"),
        (b"==", "'' is no name of a tag"),
        (b"a b=1", "is no name of a tag"),
        (b"a=x\x00y", "a= holds a control character"),
        (b"a=x\ry", "a= holds a control character"),
        (b"a=x\ny", "a= holds a control character"),
        (b"a=\xff", "no UTF-8"),
        (b";".join(b"a%d=" % number for number in range(MAX_TAGS + 1)), "more than"),
        (b"a=" + b"x" * 4096, "4098 octets"),
    ],
)
def test_a_broken_tag_list_says_where(raw: bytes, reason: str) -> None:
    with pytest.raises(TagListError) as error:
        tags(raw)
    assert reason in error.value.reason


def test_removing_the_signature_touches_no_other_octet() -> None:
    raw = b" v=1; bh=b=AA=; b \r\n = xx\r\n yy== ;\tz=b=1; bb=2"
    assert without_value(raw, b"b") == b" v=1; bh=b=AA=; b \r\n =;\tz=b=1; bb=2"
    assert without_value(b" v=1; b=\r\n abc\r\n def", b"b") == b" v=1; b="
    assert without_value(b" v=1; bh=x", b"b") == b" v=1; bh=x"


# Key records


def test_a_key_record_is_read_with_everything_in_it() -> None:
    text = " v = DKIM1 ;h=sha256 : x-new ;k=rsa; n=for you=3B; s= email : tlsrpt ; t=y : s; z=1; p=AQ I= "
    record = DKIMKeyRecord.from_text(text)
    assert record == DKIMKeyRecord(
        b"\x01\x02", "rsa", ("sha256", "x-new"), ("email", "tlsrpt"), ("y", "s"), "for you=3B"
    )
    assert record.testing
    assert record.strict_identity
    assert record.for_mail
    assert not record.revoked


def test_a_key_record_says_little_by_default() -> None:
    record = DKIMKeyRecord.from_text("p=AQI")
    assert record == DKIMKeyRecord(b"\x01\x02")
    assert record.for_mail
    assert not record.testing
    assert DKIMKeyRecord.from_text("v=DKIM1; t=; p=").revoked
    assert not DKIMKeyRecord.from_text("s=tlsrpt; p=AQI=").for_mail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("v=spf1 -all", "'spf1 -all', not v=DKIM1"),
        ("v=DKIM1.0; p=AQI=", "'DKIM1.0'"),
        ("k=rsa; v=DKIM1; p=AQI=", "v= is not the first tag"),
        (r"v=DKIM1\; p=AQI=", "escaped once too often"),
        ("v=DKIM1; k=rsa", "has no p="),
        ("v=DKIM1; p=!", "p= is not base64"),
        ("v=DKIM1; p=AQI=; p=AQI=", "p= stands twice"),
        ("v=DKIM1; k=rsa:dsa; p=AQI=", "k= has more than one word"),
        ("v=DKIM1; k=; p=AQI=", "k= has ''"),
        ("v=DKIM1; s=a b; p=AQI=", "s= has 'a b'"),
        ("v=DKIM1; h=; p=AQI=", "h= has ''"),
        ("google-site-verification=abc", "'google-site-verification' is no name of a tag"),
    ],
)
def test_a_broken_key_record_says_why(text: str, reason: str) -> None:
    with pytest.raises(KeyRecordError) as error:
        DKIMKeyRecord.from_text(text)
    assert reason in error.value.reason


WORDS = st.from_regex(r"[A-Za-z](?:[A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True)


@given(
    st.builds(
        DKIMKeyRecord,
        st.binary(max_size=600),
        WORDS,
        st.none() | st.lists(WORDS, min_size=1, max_size=3).map(tuple),
        st.lists(WORDS | st.just("*"), min_size=1, max_size=3).map(tuple),
        st.lists(WORDS, max_size=3).map(tuple),
        st.from_regex(r"[!-:<-~]{0,20}", fullmatch=True),
    )
)
def test_a_key_record_written_is_the_one_read(record: DKIMKeyRecord) -> None:
    assert DKIMKeyRecord.from_text(record.to_text()) == record


def test_a_zone_line_has_strings_that_readers_join() -> None:
    import dns.zonefile

    record = rsa_signer().key.record(notes='say "hi"\\n')
    line = record.to_zone("r._domainkey.example.org.")
    (rrset,) = dns.zonefile.read_rrsets(line, rdclass=None, default_ttl=60)
    strings = rrset[0].strings  # type: ignore[attr-defined]
    assert len(strings) > 1
    assert b"".join(strings).decode() == record.to_text()


def test_keys_of_the_wrong_form_are_refused_with_the_reason() -> None:
    for kind, octets, reason in (
        ("ed25519", b"x" * 44, "holds 44 octets, and an Ed25519 key has 32"),
        ("rsa", b"x" * 32, "holds no RSA key"),
        ("dsa", b"x", "'dsa', which is not implemented"),
    ):
        with pytest.raises(KeyRefused) as error:
            PublicKey.from_octets(kind, octets)
        assert reason in error.value.reason


# Signatures


def read(text: str) -> DKIMSignature:
    return DKIMSignature.from_bytes(text.encode())


def test_a_signature_has_the_defaults_of_the_rfc() -> None:
    signature = read(GOOD)
    assert signature.header_canonicalization is signature.body_canonicalization is Canonicalization.SIMPLE
    assert signature.identity_domain == DOMAIN
    assert (signature.length, signature.timestamp, signature.expiration) == (None, None, None)
    half = read(GOOD + "; c=relaxed")
    assert (half.header_canonicalization.value, half.body_canonicalization.value) == ("relaxed", "simple")


def test_folding_order_unknown_tags_and_u_labels_do_no_harm() -> None:
    signature = read(
        f"\r\n b=AA\r\n AA;\r\n\tbh = {HASH[:9]}\r\n {HASH[9:]} ; h= From\r\n :\tto ; zz=9; q=x-http : dns/txt;"
        " s=b\u00fccher; d=B\u00fccher.example; i=j=3D=C3=BC @ mail.xn--bcher-kva.example ;a=rsa-sha256;v=1;"
    )
    assert signature.domain == Domain("xn--bcher-kva.example")
    assert signature.selector == "xn--bcher-kva"
    assert signature.identity == "j=ü@mail.xn--bcher-kva.example"
    assert signature.headers == ("From", "to")
    assert signature.query == ("x-http", "dns/txt")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("v=1; ", ""), "lacks v="),
        (("v=1", "v=2"), "v= is '2'"),
        (("a=rsa-sha256; ", ""), "lacks a="),
        (("b=AAAA", "b="), "b= is empty"),
        (("b=AAAA", "b=A!AA"), "b= is not base64"),
        (("b=AAAA", "b=AAAAA"), "b= is not base64"),
        ((f"bh={HASH}; ", ""), "lacks bh="),
        ((f"bh={HASH}", "bh=AAAA"), "bh= holds 3 octets"),
        (("d=example.org", "d=org"), "no domain name of two parts"),
        (("d=example.org", "d=example.org."), "no domain name of two parts"),
        (("d=example.org", "d=example..org"), "d=: "),
        (("d=example.org", "d=exa mple.org"), "d=: "),
        (("s=r", "s="), "s=: "),
        (("h=From:To", "h="), "h= has ''"),
        (("h=From:To", "h=From::To"), "h= has ''"),
        (("h=From:To", "h=To:Subject"), "does not name From"),
        (("h=From:To", "h=" + ":".join(["From"] * 501)), "names more than 500"),
        (("s=r", "s=r; i=joe@example.net"), "neither example.org (d=) nor below it"),
        (("s=r", "s=r; i=joe@badexample.org"), "neither example.org"),
        (("s=r", "s=r; i=example.org"), "i= has no @"),
        (("s=r", "s=r; i=a=0D=0Ab@example.org"), "i= holds a control character"),
        (("s=r", "s=r; i=a=zz@example.org"), "equals sign"),
        (("s=r", "s=r; l=-1"), "l= is '-1'"),
        (("s=r", "s=r; l=" + "9" * 77), "1 to 76 digits"),
        (("s=r", "s=r; t=x"), "t= is 'x'"),
        (("s=r", "s=r; t="), "t= is ''"),
        (("s=r", "s=r; x=1234567890123"), "1 to 12 digits"),
        (("s=r", "s=r; t=5; x=5"), "not later than t="),
        (("s=r", "s=r; c=relaxed/"), "c= is 'relaxed/'"),
        (("s=r", "s=r; q=dns/txt:"), "q= has nothing"),
        (("s=r", "s=r; s=r"), "s= stands twice"),
        (("a=rsa-sha256", "a=rsa"), "no name of an algorithm"),
    ],
)
def test_a_broken_signature_is_permerror_and_says_why(change: tuple[str, str], reason: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    with pytest.raises(SignatureError) as error:
        read(text)
    assert reason in error.value.reason
    assert error.value.result is DKIMResult.PERMERROR


@pytest.mark.parametrize("tag", ["c=nofws", "c=simple/x-new", "q=http/x"])
def test_what_is_not_implemented_is_ignored_and_not_called_wrong(tag: str) -> None:
    with pytest.raises(SignatureError) as error:
        read(f"{GOOD}; {tag}")
    assert error.value.result is DKIMResult.NEUTRAL
    assert (error.value.domain, error.value.selector) == ("example.org", "r")


LABELS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True).filter(lambda text: "--" not in text)
DOMAINS = st.lists(LABELS, min_size=2, max_size=4).map(lambda labels: Domain(".".join(labels)))
HEADERS = st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True), max_size=20)
NUMBERS = st.none() | st.integers(0, 10**11)
LOCAL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).filter(lambda text: "@" not in text)


@given(
    st.builds(
        DKIMSignature,
        st.sampled_from(["rsa-sha256", "ed25519-sha256"]),
        DOMAINS,
        LABELS,
        HEADERS.map(lambda names: (*names, "From")),
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=1, max_size=256),
        st.sampled_from(Canonicalization),
        st.sampled_from(Canonicalization),
        st.none(),
        NUMBERS,
        st.sampled_from([("dns/txt",), ("x-a", "dns/txt")]),
        NUMBERS,
    ),
    st.none() | LOCAL,
)
def test_a_signature_written_is_the_one_read(signature: DKIMSignature, local: str | None) -> None:
    if local is not None:
        signature = replace(signature, identity=f"{local}@sub.{signature.domain}")
    text = signature.to_text()
    assert DKIMSignature.from_bytes(text.encode()) == signature
    assert all(line.startswith(" ") for line in text.split("\r\n"))


def test_lines_of_a_written_signature_are_short() -> None:
    signature = replace(read(GOOD), signature=b"x" * 512, headers=("From", *["Message-ID"] * 40))
    assert max(len(line) for line in ("DKIM-Signature:" + signature.to_text()).split("\r\n")) <= 78


def test_octets_survive_base64_in_any_spacing() -> None:
    spaced = base64.b64encode(bytes(range(200))).decode()
    broken = "\r\n\t".join(spaced[start : start + 3] for start in range(0, len(spaced), 3))
    assert read(GOOD.replace("b=AAAA", f"b= {broken} ")).signature == bytes(range(200))
