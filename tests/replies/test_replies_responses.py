"""Responses: what is done by itself, after how many replies, and to what."""

from __future__ import annotations

import pytest

from danelaw.replies import Action, ResponseFileError, Responses, SpokenReply, shipped

FILE = """
[[response]]
class = "reputation-block"
text = "never mind"
action = "nothing"
example = "554 blocked using zen.spamhaus.org, never mind"
[[response]]
class = "reputation-block"
after = 3
within = "10m"
action = "suspend"
of = "site"
time = "30m"
example = "554 blocked using zen.spamhaus.org"
"""


def made(text: str = FILE) -> Responses:
    return Responses.from_text(text, "own.toml", shipped().file.classes)


def hear(responses: Responses, text: str, site: str, now: float) -> Action | None:
    spoken = SpokenReply.from_text(text)
    found = responses.heard(shipped().classify(spoken, site), spoken, site, "d.test", now)
    return found.action if found is not None else None


def test_a_response_waits_for_so_many_replies_within_its_time_from_each_site_alone() -> None:
    responses = made()
    blocked = "554 5.7.1 blocked using zen.spamhaus.org"
    assert [hear(responses, blocked, "a", now) for now in (0, 400, 700)] == [None, None, None]  # the first is too old
    assert hear(responses, blocked, "b", 701) is None
    assert hear(responses, blocked, "a", 800) is Action.SUSPEND
    assert hear(responses, blocked, "a", 801) is None  # counted anew


def test_nothing_excepts_from_what_follows_and_other_classes_call_for_nothing() -> None:
    responses = made()
    for now in range(5):
        assert hear(responses, "554 blocked using zen.spamhaus.org, never mind", "a", now) is None
        assert hear(responses, "550 5.1.1 user unknown", "a", now) is None
    assert responses.failures(shipped()) == []


def test_own_responses_come_before_those_of_the_base() -> None:
    own = made('[[response]]\nclass = "quota"\naction = "hold"\nexample = "552 mailbox full"\n')
    both = Responses.from_text(FILE, "more.toml", shipped().file.classes, own)
    assert [one.action for one in both.responses] == [Action.NOTHING, Action.SUSPEND, Action.HOLD]
    assert hear(both, "552 5.2.2 mailbox full", "a", 0) is Action.HOLD


def test_an_example_that_calls_for_something_else_is_reported() -> None:
    wrong = made(FILE.replace("zen.spamhaus.org, never", "zen.spamhaus.org, always"))
    assert wrong.failures(shipped()) == ["response 1 of own.toml: its example calls for response 2 of own.toml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "is not TOML"),
        ("rule = 1", "no key 'rule'"),
        ("response = 1", "must be at most"),
        ("[[response]]", "class is missing"),
        ('[[response]]\nclass = "nobody"', "no class 'nobody'"),
        ('[[response]]\nclass = "quota"\naction = "dance"', "action is"),
        (
            '[[response]]\nclass = "quota"\naction = "suspend"\nexample = "552 full"',
            "a suspension, slow-down or move needs one",
        ),
        (
            '[[response]]\nclass = "quota"\naction = "slow-down"\ntime = "1h"\nfactor = 2.0\nexample = "552 full"',
            "shares above 0",
        ),
        (
            '[[response]]\nclass = "quota"\naction = "other-address"\nexample = "552 full"',
            "or move needs one",
        ),
        ('[[response]]\nclass = "quota"\naction = "hold"\nexample = "hello"', "no reply of a failure"),
        ('[[response]]\nclass = "quota"\naction = "hold"\nafter = 0\nexample = "552 full"', "after is a number"),
    ],
)
def test_a_faulty_file_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ResponseFileError, match=words):
        made(text)
