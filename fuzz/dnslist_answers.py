"""Fuzz target: answers of DNS lists. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Sequence

from danelaw.address import Domain
from danelaw.dnslist import DNSList, Inquiry, ListStatus, ReturnCodes, look_up
from danelaw.testing import FakeDNS, run_lookup

_LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
_NAME = "1.2.0.192.list.example."


def check(addresses: Sequence[ipaddress.IPv4Address], text: bytes) -> None:
    """A listing needs an address of 127.0.0.0/8; its reason is short and printable."""
    strings = " ".join(
        '"' + "".join(f"\\{octet:03d}" for octet in text[at : at + 255]) + '"' for at in range(0, len(text), 255)
    )
    dns = FakeDNS(insecure="\n".join(f"{_NAME} A {address}" for address in addresses))
    if strings:
        dns.add(f"{_NAME} TXT {strings}")
    client = ipaddress.ip_address("192.0.2.1")
    for codes in ((), ("127.0.0.2", "127.0.0.0&12")):
        inquiry = Inquiry(DNSList(Domain("list.example"), ReturnCodes.from_text(codes)), client)
        (found,) = run_lookup(look_up([inquiry]), dns, max_batches=2, max_questions=2)
        if found.status is ListStatus.LISTED:
            assert found.codes
            assert all(ipaddress.ip_address(code) in _LOOPBACK for code in found.codes)
            assert len(found.reason) <= 200
            assert found.reason.isprintable()
        else:
            assert not found.codes


def test_one_input(data: bytes) -> None:
    """The first octet says how many addresses follow; the rest is a TXT record."""
    count = data[0] % 6 if data else 0
    octets = data[1 : 1 + 4 * count]
    addresses = [ipaddress.IPv4Address(octets[at : at + 4]) for at in range(0, len(octets) - 3, 4)]
    check(addresses, data[1 + 4 * count : 2000])


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
