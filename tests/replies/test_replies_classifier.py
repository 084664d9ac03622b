"""Bounce classes: the shipped file holds what it promises, and any reply and any file is taken calmly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.replies import (
    MAX_TEXT,
    BounceFile,
    BounceFileError,
    Classifier,
    NoReply,
    SpokenReply,
    Treatment,
    shipped,
)
from danelaw.replies.classes import Phrase
from danelaw.replies.classifier import shipped_file
from danelaw.routing import shipped_sites
from danelaw.smtp import Reply
from fuzz import replies_bounce

EXAMPLES = [(rule, example) for rule in shipped().file.rules for example in rule.examples]


def test_every_example_of_the_shipped_file_is_recognised_by_its_rule() -> None:
    assert list(shipped().failures()) == []
    assert len(EXAMPLES) > 150


def test_every_shipped_site_in_a_rule_exists() -> None:
    known = {site.name for site in shipped_sites().sites}
    assert {rule.site for rule in shipped().file.rules if rule.site} <= known


@pytest.mark.parametrize(
    ("text", "site", "name"),
    [
        ("550 5.1.1 <a@b.example>: Recipient address rejected: User unknown", "", "bad-mailbox"),
        ("550 5.7.1 this one says nothing", "", "policy"),
        ("554 nothing either", "", "other-permanent"),
        ("499 a code nobody uses", "", "other-temporary"),
        ("550 5.0.0 Requested action not taken: mailbox unavailable", "gmx", "bad-mailbox"),
        ("421 4.7.0 Try again later, closing connection.", "google", "rate-limited"),
        ("421 4.7.0 Try again later, closing connection.", "", "service-trouble"),
        ("550 tube of paint refused by youtube", "", "other-permanent"),
    ],
)
def test_a_reply_has_the_class_people_expect(text: str, site: str, name: str) -> None:
    assert shipped().classify(SpokenReply.from_text(text), site).bounce_class.name == name


def test_a_reply_over_several_lines_reads_like_the_one_the_client_assembled() -> None:
    wire = (
        "550-5.1.1 The email account that you tried to reach does\r\n550-5.1.1 not exist. Please try\r\n550 5.1.1 again"
    )
    read = SpokenReply.from_text(wire)
    assert read == SpokenReply.of(
        Reply.of(550, "5.1.1", "The email account that you tried to reach does\nnot exist. Please try\nagain")
    )
    assert shipped().classify(read).bounce_class.name == "bad-mailbox"


@pytest.mark.parametrize("text", ["", "250 2.0.0 Ok", "no code", "5500 x", "5"])
def test_what_is_no_failed_reply_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NoReply):
        SpokenReply.from_text(text)


def test_an_enhanced_code_of_another_class_than_the_code_is_only_text() -> None:
    assert SpokenReply.from_text("450 5.1.1 hm").status == (0, 0, 0)


@pytest.mark.parametrize(
    ("treatment", "code", "again"),
    [("as-said", 450, True), ("as-said", 550, False), ("retry", 550, True), ("return", 450, False)],
)
def test_a_class_decides_on_trying_again(treatment: str, code: int, again: bool) -> None:
    assert Treatment(treatment).again(code) is again


def test_own_rules_come_first_and_own_classes_replace() -> None:
    own = """
    [class.quota]
    notice = "full"
    advice = "wait"
    treatment = "retry"
    wait = "2h"
    [[rule]]
    class = "quota"
    text = ["user unknown"]
    examples = ["550 5.1.1 user unknown"]
    """
    file = BounceFile.from_text(own, "own.toml", shipped_file())
    classifier = Classifier(file)
    found = classifier.classify(SpokenReply.from_text("550 5.1.1 User unknown"))
    assert (found.bounce_class.name, found.bounce_class.treatment, found.bounce_class.wait) == (
        "quota",
        Treatment.RETRY,
        7200.0,
    )
    assert found.rule is not None
    assert found.rule.place == "rule 1 of own.toml"
    again = classifier.classify(SpokenReply.from_text("552 5.2.2 Mailbox full"))
    assert again.bounce_class.notice == "full"
    assert list(classifier.failures()) == []


def test_an_example_taken_by_another_rule_is_reported_with_both_places() -> None:
    own = """
    [[rule]]
    class = "quota"
    text = "full"
    examples = ["552 full"]
    [[rule]]
    class = "content"
    text = "full up"
    examples = ["552 full up"]
    """
    failures = list(Classifier(BounceFile.from_text(own, "own.toml", shipped_file())).failures())
    assert failures[0].startswith("rule 2 of own.toml: the example '552 full up' is taken for quota by rule 1")
    assert failures[1] == "rule 2 of own.toml: rules before it take all of its examples, so it is never reached"


def test_every_problem_of_a_file_is_listed_at_once() -> None:
    own = """
    extra = 1
    [class.Bad]
    notice = "x"
    [class.fine]
    notice = ""
    treatment = "maybe"
    wait = "soon"
    [[rule]]
    class = "nobody"
    code = "250"
    text = ["*"]
    [[rule]]
    class = "quota"
    """
    with pytest.raises(BounceFileError) as caught:
        BounceFile.from_text(own, "own.toml", shipped_file())
    text = caught.value.reason
    for part in ("extra", "class.Bad", "notice must", "advice must", "maybe", "soon", "nobody", "'250'", "no words",
                 "no examples", "match everything"):  # fmt: skip
        assert part in text, part


@given(st.lists(st.text(alphabet="ab *", max_size=6), max_size=4).map("*".join), st.text(alphabet="ab ", max_size=30))
def test_a_phrase_finds_what_a_plain_search_finds(pattern: str, words: str) -> None:
    words = " ".join(words.split())
    try:
        phrase = Phrase.from_text(pattern)
    except ValueError:
        return
    starts = [i for i in range(len(words)) if i == 0 or not words[i - 1].isalnum()]

    def follows(parts: tuple[str, ...], start: int) -> bool:
        if not parts:
            return True
        found = words.find(parts[0], start)
        return found >= 0 and follows(parts[1:], found + len(parts[0]))

    first, *rest = phrase.parts
    expected = any(
        words.startswith(first, i) and follows(tuple(rest), i + len(first))
        for i in (starts if first[0].isalnum() else range(len(words)))
    )
    assert phrase.found_in(words) is expected


@given(st.integers(400, 599), st.text(max_size=3000), st.sampled_from(["", "google", "orange", "nobody"]))
def test_any_reply_has_exactly_one_class_of_the_file(code: int, text: str, site: str) -> None:
    found = shipped().classify(Reply(code, None, text), site)
    assert shipped().file.classes[found.bounce_class.name] is found.bounce_class


def test_only_the_beginning_of_a_reply_is_looked_at() -> None:
    assert len(SpokenReply.of(Reply(550, None, "x" * 100_000)).words) == MAX_TEXT
    assert shipped().classify(Reply(550, None, "x " * MAX_TEXT + "user unknown")).bounce_class.name == "other-permanent"


@given(st.binary(max_size=400))
def test_any_file_is_read_or_refused_in_words(data: bytes) -> None:
    replies_bounce.test_one_input(data)


@given(st.sampled_from(EXAMPLES), st.integers(0, 60))
def test_the_first_words_of_an_example_never_break_the_reader(chosen: tuple[object, str], cut: int) -> None:
    replies_bounce.test_one_input(b"R" + chosen[1][: len(chosen[1]) - cut].encode())
