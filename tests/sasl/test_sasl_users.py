"""Verifiers and the file of users."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Mailbox
from danelaw.sasl import SASLError, SCRAMKeys, ScryptKey, User, UserTable, saslprep, verifier_from_text
from danelaw.sasl.users import sender_address, user_name, with_user, without_user

CHEAP = ScryptKey.of("pencil", b"0123456789abcdef", log_n=4, p=1)
SCRAM = SCRAMKeys.of("pencil", b"0123456789abcdef", iterations=4096)


@pytest.mark.parametrize("verifier", [CHEAP, SCRAM], ids=["scrypt", "SCRAM"])
def test_a_verifier_knows_its_password_and_is_read_back(verifier: ScryptKey | SCRAMKeys) -> None:
    assert verifier.matches("pencil")
    assert not verifier.matches("Pencil")
    assert not verifier.decoy(bytes(range(100))).matches("pencil")
    assert verifier_from_text(verifier.to_text()) == verifier


def test_scrypt_gives_the_vector_of_rfc_7914() -> None:
    # RFC 7914 §12, the first 32 of its 64 octets
    key = ScryptKey.of("pleaseletmein", b"SodiumChloride", log_n=14, r=8, p=1)
    assert key.key.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither"),
        ("secret", "neither"),
        ("{PLAIN}secret", "neither"),
        ("$scrypt$ln=25,r=8,p=1$MDEyMw==$" + "A" * 43, "out of bounds"),
        ("$scrypt$ln=0,r=8,p=1$MDEyMw==$" + "A" * 43, "out of bounds"),
        ("$scrypt$ln=4,r=8,p=1$MDEyMw==$AAAA", "3 octets"),
        ("$scrypt$ln=4,r=8,p=1$MD==$" + "A" * 43, "salt"),
        (SCRAM.to_text().replace("4096", "1000"), "1000 iterations"),
    ],
)
def test_a_verifier_that_is_none_or_costs_too_much_is_refused(text: str, words: str) -> None:
    with pytest.raises(SASLError, match=words):
        verifier_from_text(text)


def test_a_table_is_read_and_written() -> None:
    text = f"# people\n\nanna:{CHEAP.to_text()}\nbert@example.org:{SCRAM.to_text()}:bert@example.org, @Example.NET\n"
    table = UserTable.from_text(text)
    assert [user.name for user in table] == ["anna", "bert@example.org"]
    bert = table.get("bert@example.org")
    assert bert is not None
    assert bert.addresses == ("bert@example.org", "@example.net")
    assert UserTable.from_text("\n".join(user.to_text() for user in table)) == table
    assert "scrypt" not in repr(table).lower()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("anna", "users:2: the line has no colon"),
        ("anna:x", "users:2: a verifier is neither"),
        (f"anna:{CHEAP.to_text()}:nobody", "users:2: 'nobody' is neither an address"),
        (f" :{CHEAP.to_text()}", "users:2: "),
        (f"bert:{CHEAP.to_text()}", "users:2: user 'bert' appears twice"),
        (f"BERT:{CHEAP.to_text()}", "users:2: user 'BERT' appears twice"),
    ],
)
def test_a_fault_is_told_with_its_line_and_without_the_verifier(line: str, words: str) -> None:
    with pytest.raises(SASLError) as caught:
        UserTable.from_text(f"bert:{CHEAP.to_text()}\n{line}\n")
    assert words in caught.value.reason
    assert CHEAP.to_text()[10:] not in caught.value.reason


def test_case_makes_no_difference_in_names() -> None:
    text = f"# people\nAnna@Example.org:{CHEAP.to_text()}\n"
    found = UserTable.from_text(text).get("anna@example.ORG")
    assert found is not None
    assert found.name == "Anna@Example.org"
    changed = with_user(text, User("anna@example.org", SCRAM))
    assert changed == f"# people\nanna@example.org:{SCRAM.to_text()}\n"
    assert without_user(changed, "ANNA@example.org") == "# people\n"


def test_users_may_send_as_their_addresses_or_else_as_their_name() -> None:
    own = User("anna", CHEAP, ("anna@example.org", "@example.net"))
    for address, allowed in (
        ("anna@example.org", True),
        ("Anna@Example.ORG", True),
        ("bert@example.org", False),
        ("anybody@example.net", True),
        ("anybody@sub.example.net", False),
        ("anna@example.org.evil.test", False),
    ):
        assert own.may_send_as(Mailbox.from_text(address)) is allowed, address
    named = User("anna@example.org", CHEAP)
    assert named.may_send_as(Mailbox.from_text("anna@example.org"))
    assert not named.may_send_as(Mailbox.from_text("bert@example.org"))
    assert not User("anna", CHEAP).may_send_as(Mailbox.from_text("anna@example.org"))


@pytest.mark.parametrize("name", ["", "a:b", "#a", " a", "a\nb", "x" * 256, "\u0007", "\u200f"])
def test_names_that_would_break_the_file_are_refused(name: str) -> None:
    with pytest.raises(SASLError):
        user_name(name)


def test_sender_addresses_are_checked() -> None:
    assert sender_address("@Example.ORG") == "@example.org"
    with pytest.raises(SASLError):
        sender_address("@")


@pytest.mark.parametrize(
    ("text", "prepared"),
    # RFC 4013 §3
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX")],
)
def test_saslprep_gives_the_examples_of_rfc_4013(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u06271", "\u00ad", "a\0b", "\ud800"])
def test_saslprep_refuses_the_examples_of_rfc_4013(text: str) -> None:
    with pytest.raises(SASLError):
        saslprep(text)


def test_only_what_is_stored_must_be_known_to_unicode_3_2() -> None:
    assert saslprep("\U0001f600") == "\U0001f600"
    with pytest.raises(SASLError, match="too new"):
        saslprep("\U0001f600", stored=True)


@given(st.text(max_size=60))
def test_saslprep_comes_to_rest(text: str) -> None:
    try:
        prepared = saslprep(text)
    except SASLError:
        return
    assert saslprep(prepared) == prepared


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_an_error(text: str) -> None:
    try:
        table = UserTable.from_text(text)
    except SASLError:
        return
    assert UserTable.from_text("\n".join(user.to_text() for user in table)) == table
