"""Received-SPF as RFC 7208 §9.1 shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.authres import FieldTooLarge, ReceivedSPF, UnwritableField
from danelaw.message import Header


def test_the_example_of_the_rfc() -> None:
    found = ReceivedSPF.from_bytes(
        b" pass (myhost.example.org: domain of\r\n   myname@example.com designates 192.0.2.1 as permitted sender)\r\n"
        b"      receiver=mybox.example.org; client-ip=192.0.2.1;\r\n"
        b'      envelope-from="myname@example.com"; helo=foo.example.com;'
    )
    assert found.result == "pass"
    assert found.comment.startswith("myhost.example.org: domain of")
    assert found.pairs == (
        ("receiver", "mybox.example.org"),
        ("client-ip", "192.0.2.1"),
        ("envelope-from", "myname@example.com"),
        ("helo", "foo.example.com"),
    )


def test_what_is_written() -> None:
    field = ReceivedSPF.of(
        "fail",
        "mx.example.org: (why)",
        receiver="mx.example.org",
        client_ip="2001:db8::1",
        envelope_from="anna@example.net",
        helo="[192.0.2.1]",
        identity="mailfrom",
        mechanism="-all",
    )
    assert field.to_bytes() == (
        b"Received-SPF: fail (mx.example.org: \\(why\\))\r\n"
        b'\treceiver=mx.example.org; client-ip="2001:db8::1";\r\n'
        b'\tenvelope-from="anna@example.net"; helo="[192.0.2.1]"; identity=mailfrom;\r\n'
        b"\tmechanism=-all\r\n"
    )
    assert ReceivedSPF.from_bytes(field.to_bytes().partition(b":")[2]) == field


@pytest.mark.parametrize("helo", ["a\r\nb", "a\0", "\x85"])
def test_controls_are_refused(helo: str) -> None:
    field = ReceivedSPF.of(
        "pass", receiver="r", client_ip="192.0.2.1", envelope_from="a@b.example", helo=helo, identity="helo"
    )
    with pytest.raises(UnwritableField):
        field.to_bytes(utf8=True)


def test_size_has_an_end() -> None:
    with pytest.raises(FieldTooLarge):
        ReceivedSPF.from_bytes(b"x" * 65_537)


@given(st.text(max_size=40), st.lists(st.text(max_size=20), max_size=5))
def test_what_is_written_is_one_field_and_says_the_same(comment: str, values: list[str]) -> None:
    written = ReceivedSPF("neutral", comment.strip(), tuple(("helo", value) for value in values))
    try:
        field = written.to_bytes(utf8=True)
    except UnwritableField:
        return
    header = Header.from_bytes(field + b"\r\n")
    assert len(header.fields) == 1
    assert ReceivedSPF.from_bytes(header.fields[0].body) == written


@given(st.binary(max_size=300) | st.text(alphabet='ab=;"()\\ \r\n', max_size=300).map(str.encode))
def test_fields_of_strangers(body: bytes) -> None:
    found = ReceivedSPF.from_bytes(body)
    assert all(key == key.lower() for key, _ in found.pairs)
