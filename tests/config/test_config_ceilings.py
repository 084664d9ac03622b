"""Ceilings on clients and our addresses: what is set is taken, the rest keeps its default, nonsense is explained."""

from __future__ import annotations

import pytest

from danelaw.config import ConfigError, loads
from danelaw.config.ceilings import parse_uses
from danelaw.config.schema import SMALLEST
from danelaw.gateway.settings import ceilings, local_addresses
from danelaw.inbound.ledger import ERRORS, MESSAGES, OCTETS, Ceiling, Ledger
from danelaw.outbound.local_addresses import LocalAddress


@pytest.mark.parametrize(
    ("text", "uses"),
    [("600/min", (600, 60)), ("2G/h", (2 << 30, 3600)), ("5/30s", (5, 30)), ("none", None), ("1/day", (1, 86400))],
)
def test_a_ceiling_is_a_number_or_a_size_in_a_time(text: str, uses: tuple[int, int] | None) -> None:
    assert parse_uses(text) == uses


@pytest.mark.parametrize("text", ["", "5", "x/min", "5/x", "0/min", "-1/min", "5/0s"])
def test_anything_else_is_explained(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a ceiling|allows nothing"):
        loads(SMALLEST + f'[limits.client]\nmessage_rate = "{text}"\n')


def test_one_setting_leaves_the_defaults_of_the_others_and_none_takes_one_away() -> None:
    config = loads(
        SMALLEST + '[limits]\nconnections_per_client = 7\n[limits.client]\nmessage_rate = "8/min"\n'
        'octet_rate = "none"\n[limits.trusted]\nconnections = 9\n'
    )
    made = ceilings(config, Ledger.private())
    assert made.client.uses[MESSAGES] == Ceiling(8, 60)
    assert made.client.uses[OCTETS] is None
    assert made.client.uses[ERRORS] is not None
    assert (made.client.open, made.trusted.open) == (7, 9)
    assert not made.trusted.counts
    assert not made.total.counts


ADDRESSES = """
[delivery]
helo = "out.example.org"
source_ipv4 = "192.0.2.1"
[[delivery.addresses]]
address = "192.0.2.2"
helo = "out2.example.org"
[[delivery.addresses]]
address = "2001:db8::1"
"""


def test_our_addresses_are_those_set_singly_and_then_those_listed_each_with_its_name() -> None:
    made = local_addresses(loads(SMALLEST + ADDRESSES))
    assert made.ipv4 == (LocalAddress("192.0.2.1", "out.example.org"), LocalAddress("192.0.2.2", "out2.example.org"))
    assert made.ipv6 == (LocalAddress("2001:db8::1", "out.example.org"),)
    assert local_addresses(loads(SMALLEST)).choose("192.0.2.9") == LocalAddress(None, "mail.example.org")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ADDRESSES.replace("192.0.2.2", "192.0.2.1"), "listed twice"),
        (ADDRESSES.replace("192.0.2.2", "x"), "no address"),
    ],
)
def test_a_faulty_list_of_addresses_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        loads(SMALLEST + text)
