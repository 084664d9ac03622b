"""Advice on customer domains from played answers: what an MX host is to us, and what stands in the way first."""

from __future__ import annotations

import pytest

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.publication import Advice, Standing, advise, explained, lookup_ours, trouble
from danelaw.testing import FakeDNS, run_lookup

TLSA = "TLSA 3 1 1 0d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a1"
OURS = f"""
    mx1.ours.example. A 192.0.2.1
    _25._tcp.mx1.ours.example. {TLSA}
"""
NAMES = [Domain("mx1.ours.example")]


def advice(secure: str = "", insecure: str = "", *, ours: str = OURS, dns: FakeDNS | None = None) -> Advice:
    dns = dns or FakeDNS(secure=ours + secure, insecure=insecure)
    return run_lookup(advise(Domain("c.example"), run_lookup(lookup_ours(NAMES), dns)), dns)


@pytest.mark.parametrize(
    ("secure", "insecure", "standing", "words"),
    [
        ("c.example. MX 10 mx1.ours.example.", "", Standing.PROTECTED, "its signed MX names mx1.ours.example"),
        ("", "c.example. MX 10 mx1.ours.example.", Standing.UNSIGNED, "not signed"),
        ("c.example. MX 10 m.c.example.\nm.c.example. A 192.0.2.1", "", Standing.OTHER_NAME, "has the address"),
        (f"c.example. MX 10 m.c.example.\nm.c.example. A 192.0.2.1\n_25._tcp.m.c.example. {TLSA}", "",
         Standing.PROTECTED, "m.c.example"),
        ("c.example. MX 10 m.c.example.\nm.c.example. CNAME mx1.ours.example.", "", Standing.PROTECTED, "m.c.example"),
        ("c.example. MX 10 m.c.example.", "m.c.example. CNAME mx1.ours.example.", Standing.ALIAS, "not signed to"),
        ("c.example. MX 10 mx.x.example.\nmx.x.example. A 192.0.2.9", "", Standing.ELSEWHERE, "mx.x.example"),
        ("c.example. A 192.0.2.1", "", Standing.OTHER_NAME, "c.example has the address of our host"),
        ("c.example. A 192.0.2.7", "", Standing.ELSEWHERE, "its mail goes to c.example"),
        ("c.example. TXT x", "", Standing.NO_MAIL, "neither MX nor address"),
        ("c.example. MX 0 .", "", Standing.NULL_MX, "takes no mail"),
        ("", "", Standing.NXDOMAIN, "does not exist"),
    ],
)  # fmt: skip
def test_one_thing_stands_in_the_way(secure: str, insecure: str, standing: Standing, words: str) -> None:
    found = advice(secure, insecure)
    assert found.standing is standing
    assert words in found.reason
    assert len(found.standings) == 1


def test_all_that_stands_in_the_way_is_told_and_the_first_thing_first() -> None:
    found = advice("mx.x.example. A 192.0.2.9", "c.example. MX 10 mx1.ours.example.\nc.example. MX 20 mx.x.example.")
    assert found.standings == (Standing.UNSIGNED, Standing.PARTLY)
    assert found.reason == "its zone is not signed; mx.x.example takes its mail too, without usable TLSA records"
    assert (found.ours, found.others) == (("mx1.ours.example",), ("mx.x.example",))
    assert found.advice == explained(Standing.UNSIGNED).advice


def test_failures_are_no_answers() -> None:
    bogus = FakeDNS(secure=OURS).fail("c.example MX", DNSSECStatus.BOGUS)
    assert advice(dns=bogus).standing is Standing.BOGUS
    failed = FakeDNS(secure=OURS).fail("c.example MX", DNSSECStatus.INDETERMINATE)
    assert advice(dns=failed).standing is Standing.FAILED
    host = FakeDNS(secure=OURS + "c.example. MX 10 mx1.ours.example.")
    host.fail("_25._tcp.mx1.ours.example TLSA", DNSSECStatus.BOGUS)
    found = advice(dns=host)
    assert found.standing is Standing.OUR_TLSA
    assert "TLSA records of mx1.ours.example cannot be looked up" in found.reason


def test_hosts_of_others_stand_in_the_way_unless_proved_not_to_be_there() -> None:
    both = "c.example. MX 10 mx1.ours.example.\nc.example. MX 20 mx.x.example."
    gone = FakeDNS(secure=OURS + both, outside=DNSSECStatus.SECURE)
    assert advice(dns=gone).reason == "its signed MX names mx1.ours.example"
    unproved = advice(dns=FakeDNS(secure=OURS + both))
    assert unproved.standings == (Standing.PARTLY,)
    assert unproved.reason == "mx.x.example does not exist, and nothing proves that: an attacker may answer for it"
    silent = advice(dns=FakeDNS(secure=OURS + both).fail("mx.x.example A").fail("mx.x.example AAAA"))
    assert silent.standings == (Standing.FAILED,)
    assert "addresses of mx.x.example cannot be looked up" in silent.reason
    forged = FakeDNS(secure=OURS + both + "\nmx.x.example. A 192.0.2.9")
    forged.fail("_25._tcp.mx.x.example TLSA", DNSSECStatus.BOGUS)
    assert advice(dns=forged).standings == (Standing.BOGUS,)


@pytest.mark.parametrize(
    ("secure", "insecure", "words"),
    [
        (OURS, "", None),
        ("mx1.ours.example. A 192.0.2.1", "", "mx1.ours.example has no signed TLSA record"),
        ("", OURS, "mx1.ours.example is in a zone that is not signed, where TLSA records have no effect"),
        (OURS.replace("3 1 1", "1 1 1"), "", "no TLSA record of mx1.ours.example can be used for mail"),
        ("", "", "mx1.ours.example: "),
    ],
)
def test_the_trouble_with_our_own_host(secure: str, insecure: str, words: str | None) -> None:
    (host,) = run_lookup(lookup_ours(NAMES), FakeDNS(secure=secure, insecure=insecure)).hosts
    found = trouble(host)
    assert found == words if words is None or not words.endswith(": ") else (found or "").startswith(words)


def test_every_standing_has_words() -> None:
    assert all(explained(one).plural for one in Standing)
