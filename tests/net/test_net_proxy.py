"""PROXY protocol version 2 headers."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.net.proxy import MAX_HEADER, SIGNATURE, ProxyError, ProxyReader
from fuzz.net_proxy import test_one_input as fuzz_one


def header(command: int = 0x21, family: int = 0x11, block: bytes = b"") -> bytes:
    return SIGNATURE + bytes((command, family)) + struct.pack(">H", len(block)) + block


def tcp(source: str, destination: str, source_port: int, destination_port: int, tlvs: bytes = b"") -> bytes:
    packed = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    family = 0x11 if "." in source else 0x21
    return header(family=family, block=packed + struct.pack(">HH", source_port, destination_port) + tlvs)


@pytest.mark.parametrize(("source", "destination"), [("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8::2")])
def test_addresses_are_read_in_any_chunking(source: str, destination: str) -> None:
    wire = tcp(source, destination, 40000, 25, tlvs=b"\x03\x00\x04abcd") + b"EHLO x\r\n"
    whole = ProxyReader().receive(wire)
    assert whole is not None
    assert whole.source == (source, 40000)
    assert whole.destination == (destination, 25)
    assert whole.rest == b"EHLO x\r\n"
    reader = ProxyReader()
    pieces = [reader.receive(wire[i : i + 1]) for i in range(len(wire) - len(whole.rest))]
    assert pieces[:-1] == [None] * (len(pieces) - 1)
    last = pieces[-1]
    assert last is not None
    assert (last.source, last.rest) == (whole.source, b"")


@pytest.mark.parametrize(
    "wire", [header(0x20), header(0x20, 0x11, b"x" * 12), header(0x21, 0x00), header(0x21, 0x31, b"x" * 216)]
)
def test_local_and_other_families_leave_the_address_alone(wire: bytes) -> None:
    found = ProxyReader().receive(wire)
    assert found is not None
    assert (found.source, found.destination) == (None, None)


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"EHLO", "does not begin"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "does not begin"),
        (header(0x11), "not known"),
        (header(0x22), "not known"),
        (header(block=b"x" * 11), "too short"),
        (header(family=0x21, block=b"x" * 35), "too short"),
        (SIGNATURE + b"\x21\x11\xff\xff", "too large"),
    ],
)
def test_bad_headers_are_refused(wire: bytes, words: str) -> None:
    with pytest.raises(ProxyError, match=words):
        ProxyReader().receive(wire)


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda tail: SIGNATURE + tail)))
def test_any_octets_give_a_header_or_a_proxy_error(data: bytes) -> None:
    fuzz_one(data)


def test_waiting_is_bounded() -> None:
    reader = ProxyReader()
    assert reader.receive(header(block=b"x" * (MAX_HEADER - 16))[:-1]) is None
