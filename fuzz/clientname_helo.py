"""Fuzz target: HELO names and names of addresses. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import ipaddress
import sys

from danelaw.address import Domain, DomainError
from danelaw.clientname import HELOResult, generic, look_up_helo
from danelaw.testing import FakeDNS, run_lookup

_ADDRESSES = tuple(ipaddress.ip_address(text) for text in ("192.0.2.1", "2001:db8:1:2:3:4:5:6"))


def test_one_input(data: bytes) -> None:
    """Any text has a result, and only a literal passes without DNS; any name is judged."""
    text = data[:1000].decode("utf-8", "replace")
    for address in _ADDRESSES:
        found = run_lookup(look_up_helo(text, address), FakeDNS(), max_questions=2)
        assert found.result is not HELOResult.PASS or text.startswith("[")
        try:
            generic(Domain.from_text(text), address)
        except DomainError:
            assert found.domain is None


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
