"""Terms and limits, as arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.config.load import loads
from danelaw.gateway.settings import retention
from danelaw.quarantine import AtEnd, Held, Retention, Term, excess
from danelaw.queue import DELIVERY, OPERATOR, HeldBy

NOW = 1_795_000_000.0
TERMS = Retention(Term(10.0), {"clamd": Term(90.0, AtEnd.RETURN), "operator": Term(None)})


@pytest.mark.parametrize(
    ("holds", "until"),
    [
        ([("spam", None)], NOW + 10.0),
        ([("spam", 5.0)], NOW + 5.0),
        ([("spam", None), ("clamd", None)], NOW + 90.0),
        ([("clamd", 1.0), ("spam", None)], NOW + 10.0),
        ([("spam", None), ("operator", None)], None),
        ([("operator", 7.0)], NOW + 7.0),
    ],
)
def test_the_longest_term_counts(holds: list[tuple[str, float | None]], until: float | None) -> None:
    custody = TERMS.custody([(HeldBy(step, "why"), seconds) for step, seconds in holds], NOW)
    assert custody.until == until
    assert custody.since == NOW
    assert [hold.step for hold in custody.holds] == [step for step, _ in holds]
    assert custody.step == holds[0][0]


held = st.lists(
    st.builds(Held, st.integers(1, 10**6), st.integers(0, 50).map(float), st.integers(0, 100)),
    max_size=40,
    unique_by=lambda one: one.id,
)


@given(held, st.integers(0, 30), st.integers(0, 1500))
def test_what_is_left_is_within_the_limits_and_no_more_goes_than_must(
    found: list[Held], messages: int, octets: int
) -> None:
    gone = set(excess(found, messages, octets))
    left = [one for one in found if one.id not in gone]
    assert len(left) <= messages
    assert sum(one.octets for one in left) <= octets
    if gone:
        assert max(one.since for one in found if one.id in gone) <= min((one.since for one in left), default=NOW)
        last = max((one for one in found if one.id in gone), key=lambda one: (one.since, one.id))
        one_more = [*left, last]
        assert len(one_more) > messages or sum(one.octets for one in one_more) > octets


def test_the_configuration_says_how_long_and_what_then() -> None:
    config = loads(
        'hostname = "gw.test"\n[quarantine]\nretention = "2d"\nat_end = "release"\nmax_messages = 5\nmax_size = "1M"\n'
        '[[quarantine.step]]\nname = "clamd"\nretention = "1h"\nat_end = "return"\n'
        '[[quarantine.step]]\nname = "operator"\nretention = "9d"\n'
    )
    terms = retention(config)
    assert terms.of("spam") == Term(172800.0, AtEnd.RELEASE)
    assert terms.of("clamd") == Term(3600.0, AtEnd.RETURN)
    assert terms.of(OPERATOR) == Term(777600.0, AtEnd.DELETE)
    assert terms.of(DELIVERY) == Term(None, AtEnd.DELETE)
    assert (terms.most_messages, terms.most_octets) == (5, 1 << 20)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('[[quarantine.step]]\nname = "a"\nretention = "1d"\n' * 2, "appears twice"),
        ('[quarantine.digest]\ndomains = ["example.org"]\n', "name those whose holds people may release"),
        ('[quarantine.digest]\ntimes = ["7:00"]\n', "no time of day"),
        ('[quarantine.digest]\nsender = "nobody"\n', "nobody"),
        ('[quarantine.web]\nlisten = "127.0.0.1:1"\n', "belong together"),
        ('[quarantine.web]\nlisten = "127.0.0.1:1"\nurl = "https://a b/"\n', "no web address"),
        ('[quarantine.web]\nlisten = "127.0.0.1:1"\nurl = "javascript:x"\n', "no web address"),
        ('[quarantine.web]\nlisten = "127.0.0.1:1"\nurl = "https://u@h/"\n', "no web address"),
        ('[quarantine]\nat_end = "keep"\n', "at_end"),
    ],
)
def test_what_contradicts_itself_is_said(section: str, words: str) -> None:
    with pytest.raises(Exception, match=words):
        loads(f'hostname = "gw.test"\n{section}')
