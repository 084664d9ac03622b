"""Forbidden networks hold for every form in which an address may be written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.net.forbidden import PRIVATE, leads_into

TEN = (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "::10.1.2.3",
        "64:ff9b::10.1.2.3",
        "2002:a01:203::1",
        "2001:0:a01:203:8000:f227:3fff:fdd2",  # Teredo: the server
        "2001:0:4136:e378:8000:f227:f5fe:fdfc",  # Teredo: the client, inverted
        "::ffff:0a01:0203%1",
        "no address",
    ],
)
def test_ten_is_forbidden_however_it_is_written(address: str) -> None:
    assert leads_into(address, TEN)


@pytest.mark.parametrize("address", ["11.1.2.3", "64:ff9b::11.1.2.3", "2002:b01:203::1", "2a00::a01:203", "::1"])
def test_others_are_not(address: str) -> None:
    assert not leads_into(address, TEN)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "64:ff9b::192.168.0.1",
     "255.255.255.255", "100.64.0.1", "2002:7f00:1::"],
)  # fmt: skip
def test_private_by_default(address: str) -> None:
    assert leads_into(address, PRIVATE)


@pytest.mark.parametrize("address", ["192.88.98.1", "9.9.9.9", "2620:fe::fe", "64:ff9b::9.9.9.9", "2a01::1"])
def test_public(address: str) -> None:
    assert not leads_into(address, PRIVATE)


@given(st.integers(0, (1 << 24) - 1))
def test_any_host_of_a_network_in_any_form(host: int) -> None:
    plain = IPv4Address((10 << 24) | host)
    for prefix in ("::ffff:0:0", "::", "64:ff9b::"):
        assert leads_into(str(IPv6Address(int(IPv6Address(prefix)) | int(plain))), TEN)
    assert leads_into(str(IPv6Address((0x2002 << 112) | int(plain) << 80 | 7)), TEN)
