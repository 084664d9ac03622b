"""Fuzz target: what names in DNS make of membership. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS, run_lookup
from danelaw.trustgroup import TES, Standing, lookup_membership

_ROOT = "root.example"


def check(target: bytes, listed: bytes, *, vouched: bool, signed: bool) -> Standing:
    """Nobody becomes a member whom master and root do not list in signed DNS; the reason is short, in words."""
    status = DNSSECStatus.SECURE if signed else DNSSECStatus.INSECURE
    name = "".join(f"\\{octet:03d}" for octet in target[:60]) or "master"
    text = "".join(f"\\{octet:03d}" for octet in listed[:255])
    dns = FakeDNS(outside=DNSSECStatus.SECURE).add(f"tes-master.example.org. CNAME {name}.example.", status)
    dns.add(f'example.org.tes-member.{name}.example. TXT "{text}"')
    if vouched:
        dns.add(f'{name}.example.tes-member.{_ROOT}. TXT "{text}"')
    found = run_lookup(lookup_membership(Domain("example.org"), TES(Domain(_ROOT))), dns, max_batches=4)
    if found.standing is Standing.MEMBER:
        assert vouched
        assert signed
        assert found.master is not None
        assert Domain.from_text(found.master.ascii) == found.master
    assert found.reason
    assert len(found.reason) < 1200
    return found.standing


def test_one_input(data: bytes) -> None:
    """The first octet says what is there; then the master's label, a zero, and the TXT record."""
    flags = data[0] if data else 0
    target, _, listed = data[1:400].partition(b"\0")
    check(target, listed, vouched=bool(flags & 1), signed=bool(flags & 2))


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
