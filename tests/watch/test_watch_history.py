"""Days, runs of days, and when a weaker one is an event. A day is written as host:level:messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.tlspolicy import OverrideTLS, Protection
from danelaw.watch import (
    History,
    HostDay,
    Kind,
    Observation,
    Rules,
    Wanted,
    WatchError,
    proposal_of,
    weakening_of,
)
from danelaw.watch.observation import MOST_HOSTS, Tally

DANE, STS, PLAIN = Protection.DANE, Protection.MTA_STS, Protection.ENCRYPTED
SIGNED = "MX 10 mx1.x.example (signed) · TLSA 1 (signed) · MTA-STS not consulted"
WITHDRAWN = "MX 10 mx1.x.example (signed) · no TLSA (signed) · MTA-STS: no policy"
SERVERS_UNSIGNED = "MX 10 mx1.x.example (signed) · no TLSA · MTA-STS: no policy"
UNSIGNED = "MX 10 mx1.x.example (not signed) · no TLSA · MTA-STS: no policy"


def day(
    number: int, *hosts: tuple[str, Protection], messages: int = 2, facts: str = SIGNED, stopped: int = 0
) -> Observation:
    return Observation(number, tuple(HostDay(name, level, messages, facts) for name, level in hosts), stopped)


def steady(level: Protection = DANE, days: int = 10, host: str = "mx1.x.example") -> History:
    history = History("x.example")
    for number in range(100, 100 + days):
        history = history.with_day(day(number, (host, level)))
    return history


def site(host: str) -> str:
    return ".".join(host.split(".")[-2:])


def event(history: History, seen: Observation, rules: Rules = Rules()) -> Kind | None:  # noqa: B008
    found = weakening_of(history, seen, rules, site)
    return found.kind if found is not None else None


def test_steady_days_are_one_line_however_many() -> None:
    history = steady(days=300)
    assert len(history.spans) == 1
    span = history.spans[0]
    assert (span.days, span.messages, span.first, span.last) == (300, 600, 100, 399)
    assert history.with_day(day(399, ("mx1.x.example", PLAIN))) is history
    assert History.from_text("x.example", history.to_text()) == history


@pytest.mark.parametrize(
    ("before", "seen", "kind"),
    [
        (DANE, day(110, ("mx1.x.example", PLAIN), facts=WITHDRAWN), Kind.WITHDRAWN),
        (DANE, day(110, ("mx1.x.example", PLAIN), facts=UNSIGNED), Kind.UNSIGNED),
        (DANE, day(110, ("mx1.x.example", PLAIN), facts=SERVERS_UNSIGNED), Kind.UNSIGNED),
        (DANE, day(110, ("mx1.x.example", Protection.HOST_DANE), facts=UNSIGNED), Kind.HOST_ONLY),
        (DANE, day(110, ("mx1.x.example", STS), facts=WITHDRAWN), Kind.WITHDRAWN),
        (STS, day(110, ("mx1.x.example", PLAIN), facts=UNSIGNED), Kind.POLICY_GONE),
        (DANE, day(110, ("in.big.example", PLAIN), facts="MX 10 in.big.example (signed) · no TLSA"), Kind.MOVED),
        (
            DANE,
            day(110, ("mx9.x.example", PLAIN), facts="MX 10 mx9.x.example (signed) · no TLSA (signed)"),
            Kind.WITHDRAWN,
        ),
        (STS, day(110, ("mx1.x.example", DANE)), None),
        (DANE, day(110, ("mx1.x.example", DANE)), None),
        (DANE, day(110), None),
        (PLAIN, day(110, ("mx1.x.example", Protection.CLEAR)), None),
    ],
)
def test_what_went_away_is_named(before: Protection, seen: Observation, kind: Kind | None) -> None:
    assert event(steady(before), seen) is kind


def test_a_weaker_server_that_takes_its_turn_is_no_event() -> None:
    """The domain's level was that of its weakest server all the time."""
    second = ("mx2.x.example", PLAIN)
    assert event(steady(), day(110, ("mx1.x.example", DANE), second)) is None
    listed = "MX 10 mx1.x.example, 20 mx2.x.example (signed) · no TLSA"
    assert event(steady(), day(110, second, facts=listed)) is None
    assert event(steady(), day(110, second, facts="MX 20 mx2.x.example (signed) · no TLSA (signed)")) is Kind.WITHDRAWN


def test_a_server_put_beside_the_known_ones_is_an_event_when_what_held_for_all_is_gone() -> None:
    """Else an attacker who answers for the domain need only leave the old servers in the list."""
    beside = ("mx0.x.example", PLAIN)
    unsigned = "MX 0 mx0.x.example, 10 mx1.x.example (not signed) · no TLSA"
    assert event(steady(), day(110, beside, facts=unsigned)) is Kind.UNSIGNED
    assert event(steady(), day(110, ("mx1.x.example", DANE), beside, facts=unsigned)) is Kind.UNSIGNED
    assert event(steady(STS), day(110, beside, facts=unsigned)) is Kind.POLICY_GONE
    assert event(steady(STS), day(110, ("mx.evil.example", PLAIN), facts=unsigned)) is Kind.MOVED


@pytest.mark.parametrize(("days", "rules"), [(6, Rules(7, 1)), (10, Rules(7, 21))])
def test_a_short_history_is_no_ground_for_an_event(days: int, rules: Rules) -> None:
    assert event(steady(days=days), day(150, ("mx1.x.example", PLAIN), facts=WITHDRAWN), rules) is None


def test_an_event_tells_what_held_and_for_how_long() -> None:
    found = weakening_of(steady(), day(120, ("mx1.x.example", PLAIN), facts=WITHDRAWN), Rules(), site)
    assert found is not None
    assert (found.before, found.after, found.since, found.days, found.messages) == (DANE, PLAIN, 100, 10, 20)
    assert found.hosts == ("mx1.x.example",)


def tally(
    protection: str, outcome: str = "delivered", *, cause: str = "", demander: str = "", host: str = "mx1"
) -> Tally:
    return Tally(host, protection, outcome, cause, demander, 3, SIGNED)


def test_waivers_overrides_and_carriers_make_no_day_weaker() -> None:
    seen = Observation.of(
        5,
        [
            tally("DANE"),
            tally("clear text", demander="waived"),
            tally("encrypted only", demander="override"),
            tally("handed over", host="archive"),
            tally("nothing sent", "waiting", cause="wrong-key"),
            tally("nothing sent", "waiting", cause="no-connection"),
            tally("nothing sent", "waiting"),
            tally("DANE", "waiting", cause="greylisted"),
        ],
    )
    assert (seen.level, seen.messages, seen.others, seen.stopped) == (DANE, 3, 6, 3)


def test_a_pin_is_evidence_too() -> None:
    assert Observation.of(5, [tally("DANE", demander="override")]).level is DANE


def test_of_very_many_servers_the_weakest_are_told() -> None:
    tallies = [tally("DANE", host=f"mx{n}") for n in range(40)] + [tally("encrypted only", host="weak")]
    seen = Observation.of(5, tallies)
    assert len(seen.hosts) == MOST_HOSTS
    assert seen.hosts[0].host == "weak"


def why(history: History, today: int = 110, wanted: Wanted = Wanted()) -> tuple[OverrideTLS | None, str]:  # noqa: B008
    found, reason = proposal_of(history, today, wanted)
    return (found.tls if found is not None else None), reason


def test_a_history_that_never_wavered_gives_a_pin_no_longer_than_itself() -> None:
    found, reason = proposal_of(steady(), 110, Wanted())
    assert found is not None
    assert reason == ""
    assert (found.tls, found.until, found.days, found.messages) == (OverrideTLS.DANE_REQUIRE, 120, 10, 20)
    assert why(steady(STS))[0] is OverrideTLS.VERIFY
    long, _ = proposal_of(steady(days=300), 400, Wanted(holds=90))
    assert long is not None
    assert long.until == 490


@pytest.mark.parametrize(
    ("history", "today", "says"),
    [
        (steady(days=3), 103, "too little history"),
        (steady(), 130, "no mail went there for 21 days"),
        (steady(), 300, "no mail went there for 30 days"),
        (steady(PLAIN), 110, "encrypted only"),
        (steady(Protection.HOST_DANE), 110, "host-only DANE"),
        (steady().with_day(day(110, stopped=1)), 112, "left out 2 days ago"),
        (steady(PLAIN, 3).with_day(day(103, ("mx1.x.example", DANE))), 104, "encrypted only"),
        (History("x.example"), 5, "no mail"),
    ],
)
def test_a_pin_is_never_proposed_on_a_shaky_ground(history: History, today: int, says: str) -> None:
    tls, reason = why(history, today)
    assert tls is None
    assert says in reason


def test_mail_that_would_have_waited_is_counted() -> None:
    history = steady().with_day(Observation(110, (HostDay("mx1.x.example", DANE, 1, SIGNED),), 0, others=4))
    found, _ = proposal_of(history, 111, Wanted())
    assert found is not None
    assert found.stopped == 4


LEVELS = st.sampled_from([DANE, STS, PLAIN, Protection.CLEAR, Protection.HOST_DANE])
DAYS = st.lists(st.tuples(st.lists(LEVELS, max_size=3), st.integers(0, 2), st.integers(0, 2)), max_size=60)


@given(DAYS)
def test_any_past_is_bounded_survives_storage_and_pins_only_what_was_always_verified(
    days: list[tuple[list[Protection], int, int]],
) -> None:
    history = History("x.example")
    levels = []
    for number, (hosts, stopped, others) in enumerate(days):
        seen = Observation(number, tuple(HostDay(f"mx{n}", level, 1) for n, level in enumerate(hosts)), stopped, others)
        levels.append(seen.level)
        history = history.with_day(seen)
    assert History.from_text("x.example", history.to_text()) == history
    assert len(history.spans) <= 24
    found, _ = proposal_of(history, len(days), Wanted(window=len(days) + 1, days=1, messages=1, quiet=0))
    if found is not None and len(history.spans) < 24:
        assert all(level.verified or level is Protection.NOTHING_SENT for level in levels)


@given(st.text(max_size=60))
def test_a_damaged_history_is_said_to_be(text: str) -> None:
    try:
        History.from_text("x.example", text)
    except WatchError:
        return
