"""RFC 8689 §2 and §4.2: every case of sending, each a script of its own. What is expected is written from the RFC."""

from __future__ import annotations

import itertools

import pytest
from requiretls_script import DOMAIN, MX, REQUIRED, World, play

from danelaw.tlspolicy import Override, OverrideRequireTLS, OverrideTLS, Protection, SenderDemand

SENT = "MAIL FROM:<anna@sender.example> REQUIRETLS"
PLAIN = "MAIL FROM:<anna@sender.example>"
DANE, LACKS = MX(tlsa="matches"), MX(tlsa="matches", inside=())
NO_TLS, MISMATCH = MX(before=()), MX(tlsa="other")


def by(tls: OverrideTLS, requiretls: OverrideRequireTLS = OverrideRequireTLS.EXTENSION) -> Override:
    return Override(DOMAIN.ascii, tls, requiretls=requiretls)


# What the sender is told: the MAIL line that went out, the status of a return, or `waits`.
REQUIRETLS = {
    # §4.2.1 step 2: the name of the server is authentic
    "signed MX, DANE": (World((DANE,)), SENT),
    "signed MX, public CA": (World(), SENT),
    "unsigned MX, policy enforced and host listed": (World(signed=False, sts="enforce"), SENT),
    "unsigned MX, policy enforced and host not listed": (World(signed=False, sts="enforce-"), "5.7.10"),
    "unsigned MX, policy in testing": (World(signed=False, sts="testing"), "5.7.10"),
    "unsigned MX, policy none": (World(signed=False, sts="none"), "5.7.10"),
    "unsigned MX, no policy": (World(signed=False), "5.7.10"),
    "unsigned MX, host with TLSA of its own": (World((DANE,), signed=False), "5.7.10"),
    "signed MX, policy enforced and host not listed": (World(sts="enforce-"), "5.7.10"),
    "next hop set by the administrator, no MX": (World(static=True, signed=False), SENT),
    # step 3 and 4: TLS, and a certificate that verifies
    "no STARTTLS": (World((NO_TLS,)), "5.7.10"),
    "STARTTLS refused for now": (World((MX(starttls="454 4.7.0 not now"),)), "5.7.10"),
    "STARTTLS refused for good": (World((MX(starttls="502 5.5.1 no"),)), "5.7.10"),
    "handshake fails": (World((MX(tls=""),)), "5.7.10"),
    "TLS 1.1": (World((MX(tls="TLSv1.1"),)), "5.7.10"),
    "certificate for another name": (World((MX(certificate="other.example.net"),)), "5.7.10"),
    "certificate expired": (World((MX(days=10),)), "5.7.10"),
    "certificate of an unknown CA": (World((MX(ca="Strange CA"),)), "5.7.10"),
    "DANE proves an expired certificate of an unknown CA": (World((MX("matches", days=10, ca="Strange CA"),)), SENT),
    "DANE mismatch is not rescued by a public CA": (World((MISMATCH,)), "5.7.10"),
    "DANE mismatch is not rescued by a policy": (World((MISMATCH,), sts="enforce"), "5.7.10"),
    # step 5: the extension, after STARTTLS
    "extension missing": (World((LACKS,)), "5.7.30"),
    "extension only before STARTTLS": (World((MX("matches", before=("STARTTLS", "REQUIRETLS"), inside=()),)), "5.7.30"),
    "extension in lower case": (World((MX("matches", inside=("requiretls",)),)), SENT),
    "extension missing, certificate wrong": (World((MX("other", inside=()),)), "5.7.10"),
    # the other hosts
    "second host offers it": (World((LACKS, DANE)), SENT),
    "second host verifies": (World((MISMATCH, DANE)), SENT),
    "second host has TLS": (World((NO_TLS, DANE)), SENT),
    "all lack it": (World((LACKS, LACKS)), "5.7.30"),
    "one lacks it, one has no TLS": (World((NO_TLS, LACKS)), "5.7.30"),
    "none verifies": (World((MISMATCH, NO_TLS)), "5.7.10"),
    # what may pass defers
    "only host is down": (World((MX(dead=True),)), "waits"),
    "one lacks it, one is down": (World((LACKS, MX(dead=True))), "waits"),
    "TLSA look-up fails": (World((MX("failed"),)), "waits"),
    "one lacks it, TLSA look-up of the other fails": (World((LACKS, MX("failed"))), "waits"),
    "unsigned MX, nobody knows whether there is a policy": (World(signed=False, sts="unknown"), "waits"),
    "signed MX, nobody knows whether there is a policy": (World(sts="unknown"), SENT),
    # §5: a notice is never dropped for it; where it can it travels with it
    "null reverse-path, all offered": (World((DANE,), sender="<>"), "MAIL FROM:<> REQUIRETLS"),
    # overrides cannot weaken it
    "override switches TLS off": (World((DANE,), override=by(OverrideTLS.NONE)), "5.7.10"),
    "override may": (World((NO_TLS,), override=by(OverrideTLS.MAY)), "5.7.10"),
    "override encrypt, certificate wrong": (World((MISMATCH,), override=by(OverrideTLS.ENCRYPT)), "5.7.10"),
    "override encrypt, verified": (World((DANE,), override=by(OverrideTLS.ENCRYPT)), SENT),
    "override dane-require": (World((LACKS,), override=by(OverrideTLS.DANE_REQUIRE)), "5.7.30"),
    # the deviation: verified TLS is enough, and nothing less
    "deviation, extension missing": (
        World((LACKS,), override=by(OverrideTLS.DANE_REQUIRE, OverrideRequireTLS.VERIFIED_TLS)),
        PLAIN,
    ),
    "deviation, extension offered": (
        World((DANE,), override=by(OverrideTLS.DANE, OverrideRequireTLS.VERIFIED_TLS)),
        SENT,
    ),
    "deviation, public CA": (
        World((MX(inside=()),), override=by(OverrideTLS.VERIFY, OverrideRequireTLS.VERIFIED_TLS)),
        PLAIN,
    ),
    "deviation, certificate wrong": (
        World((MISMATCH,), override=by(OverrideTLS.DANE, OverrideRequireTLS.VERIFIED_TLS)),
        "5.7.10",
    ),
    "deviation, no TLS": (
        World((NO_TLS,), override=by(OverrideTLS.DANE, OverrideRequireTLS.VERIFIED_TLS)),
        "5.7.10",
    ),
    "deviation, unsigned MX": (
        World(signed=False, override=by(OverrideTLS.VERIFY, OverrideRequireTLS.VERIFIED_TLS)),
        "5.7.10",
    ),
}


@pytest.mark.parametrize(("world", "told"), REQUIRETLS.values(), ids=REQUIRETLS.keys())
def test_requiretls(world: World, told: str) -> None:
    ending = play(world)
    assert ending.told == told
    if ending.sent is None:
        assert all(one.clearance is None for one in ending.judgements), "nothing was sent"


def test_every_combination_of_the_conditions() -> None:
    """§2: TLS, an authentic name, a certificate that verifies, and the offer; all four or nothing."""
    for tls, signed, policy, verifies, offered in itertools.product([False, True], repeat=5):
        mx = MX(
            certificate="mx.example.org" if verifies else "other.example.net",
            before=("STARTTLS",) if tls else (),
            inside=("REQUIRETLS",) if offered else (),
        )
        told = play(World((mx,), signed=signed, sts="enforce" if policy else "")).told
        proved = tls and (signed or policy) and verifies
        assert told == (SENT if proved and offered else "5.7.30" if proved else "5.7.10"), (tls, signed, policy, mx)


def test_nobody_connects_where_the_name_of_the_server_is_anybodys() -> None:
    """§4.2.1 step 2 comes before step 3."""
    assert play(World(signed=False)).tried == 0


def test_the_deviation_is_told_where_it_is_used() -> None:
    lax = by(OverrideTLS.DANE_REQUIRE, OverrideRequireTLS.VERIFIED_TLS)
    used = play(World((LACKS,), override=lax)).judgements[0]
    assert used.without_extension
    assert "REQUIRETLS not offered: verified TLS is enough by your override example.org" in used.reason
    assert "not RFC 8689" in used.reason
    unused = play(World((DANE,), override=lax)).judgements[0]
    assert not unused.without_extension
    assert "not offered" not in unused.reason
    ordinary = play(World((LACKS,), override=lax, demand=SenderDemand.NONE))
    assert ordinary.sent == PLAIN
    assert not ordinary.judgements[0].without_extension


# §4.2.2: TLS is tried, what is published is judged and told, and nothing of it stops the message.
WAIVED = {
    "DANE holds": (World((DANE,)), Protection.DANE, "DANE: holds"),
    "DANE mismatch": (World((MISMATCH,)), Protection.ENCRYPTED, "DANE: would fail"),
    "no STARTTLS": (World((MX("matches", before=()),)), Protection.CLEAR, "DANE: would fail"),
    "policy broken": (World((MX(days=10),), signed=False, sts="enforce"), Protection.ENCRYPTED, "MTA-STS: would fail"),
    "host not listed": (World(signed=False, sts="enforce-"), Protection.ENCRYPTED, "MTA-STS: would fail"),
    "TLSA look-up fails": (World((MX("failed"),)), Protection.ENCRYPTED, ""),
    "nothing published": (World((NO_TLS,), signed=False), Protection.CLEAR, ""),
}


@pytest.mark.parametrize(("world", "protection", "observed"), WAIVED.values(), ids=WAIVED.keys())
def test_a_waiver_tries_and_judges_and_stops_nothing(world: World, protection: Protection, observed: str) -> None:
    ending = play(World(world.hosts, world.signed, world.sts, demand=SenderDemand.TLS_REQUIRED_NO))
    assert ending.sent == PLAIN
    (verdict,) = ending.judgements
    assert verdict.protection is protection
    assert any(one.startswith(observed) for one in verdict.observed) if observed else not verdict.observed
    if "would fail" in observed:
        assert any(one.result_type for one in verdict.tlsrpt), "the failure is counted all the same"


@pytest.mark.parametrize(
    ("tls", "told"),
    [(OverrideTLS.ENCRYPT, PLAIN), (OverrideTLS.DANE, "waits"), (OverrideTLS.DANE_REQUIRE, "waits")],
)
def test_overrides_win_over_a_waiver(tls: OverrideTLS, told: str) -> None:
    world = World((MISMATCH,), override=by(tls), demand=SenderDemand.TLS_REQUIRED_NO)
    assert play(world).told == told


def test_without_requiretls_nothing_is_returned_for_want_of_it() -> None:
    for demand in (SenderDemand.NONE, SenderDemand.VERIFIED, SenderDemand.DANE):
        assert play(World((LACKS,), demand=demand)).sent == PLAIN
        assert play(World((MISMATCH,), demand=demand)).told == "waits"
    assert play(World((LACKS,), demand=REQUIRED)).sent is None
