"""Trace fields say what RFC 5321 §4.4 asks for, whatever the client said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.message import (
    FieldError,
    Header,
    Received,
    field,
    format_date,
    hide_localparts,
    hide_localparts_in,
    keep_fields,
    passed_before,
    registered_name,
    return_path,
    truncate,
    with_protocol,
)

WHEN = 1_795_474_800.0  # 2026-11-23 23:00:00 UTC


def received(**changes: object) -> bytes:
    values: dict[str, object] = {
        "helo": "app1.shop.example",
        "client_address": "198.51.100.7",
        "by": "mx.example.org",
        "protocol": "ESMTPS",
    }
    own = {name: changes.pop(name) for name in ("ident", "when", "recipient") if name in changes}
    return Received(**(values | changes)).to_bytes(**({"ident": "4F2a", "when": WHEN} | own))  # type: ignore[arg-type]


def test_received_has_the_clauses_in_the_order_of_the_grammar() -> None:
    raw = received(
        client_name="app1.shop.example",
        recipient="anna@example.org",
        cipher="ECDHE-RSA-AES128-GCM-SHA256",
        group="x25519",
        tls_version="TLSv1.2",
    )
    value = Header.from_bytes(raw + b"\r\n").fields[0].value.replace(b"\t", b" ").decode()
    assert re.sub(r" +", " ", value) == (
        "from app1.shop.example (app1.shop.example [198.51.100.7]) by mx.example.org with ESMTPS (TLSv1.2) id 4F2a "
        "for <anna@example.org> tls TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 group x25519; "
        "Mon, 23 Nov 2026 23:00:00 +0000"
    )
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))


def test_ipv6_address_and_literal_helo() -> None:
    raw = received(helo="[IPv6:2001:db8::7]", client_address="2001:db8::7")
    assert b"from [IPv6:2001:db8::7] ([IPv6:2001:db8::7])" in raw


@given(helo=st.text(max_size=60), name=st.text(max_size=60), recipient=st.text(max_size=60))
def test_nothing_a_client_says_breaks_the_field(helo: str, name: str, recipient: str) -> None:
    raw = received(helo=helo, client_name=name, recipient=recipient)
    header = Header.from_bytes(raw + b"\r\nbody")
    assert len(header.fields) == 1
    assert header.defect is None
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert b"[198.51.100.7]" in raw


@pytest.mark.parametrize("bad", [{"by": "mx example"}, {"protocol": "E\r\nX: y"}, {"ident": "a;b"}, {"by": ""}])
def test_our_own_mistakes_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(FieldError):
        received(**bad)


@pytest.mark.parametrize(
    ("extended", "tls", "authenticated", "smtputf8", "protocol"),
    [
        (False, False, False, False, "SMTP"),
        (True, False, False, False, "ESMTP"),
        (True, True, False, False, "ESMTPS"),
        (True, False, True, False, "ESMTPA"),
        (True, True, True, False, "ESMTPSA"),
        (True, False, False, True, "UTF8SMTP"),
        (True, True, False, True, "UTF8SMTPS"),
        (True, True, True, True, "UTF8SMTPSA"),
    ],
)
def test_with_types_are_the_registered_ones(
    extended: bool, tls: bool, authenticated: bool, smtputf8: bool, protocol: str
) -> None:
    assert with_protocol(extended=extended, tls=tls, authenticated=authenticated, smtputf8=smtputf8) == protocol


@pytest.mark.parametrize(
    ("openssl", "registered"),
    [
        ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        ("ECDHE-RSA-AES256-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
        ("AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"),
        ("DHE-RSA-AES256-CCM8", "TLS_DHE_RSA_WITH_AES_256_CCM_8"),
        ("ADH-AES128-SHA256", "TLS_DH_anon_WITH_AES_128_CBC_SHA256"),
        ("DES-CBC3-SHA", None),
        ("x; y", None),
    ],
)
def test_cipher_names(openssl: str, registered: str | None) -> None:
    assert registered_name(openssl) == registered


def test_dates_and_offsets() -> None:
    assert format_date(WHEN) == "Mon, 23 Nov 2026 23:00:00 +0000"
    assert format_date(WHEN, 60) == "Tue, 24 Nov 2026 00:00:00 +0100"
    assert format_date(WHEN, -210) == "Mon, 23 Nov 2026 19:30:00 -0330"


def test_own_passages_are_counted_and_names_that_merely_contain_ours_are_not() -> None:
    other = received(by="mx.example.org.evil.example")
    header = Header.from_bytes(received() + received(by="MX.example.org") + other + b"\r\n")
    assert passed_before(header, "mx.example.org") == 2


def test_plain_fields() -> None:
    assert field("X-A", "b") == b"X-A: b\r\n"
    assert return_path("<a@example.org>") == return_path("a@example.org") == b"Return-Path: <a@example.org>\r\n"
    assert return_path("<>") == b"Return-Path: <>\r\n"
    for name, value in (("X A", "b"), ("X-A", "b\r\nC: d"), ("X-A", "b" * 999)):
        with pytest.raises(FieldError):
            field(name, value)
    with pytest.raises(FieldError):
        return_path("a@b\r\nX: y")


def test_redaction() -> None:
    header = Header.from_bytes(b"From: a@x.example\r\nSubject: secret\r\nDate: now\r\n\r\n")
    assert keep_fields(header) == b"From: a@x.example\r\nDate: now\r\n"
    assert truncate(header, 40) == b"From: a@x.example\r\nSubject: secret\r\n"
    assert hide_localparts("from <anna@x.example>, bob@y.example") == "from <…@x.example>, …@y.example"
    assert hide_localparts_in(header.raw).startswith(b"From: ***@x.example\r\n")
