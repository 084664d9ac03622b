"""Which entry of the configuration applies to a destination."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from danelaw.address import Domain
from danelaw.config import loads
from danelaw.config.effective import accepted, effective, next_hop_for, policy_domain
from danelaw.state import configured_overrides
from danelaw.tlspolicy import Override

CONFIG = loads("""
hostname = "m.example"
relay.networks = ["10.0.0.0/8"]
delivery.next_hop = "[smart.example]:587"
[[domain]]
name = "own.example"
next_hop = "[10.0.0.5]"
[[domain]]
name = ".own.example"
[[route]]
domain = ".partner.example"
next_hop = "[a.relay.example]"
[[route]]
domain = ".deep.partner.example"
next_hop = "b.relay.example"
[[override]]
destination = "b.relay.example"
tls = "verify"
because = "T-1"
[[override]]
destination = "smart.example"
tls = "encrypt"
until = 2026-06-01
""")
BEFORE, AFTER = datetime(2026, 5, 1, tzinfo=UTC).timestamp(), datetime(2026, 7, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("domain", "next_hop"),
    [
        ("own.example", "[10.0.0.5]"),
        ("x.own.example", "[smart.example]:587"),
        ("x.partner.example", "[a.relay.example]"),
        ("partner.example", "[smart.example]:587"),
        ("x.deep.partner.example", "b.relay.example"),
    ],
)
def test_the_most_specific_entry_names_the_next_hop(domain: str, next_hop: str) -> None:
    assert next_hop_for(CONFIG, Domain(domain)) == next_hop


def test_an_override_goes_by_the_next_hop_and_ends() -> None:
    deep = effective(CONFIG, Domain("x.deep.partner.example"), BEFORE)
    assert any(item.aspect == "protection" and item.value == "verify" and "T-1" in item.why for item in deep)
    smart = effective(CONFIG, Domain("other.example"), BEFORE)
    assert [item.value for item in smart if item.aspect == "protection"] == ["encrypt"]
    ended = effective(CONFIG, Domain("other.example"), AFTER)
    assert ended[2].value.startswith("what the destination publishes")
    assert [item.value for item in ended if item.aspect == "not"] == ["encrypt"]


def test_an_override_set_at_run_time_goes_first() -> None:
    set_now = Override.of("b.relay.example", "none", source="danelaw override")
    found = effective(
        CONFIG, Domain("x.deep.partner.example"), BEFORE, [set_now, *configured_overrides(CONFIG.override)]
    )
    assert found[2].value == "none"


def test_an_address_has_no_policy_domain() -> None:
    assert policy_domain("[10.0.0.5]:25", Domain("own.example")) is None
    assert policy_domain("[2001:db8::1]:25", Domain("own.example")) is None
    assert effective(CONFIG, Domain("own.example"), BEFORE)[2].value == "whatever the server offers"
    assert policy_domain("[relay.example]:25", Domain("x.example")) == Domain("relay.example")
    assert policy_domain("relay.example:2525", Domain("x.example")) == Domain("relay.example")
    assert policy_domain(None, Domain("x.example")) == Domain("x.example")


def test_acceptance_is_explained() -> None:
    assert accepted(CONFIG, Domain("a.own.example"))
    assert not accepted(CONFIG, Domain("other.example"))
    assert effective(CONFIG, Domain("other.example"), BEFORE)[0].value == "only from 10.0.0.0/8"
    assert effective(loads('hostname = "m.example"'), Domain("x.example"), BEFORE)[0].value == "from nobody"
