"""The tests of the public suffix list: with psd=y at every suffix the tree walk finds the same organizations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dmarc_samples import records, run, spf

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.dmarc import DMARCResult
from danelaw.testing import FakeDNS

pytestmark = pytest.mark.corpus
PSD = "v=DMARC1; p=reject; psd=y"


def _cases(path: Path) -> list[tuple[Domain, Domain | None]]:
    """(domain, the one registered, None for a public suffix); names that are none in SMTP are left out."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        words = line.split()
        if len(words) != 2 or line.startswith("//") or words[0] == "null":
            continue
        try:
            name = Domain.from_text(words[0])
        except DomainError:
            assert words[0].startswith(".")
            continue
        found.append((name, None if words[1] == "null" else Domain.from_text(words[1])))
    return found


def test_psd_records_say_what_the_list_says(corpus: Callable[[str], Path]) -> None:
    cases = _cases(corpus("dmarc") / "publicsuffix" / "tests" / "tests.txt")
    registered = [(name, domain) for name, domain in cases if domain is not None]
    suffixes = [name for name, domain in cases if domain is None]
    assert (len(registered), len(suffixes)) == (52, 21)
    for name, domain in registered:
        suffix = domain.ascii.partition(".")[2]
        dns = FakeDNS(insecure=records((suffix, PSD)))
        found = run(name.ascii, dns, spf(f"bounce.{domain}"))
        assert (found.result, found.organizational_domain) == (DMARCResult.PASS, domain.ascii), name
        assert run(name.ascii, dns, spf(f"other.{suffix}")).result is DMARCResult.FAIL, name
    for suffix_ in suffixes:
        found = run(suffix_.ascii, FakeDNS(insecure=records((suffix_.ascii, PSD))), spf(f"customer.{suffix_}"))
        assert (found.result, found.organizational_domain) == (DMARCResult.FAIL, suffix_.ascii), suffix_
