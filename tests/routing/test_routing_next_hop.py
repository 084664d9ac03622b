"""Next hops as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.routing import NextHop, NextHopError


@pytest.mark.parametrize(
    ("text", "domain", "address", "mx", "port", "back"),
    [
        ("example.org", "example.org", None, True, 25, "example.org"),
        ("Example.ORG.", "example.org", None, True, 25, "example.org"),
        ("bücher.example", "xn--bcher-kva.example", None, True, 25, "xn--bcher-kva.example"),
        ("example.org:587", "example.org", None, True, 587, "example.org:587"),
        ("[relay.example]", "relay.example", None, False, 25, "[relay.example]"),
        ("[relay.example]:2525", "relay.example", None, False, 2525, "[relay.example]:2525"),
        ("[192.0.2.1]", None, "192.0.2.1", False, 25, "[192.0.2.1]"),
        ("[2001:DB8::1]:26", None, "2001:db8::1", False, 26, "[IPv6:2001:db8::1]:26"),
        ("[IPv6:2001:db8:0:0::1]", None, "2001:db8::1", False, 25, "[IPv6:2001:db8::1]"),
    ],
)
def test_reads_the_three_forms(
    text: str, domain: str | None, address: str | None, mx: bool, port: int, back: str
) -> None:
    next_hop = NextHop.from_text(text)
    assert next_hop == NextHop(Domain(domain) if domain else None, address, mx, port)
    assert next_hop.to_text() == back
    assert NextHop.from_text(back) == next_hop
    assert next_hop.policy_domain == next_hop.domain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[example.org",
        "example.org]",
        "192.0.2.1",
        "example.org:0",
        "example.org:65536",
        "[a b]",
        "a..b",
        "[relay.example]:x",
        "[fe80::1%eth0]",
        "[relay.example]2525",
        "example.org:25:25",
    ],
)
def test_refuses_the_rest_and_says_what_would_be_right(text: str) -> None:
    with pytest.raises(NextHopError) as caught:
        NextHop.from_text(text)
    assert caught.value.advice
    assert "[" in caught.value.advice


def test_a_next_hop_is_one_thing() -> None:
    with pytest.raises(NextHopError):
        NextHop(None)
    with pytest.raises(NextHopError):
        NextHop(Domain("example.org"), "192.0.2.1")


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        next_hop = NextHop.from_text(text)
    except NextHopError:
        return
    assert NextHop.from_text(next_hop.to_text()) == next_hop
