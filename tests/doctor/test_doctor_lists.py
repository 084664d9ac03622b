"""The doctor asks DNS lists for their test entries (RFC 5782 §5)."""

from __future__ import annotations

import asyncio

import pytest

from danelaw.config import loads
from danelaw.doctor import Severity
from danelaw.doctor.lists import dns_lists
from danelaw.testing import FakeDNS, FakeResolver


@pytest.mark.parametrize(
    ("zone", "of", "severity", "words"),
    [
        ("2.0.0.127.list.test. A 127.0.0.2", "client", Severity.OK, "The List answers"),
        ("test.list.test. A 127.0.0.2", "sender", Severity.OK, "The List answers"),
        ("*.list.test. A 127.0.0.2", "client", Severity.WARNING, "it lists everything"),
        ("*.list.test. A 127.255.255.254", "client", Severity.WARNING, "does not serve this resolver"),
        ("", "client", Severity.WARNING, "it is empty"),
    ],
)
def test_each_kind_of_list(zone: str, of: str, severity: Severity, words: str) -> None:
    config = loads(f'hostname = "gw.test"\n[[dns_list]]\nzone = "list.test"\nname = "The List"\nof = "{of}"\n')
    (found,) = asyncio.run(dns_lists(config, FakeResolver(FakeDNS(insecure=zone))))  # type: ignore[arg-type]
    assert found.severity is severity
    assert words in found.what
