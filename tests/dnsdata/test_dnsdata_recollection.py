"""What was looked up before is not worked through again while every answer is the one it was, and only then."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from danelaw.dnsdata import Answer, Lookup, Question, Recollection
from danelaw.dnsdata.recollection import MOST_ANSWERS
from danelaw.testing import FakeDNS

FIRST, SECOND = Question.from_text("a.test", "TXT"), Question.from_text("b.test", "TXT")
NAMES = tuple(Question.from_text(f"{name}.test", "TXT") for name in "abcd")
ANSWERS = [replace(FakeDNS().answer(FIRST), reason=str(number)) for number in range(4)]


class Counted:
    """A look-up of two batches; counts how often it is worked through."""

    def __init__(self) -> None:
        self.begun = 0

    def __call__(self) -> Lookup[str]:
        self.begun += 1
        (one,) = yield (FIRST,)
        two, three = yield (SECOND, FIRST)
        return one.reason + two.reason + three.reason


def driven(lookup: Lookup[str], *batches: tuple[Answer, ...]) -> tuple[str, list[tuple[Question, ...]]]:
    asked = []
    try:
        questions = next(lookup)
        for answers in batches:
            asked.append(questions)
            questions = lookup.send(answers)
    except StopIteration as stop:
        return stop.value, asked
    raise AssertionError("the look-up goes on")


def test_the_same_answers_give_the_same_end_without_the_work() -> None:
    look, known = Counted(), Recollection[str](10)
    one, two, three, four = ANSWERS
    for _ in range(3):
        end, asked = driven(known.recall("key", look), (one,), (two, three))
        assert (end, asked) == ("012", [(FIRST,), (SECOND, FIRST)])
    assert look.begun == 1
    assert driven(known.recall("other", look), (one,), (two, three))[0] == "012"
    assert look.begun == 2
    # Another answer, first or last: everything is worked through, with what was said already.
    assert driven(known.recall("key", look), (four,), (two, three)) == ("312", [(FIRST,), (SECOND, FIRST)])
    assert driven(known.recall("key", look), (four,), (two, one)) == ("310", [(FIRST,), (SECOND, FIRST)])
    assert look.begun == 4
    equal = replace(four)
    assert equal == four
    assert driven(known.recall("key", look), (equal,), (two, one))[0] == "310"
    assert look.begun == 5


def test_it_is_bounded_and_keeps_only_what_it_should() -> None:
    look, known = Counted(), Recollection[str](2, lambda result: result != "333")
    one, four = ANSWERS[0], ANSWERS[3]
    for key in ("a", "b", "a", "c", "a", "b"):
        driven(known.recall(key, look), (one,), (one, one))
    assert (len(known), look.begun) == (2, 4)
    driven(known.recall("a", look), (four,), (four, four))
    assert len(known) == 1

    def large() -> Lookup[str]:
        yield (FIRST,) * (MOST_ANSWERS + 1)
        return "large"

    driven(known.recall("large", large), (one,) * (MOST_ANSWERS + 1))
    assert len(known) == 1


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=8))
def test_whatever_is_answered_it_ends_as_without(worlds: list[list[int]]) -> None:
    """What is asked depends on what was answered."""
    known = Recollection[tuple[str, ...]](4)

    def look() -> Lookup[tuple[str, ...]]:
        heard: list[str] = []
        number = 0
        while len(heard) < 4:
            (answer,) = yield (NAMES[number],)
            heard.append(answer.reason)
            number = int(answer.reason)
        return tuple(heard)

    def through(lookup: Lookup[tuple[str, ...]], world: list[int]) -> tuple[str, ...]:
        try:
            questions = next(lookup)
            while True:
                questions = lookup.send(tuple(ANSWERS[world[NAMES.index(one)]] for one in questions))
        except StopIteration as stop:
            result: tuple[str, ...] = stop.value
            return result

    for world in worlds:
        assert through(known.recall("key", look), world) == through(look(), world)


def test_a_question_has_the_hash_of_its_name_whatever_its_letters() -> None:
    other = Question.from_text("A.Test", "TXT")
    assert other == FIRST
    assert hash(other) == hash(FIRST) == hash(FIRST)
    assert other != SECOND
