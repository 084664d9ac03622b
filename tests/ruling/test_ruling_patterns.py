"""Patterns of rules: addresses, domains, texts, times of the week."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.rules import PatternError, Schedule, address_matches, text_matches


@pytest.mark.parametrize(
    ("pattern", "address", "meant"),
    [
        ("anna@example.org", "Anna@Example.org", True),
        ("*@example.org", "x@example.org", True),
        ("*@example.org", "x@sub.example.org", False),
        ("example.org", "x@example.org", True),
        ("example.org", "x@sub.example.org", False),
        (".example.org", "x@sub.example.org", True),
        (".example.org", "x@example.org", False),
        ("<>", "", True),
        ("<>", "x@example.org", False),
        ("example.org", "", False),
    ],
)
def test_address_patterns(pattern: str, address: str, meant: bool) -> None:
    assert address_matches(pattern, address) is meant


@given(st.text(max_size=30))
def test_a_text_without_stars_means_itself_alone(text: str) -> None:
    pattern = text.replace("*", "").replace("?", "")
    assert text_matches(pattern, pattern)
    assert not text_matches(pattern, pattern + "x")
    assert text_matches(f"*{pattern}*", f"before{pattern}after")


@pytest.mark.parametrize(
    ("text", "moment", "holds"),
    [
        ("Mon-Fri 08:00-18:00", (4, 12, 0), True),
        ("Mon-Fri 08:00-18:00", (4, 18, 0), False),
        ("Mon-Fri 08:00-18:00", (5, 12, 0), False),
        ("Sat", (5, 23, 59), True),
        ("Fri-Mon", (6, 1, 0), True),
        ("Fri-Mon", (2, 1, 0), False),
        ("22:00-06:00", (2, 23, 0), True),
        ("22:00-06:00", (2, 5, 59), True),
        ("22:00-06:00", (2, 6, 0), False),
        ("Fri 22:00-06:00", (5, 3, 0), True),
        ("Fri 22:00-06:00", (4, 3, 0), False),
        ("08:00-24:00", (0, 23, 59), True),
    ],
)
def test_times_of_the_week(text: str, moment: tuple[int, int, int], holds: bool) -> None:
    day, hour, minute = moment
    monday = 4 * 86400  # 5 January 1970
    assert Schedule.from_text(text).holds(monday + day * 86400 + hour * 3600 + minute * 60, "UTC") is holds


def test_a_time_of_the_week_is_that_of_its_place() -> None:
    noon = 4 * 86400 + 12 * 3600
    assert not Schedule.from_text("13:00-14:00").holds(noon, "UTC")
    assert Schedule.from_text("13:00-14:00").holds(noon, "Europe/Berlin")


@pytest.mark.parametrize("text", ["", "Mon-Foo", "8-18", "25:00-26:00", "10:00-10:00", "Mon,Tue"])
def test_what_is_no_time_of_the_week(text: str) -> None:
    with pytest.raises(PatternError):
        Schedule.from_text(text)
