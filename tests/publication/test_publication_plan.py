"""Plans from played answers: what DNS may say of each record, and what follows."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.dkim.dkim_samples import ed25519_key

from danelaw.address import Domain
from danelaw.dane import TLSARecord
from danelaw.dkim import PrivateKey
from danelaw.dnsdata import DNSSECStatus
from danelaw.mtasts import PolicyMode
from danelaw.publication import OwnHost, OwnKey, PlannedRecord, State, Wanted, plans, sts_policy
from danelaw.testing import FakeDNS, run_lookup

OURS, NEXT = "3 1 1 " + "0a" * 32, "3 1 1 " + "0b" * 32
KEY = PrivateKey.from_key(ed25519_key()).record()
DOMAIN, HOST = Domain("c.example"), Domain("mx.c.example")
GOOD = f"""
    c.example. MX 10 mx.c.example.
    mx.c.example. A 192.0.2.1
    _25._tcp.mx.c.example. TLSA {OURS}
    _smtp._tls.mx.c.example. TXT "v=TLSRPTv1; rua=mailto:tls@c.example"
    _smtp._tls.c.example. TXT "v=TLSRPTv1; rua=mailto:tls@c.example"
    _mta-sts.c.example. TXT "v=STSv1; id=1;"
    mta-sts.c.example. A 192.0.2.2
    c.example. TXT "v=spf1 mx -all"
    _dmarc.c.example. TXT "v=DMARC1; p=reject; rua=mailto:dmarc@c.example"
    k._domainkey.c.example. TXT "{KEY.to_text()}"
"""


def plan(
    dns: FakeDNS, *, following: Iterable[str] = (), domain: Domain = DOMAIN, mode: PolicyMode = PolicyMode.TESTING
) -> tuple[PlannedRecord, ...]:
    host = OwnHost(HOST, TLSARecord.from_text(OURS), following=tuple(map(TLSARecord.from_text, following)))
    wanted = Wanted(
        hosts=(host,), domains=(domain,), sender=HOST, tls_rua=("mailto:tls@c.example",),
        dmarc_rua="dmarc@c.example", keys=(OwnKey(DOMAIN, "k", KEY),), mode=mode, max_age=86_400,
        now=dns.now,
    )  # fmt: skip
    return tuple(record for lookup in plans(wanted) for record in run_lookup(lookup, dns))


def of(records: Iterable[PlannedRecord], purpose: str, owner: str = "") -> PlannedRecord:
    return next(one for one in records if one.purpose == purpose and (not owner or one.owner == owner))


def test_all_is_there() -> None:
    assert {(one.purpose, one.state) for one in plan(FakeDNS(secure=GOOD))} == {
        (purpose, State.PRESENT) for purpose in ("TLSA", "MX", "MTA-STS", "TLSRPT", "SPF", "DKIM", "DMARC")
    }


@pytest.mark.parametrize(
    ("old", "new", "purpose", "state", "words"),
    [
        ('"v=spf1 mx -all"', '"v=spf1 mx -all"\nc.example. TXT "v=spf1 a -all"', "SPF", State.DIFFERS,
         "receivers cannot use it: c.example: "),
        ('"v=spf1 mx -all"', '"v=spf1 ip4:192.0.2.9 ?all"', "SPF", State.DIFFERS, "gets neutral: add a:mx.c.example"),
        ('"v=STSv1; id=1;"', '"v=STSv1; id=1;"\n_mta-sts.c.example. TXT "v=STSv1; id=2;"', "MTA-STS", State.DIFFERS,
         "counts as none"),
        (KEY.to_text(), "v=DKIM1; k=ed25519; p=", "DKIM", State.DIFFERS, "cannot be used"),
        (KEY.to_text(), KEY.to_text().replace("v=DKIM1", "v=DKIM1; s=other"), "DKIM", State.DIFFERS, "cannot be used"),
        (f'TXT "{KEY.to_text()}"', 'CNAME nowhere.c.example.', "DKIM", State.MISSING, "without it nothing"),
        ("p=reject; rua=mailto:dmarc@c.example", "p=reject", "DMARC", State.DIFFERS, "add mailto:dmarc@c.example"),
        ("c.example. MX 10 mx.c.example.", "c.example. MX 0 .", "MX", State.DIFFERS, "nobody (null MX)"),
        ("c.example. MX 10 mx.c.example.", "c.example. MX 10 mx.c.example.\nc.example. MX 20 mx.x.example.", "MX",
         State.PRESENT, "mx.x.example takes its mail too"),
        (f"TLSA {OURS}", f"TLSA {OURS}\n_25._tcp.mx.c.example. TLSA 1 1 1 {'0c' * 32}", "TLSA", State.PRESENT, "key"),
    ],
)  # fmt: skip
def test_one_record_is_otherwise(old: str, new: str, purpose: str, state: State, words: str) -> None:
    assert old in GOOD
    records = plan(FakeDNS(secure=GOOD.replace(old, new)))
    found = of(records, purpose)
    assert (found.state, words in found.reason) == (state, True), found
    if state is State.DIFFERS and purpose in ("SPF", "DMARC", "MX"):
        assert found.line == "", "what a person has written is not replaced by a line of ours"


def test_a_record_that_no_sender_can_use_is_left_over() -> None:
    unusable = f"TLSA {OURS}\n_25._tcp.mx.c.example. TLSA 1 1 1 {'0c' * 32}"
    records = plan(FakeDNS(secure=GOOD.replace(f"TLSA {OURS}", unusable)))
    (stale,) = (one for one in records if one.state is State.STALE)
    assert (stale.purpose, stale.line, stale.is_to_do) == ("TLSA", "", True)


def test_of_two_tlsrpt_records_none_counts() -> None:
    dns = FakeDNS(secure=GOOD + '_smtp._tls.c.example. TXT "v=TLSRPTv1; rua=mailto:x@c.example"')
    found = of(plan(dns), "TLSRPT", "_smtp._tls.c.example.")
    assert (found.state, len(found.now)) == (State.DIFFERS, 2)
    assert "none counts" in found.reason
    assert (bool(found.line), found.replaced) == (True, found.now), "a third one would not count either"


def test_reports_that_go_elsewhere_go_there_on() -> None:
    dns = FakeDNS(secure=GOOD.replace("tls@c.example", "x@x.example"))
    found = of(plan(dns), "TLSRPT")
    assert (found.state, found.line) == (State.DIFFERS, "")
    assert found.reason == "reports do not come in here: add mailto:tls@c.example to rua="


@pytest.mark.parametrize("rua", ["mailto:tls%40c.example", "https://x.example/, mailto:TLS@C.example?subject=x"])
def test_an_address_is_known_however_it_is_spelled(rua: str) -> None:
    found = of(plan(FakeDNS(secure=GOOD.replace("mailto:tls@c.example", rua))), "TLSRPT")
    assert found.state is State.PRESENT, found.reason


@pytest.mark.parametrize(
    ("what", "purpose"),
    [
        ("_25._tcp.mx.c.example TLSA", "TLSA"), ("c.example MX", "MX"), ("_mta-sts.c.example TXT", "MTA-STS"),
        ("_smtp._tls.mx.c.example TXT", "TLSRPT"), ("c.example TXT", "SPF"), ("_dmarc.c.example TXT", "DMARC"),
        ("k._domainkey.c.example TXT", "DKIM"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", [DNSSECStatus.INDETERMINATE, DNSSECStatus.BOGUS])
def test_what_cannot_be_looked_up_is_not_missing(what: str, purpose: str, how: DNSSECStatus) -> None:
    found = of(plan(FakeDNS(secure=GOOD).fail(what, how)), purpose)
    assert found.state is State.UNKNOWN
    assert not found.is_to_do
    assert found.reason


def test_the_next_key_is_published_before_it_is_used() -> None:
    records = plan(FakeDNS(secure=GOOD), following=[NEXT])
    first, second = (one for one in records if one.purpose == "TLSA")
    assert (first.state, second.state) == (State.PRESENT, State.MISSING)
    assert second.line == f"_25._tcp.mx.c.example. IN TLSA {NEXT}"
    done = plan(FakeDNS(secure=GOOD + f"_25._tcp.mx.c.example. TLSA {NEXT}"), following=[NEXT])
    assert {one.state for one in done} == {State.PRESENT}


def test_a_policy_above_covers_a_domain_and_is_not_doubled() -> None:
    below = Domain("sub.c.example")
    found = of(plan(FakeDNS(secure=GOOD), domain=below), "DMARC")
    assert (found.state, found.reason) == (State.OPTIONAL, "the policy of c.example covers it")


def test_the_policy_names_every_host_and_its_id_follows_it() -> None:
    bare = FakeDNS(secure="c.example. MX 10 mx.c.example.\nmx.c.example. A 192.0.2.1")
    testing, again, enforce = (
        of(plan(bare, mode=mode), "MTA-STS") for mode in (PolicyMode.TESTING, PolicyMode.TESTING, PolicyMode.ENFORCE)
    )
    assert testing.state is State.MISSING
    assert testing.line == again.line != enforce.line
    wanted = Wanted((OwnHost(HOST, None), OwnHost(Domain("mx2.c.example"), None)), (), HOST, (), None, (),
                    PolicyMode.ENFORCE, 86_400, bare.now)  # fmt: skip
    assert sts_policy(wanted).to_text().splitlines() == [
        "version: STSv1", "mode: enforce", "mx: mx.c.example", "mx: mx2.c.example", "max_age: 86400"
    ]  # fmt: skip
