"""A plan of pins as a file: what is written is read, and nothing else than a pin can be slipped in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.tlspolicy import OverrideTLS, Protection
from danelaw.watch import Proposal, WatchError
from danelaw.watch.plan import DAY, MARK, day_text, from_text, to_text

TODAY = 20_783  # 2026-11-26
NOW = TODAY * DAY + 3600.0
ONE = Proposal(
    "x.example", OverrideTLS.DANE_REQUIRE, TODAY + 30, Protection.DANE, TODAY - 30, 20, 412, ("mx1.x.example",), 3
)


def test_what_is_written_is_read() -> None:
    (pin,) = from_text(to_text([ONE], NOW), NOW, "danelaw override")
    override = pin.override
    assert (override.destination, override.tls) == ("x.example", OverrideTLS.DANE_REQUIRE)
    assert override.because == (f"{MARK}DANE on all 20 days with mail since 2026-10-27, 412 messages to mx1.x.example")
    assert override.expires == (TODAY + 31) * DAY, "the end of that day"
    assert pin.would_have_stopped == 3
    assert day_text(TODAY) == "2026-11-26"
    assert from_text(to_text([], NOW), NOW, "") == ()


ENTRY = '[[pin]]\ndestination = "x.example"\ntls = "dane-require"\nuntil = 2026-12-31\nbecause = "y"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ENTRY.replace("dane-require", "none"), "a pin is dane-require or verify"),
        (ENTRY.replace("dane-require", "encrypt"), "a pin is dane-require or verify"),
        (ENTRY.replace("dane-require", "fingerprint"), "fingerprint"),
        (ENTRY.replace("2026-12-31", "2026-11-01"), "it ended 2026-11-01"),
        (ENTRY.replace("2026-12-31", "2036-11-01"), "has to end"),
        (ENTRY.replace("2026-12-31", '"never"'), "until is a date"),
        (ENTRY.replace("x.example", "..."), "pin 1"),
        (ENTRY.replace('"x.example"', "1"), "in quotes"),
        (ENTRY + ENTRY, "twice"),
        (ENTRY + "extra = 1\n", "no key of a pin"),
        ("[other]\n", "nothing else"),
        ("pin = 1\n", "nothing else"),
        ("pin = [1]\n", "nothing else"),
        ("[[pin\n", "cannot be read"),
    ],
)
def test_what_is_no_plan_of_pins_is_refused_whole(text: str, says: str) -> None:
    with pytest.raises(WatchError) as error:
        from_text(text, NOW, "")
    assert says in error.value.reason


@given(st.text(max_size=200), st.sampled_from(["", ENTRY, "[[pin]]\ndestination = '"]))
def test_any_file_is_a_plan_or_an_error(text: str, before: str) -> None:
    try:
        pins = from_text(before + text, NOW, "")
    except WatchError:
        return
    assert all(pin.override.expires is not None for pin in pins)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=30))
def test_names_of_servers_cannot_break_the_file(host: str) -> None:
    one = replace(ONE, tls=OverrideTLS.VERIFY, hosts=(host,))
    (pin,) = from_text(to_text([one], NOW), NOW, "")
    assert pin.override.tls is OverrideTLS.VERIFY
