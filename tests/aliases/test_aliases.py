"""Map files: what they say, what is wrong with them, and whom aliases stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain, Mailbox
from danelaw.aliases import Aliases, AliasFileError, AliasMap
from fuzz import aliases_file

OURS = Domain("ours.test")


def read(text: str, *, domain: Domain | None = OURS, separator: str = "+") -> Aliases:
    return Aliases([AliasMap.from_text(text, "map", domain=domain)], separator=separator)


def who(aliases: Aliases, address: str, most: int = 100) -> list[str]:
    return [mailbox.to_text() for mailbox in aliases.expand(Mailbox.from_text(address), most).mailboxes]


def exists(aliases: Aliases, address: str) -> bool:
    return aliases.find(Mailbox.from_text(address)) is not None


def wrong(text: str, domain: Domain | None = OURS) -> list[tuple[int, str]]:
    with pytest.raises(AliasFileError) as caught:
        Aliases([AliasMap.from_text(text, "map", domain=domain)], separator="+")
    return [(problem.line, problem.wrong) for problem in caught.value.problems]


MAP = """
# our people
anna
Bob@ours.test
sales@ours.test: anna@ours.test, bob@ours.test,
    carl@partner.test      # on loan
all: sales, anna, dave@elsewhere.test
"quoted, and: odd"@ours.test: anna
anna.copy: anna.copy, archive@ours.test
@wild.test
@.below.test: postmaster@ours.test
"""


def test_mailboxes_aliases_quotes_comments_and_lines_that_go_on() -> None:
    aliases = read(MAP)
    assert who(aliases, "sales@ours.test") == ["anna@ours.test", "bob@ours.test", "carl@partner.test"]
    assert who(aliases, "all@ours.test") == [
        "anna@ours.test",
        "bob@ours.test",
        "carl@partner.test",
        "dave@elsewhere.test",
    ]
    assert who(aliases, '"quoted, and: odd"@ours.test') == ["anna@ours.test"]
    assert who(aliases, "anna.copy@ours.test") == ["anna.copy@ours.test", "archive@ours.test"]


def test_case_tags_and_wildcards() -> None:
    aliases = read(MAP)
    assert exists(aliases, "ANNA@Ours.TEST")
    assert who(aliases, "ANNA@ours.test") == ["ANNA@ours.test"], "what the client wrote goes on"
    assert who(aliases, "anna+list@ours.test") == ["anna+list@ours.test"]
    assert who(aliases, "sales+x@ours.test") == who(aliases, "sales@ours.test")
    assert not exists(aliases, "nobody@ours.test")
    assert not exists(aliases, "+anna@ours.test")
    assert exists(aliases, "anybody@wild.test")
    assert not exists(aliases, "anybody@not.wild.test")
    assert who(aliases, "x@a.b.below.test") == ["postmaster@ours.test"]
    assert not exists(aliases, "x@below.test")
    assert not exists(read(MAP, separator=""), "anna+list@ours.test")


def test_the_more_specific_entry_wins_and_the_earlier_file() -> None:
    first = AliasMap.from_text("@d.test: catch@ours.test\nx@d.test: one@ours.test", "first")
    second = AliasMap.from_text("x@d.test: two@ours.test\ny@d.test: three@ours.test", "second")
    aliases = Aliases([first, second])
    assert who(aliases, "x@d.test") == ["one@ours.test"]
    assert who(aliases, "y@d.test") == ["three@ours.test"]
    assert who(aliases, "z@d.test") == ["catch@ours.test"]


def test_a_catch_all_may_lead_to_a_mailbox_of_its_own_domain() -> None:
    aliases = read("@d.test: catch@d.test")
    assert who(aliases, "x@d.test") == ["catch@d.test"]
    assert who(aliases, "catch@d.test") == ["catch@d.test"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("anna:", 1, "no target"),
        ("\n\nan na", 3, "not a local-part"),
        ("anna: bob@", 1, "not a mailbox"),
        ("anna\nANNA@ours.test: bob", 2, "stands in line 1 already"),
        ("@bad_domain..x", 1, "not a domain name"),
        (": bob", 1, "is no entry"),
        ("a: b\nb: c\nc: a", 1, "a loop: a@ours.test → b@ours.test → c@ours.test → a@ours.test"),
        ("@d.test: x@e.test\n@e.test: y@d.test", 1, "a loop: @d.test → @e.test → @d.test"),
        ("a: " + ",".join(f"u{n}" for n in range(1001)), 1, "more than 1000 targets"),
    ],
)
def test_each_fault_is_named_with_its_line(text: str, line: int, words: str) -> None:
    ((found, said),) = wrong(text)
    assert found == line
    assert words in said


def test_a_local_part_alone_needs_a_domain() -> None:
    ((line, said),) = wrong("anna", domain=None)
    assert (line, said) == (1, "'anna' has no domain; write name@example.org")


def test_all_faults_come_at_once() -> None:
    assert [line for line, _ in wrong("anna:\nbob\ncarl: x@\ndave")] == [1, 3]


def test_an_expansion_is_cut_at_the_limit_and_says_so() -> None:
    aliases = read("many: " + ", ".join(f"u{number}" for number in range(50)))
    expansion = aliases.expand(Mailbox.from_text("many@ours.test"), 10)
    assert not expansion.complete
    assert len(expansion.mailboxes) == 10
    assert aliases.expand(Mailbox.from_text("many@ours.test"), 50).complete


def test_a_chain_that_is_too_deep_is_not_followed() -> None:
    chain = "\n".join(f"a{number}: a{number + 1}" for number in range(40))
    assert not read(chain).expand(Mailbox.from_text("a0@ours.test"), 10).complete
    assert read(chain).expand(Mailbox.from_text("a30@ours.test"), 10).complete


def test_a_hundred_thousand_entries_in_one_long_chain_are_read_without_recursion() -> None:
    chain = "\n".join(f"a{number}: a{number + 1}" for number in range(20_000))
    assert len(read(chain)) == 20_000


names = st.sampled_from([f"u{number}" for number in range(6)])


@given(st.dictionaries(names, st.lists(names, min_size=1, max_size=4), max_size=6))
def test_without_a_loop_an_expansion_is_complete_and_has_no_alias_left_in_it(graph: dict[str, list[str]]) -> None:
    text = "\n".join(f"{key}: {', '.join(targets)}" for key, targets in graph.items())
    try:
        aliases = read(text)
    except AliasFileError as error:
        looped = ["a loop" in problem.wrong for problem in error.problems]
    else:
        looped = []
    if looped:
        assert all(looped)
        return
    for key in graph:
        expansion = aliases.expand(Mailbox.from_text(f"{key}@ours.test"), 100)
        assert expansion.complete
        assert expansion.mailboxes
        for mailbox in expansion.mailboxes:
            name = mailbox.localpart.content
            assert name not in graph or name in graph[name]


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused_with_lines(text: str) -> None:
    aliases_file.test_one_input(text.encode("utf-8", "surrogatepass"))
