"""The texts of notices: complete in each shipped language, harmless whatever an operator writes, short for many."""

from __future__ import annotations

import string
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.dsn import (
    DSN,
    KEYS,
    SHIPPED,
    Action,
    Cause,
    Demander,
    DSNRecipient,
    HostTry,
    Texts,
    TextsError,
    build,
    explanation,
    shipped,
    shipped_source,
    subject,
)

WHEN = 1_795_474_800.0
TRY = HostTry(
    host="mx1.example.org",
    address="192.0.2.10",
    tls="TLSv1.3",
    when=WHEN,
    cause=Cause.WRONG_KEY,
    detail="key 7be1407c…9909 shown, 0d6f88a1…03c2 published",
)
ONE = DSNRecipient(
    address="bob@example.org",
    action=Action.DELAYED,
    status="4.4.7",
    reason=TRY.detail,
    destination="example.org",
    cause=Cause.WRONG_KEY,
    demander=Demander.TLSA,
    tries=(TRY,),
    failing_since=WHEN - 3600,
    worked_until=WHEN - 4200,
    will_retry_until=WHEN + 86400,
)
NOTICE = DSN(reporting_mta="mx.shop.example", to="anna@shop.example", recipients=(ONE,), original=b"Subject: x\r\n\r\n")


def said(dsn: DSN, *languages: Texts) -> str:
    return explanation(dsn, None, languages or (shipped("en"),))


@pytest.mark.parametrize("language", SHIPPED)
def test_a_shipped_language_has_every_text_of_its_own(language: str) -> None:
    assert shipped(language).missing == ()
    own = Texts.from_text(shipped_source(language), language)
    assert own == replace(shipped(language)) or own.missing == ()
    assert not set(KEYS) - set(_flat(tomllib.loads(shipped_source(language))))


def _flat(table: dict[str, object], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, value in table.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return found


@pytest.mark.parametrize("language", SHIPPED)
@pytest.mark.parametrize("cause", [one for one in Cause if one is not Cause.OTHER])
def test_words_never_claim_what_nobody_can_know(language: str, cause: Cause) -> None:
    texts = shipped(language)
    parts = [
        texts.of_cause(cause, part, destination="d.example", host="h.example") for part in ("why", "what", "operator")
    ]
    assert parts[0]
    assert parts[1]
    for word in ("secure ", "sicher ", "deferred", "{", "}"):
        assert not any(word in part for part in parts)


def test_an_operator_changes_one_text_and_keeps_the_rest() -> None:
    own = Texts.from_text('[cause.quota]\nwhy = "Full at {destination}."\n', "en")
    assert own.of_cause(Cause.QUOTA, "why", destination="example.org", host="") == "Full at example.org."
    assert own("next.told") == shipped("en")("next.told")
    assert own.missing == ()


def test_what_a_new_language_lacks_is_english_and_named() -> None:
    own = Texts.from_text('[whom]\none = "1 destinataire"\n', "fr")
    assert own("whom.one") == "1 destinataire"
    assert own("next.told") == shipped("en")("next.told")
    assert "next.told" in own.missing
    assert "whom.one" not in own.missing


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[whom]\none = "{count} x"\n', "stands for nothing here"),
        ('[whom]\nmany = "{count.__class__}"\n', "stands for nothing here"),
        ('[whom]\nmany = "{count"\n', "no partner"),
        ('[whom]\nother = "x"\n', "no text of this name"),
        ("[whom]\nmany = 1\n", "in quotes"),
        ('[whom]\nmany = ""\n', "empty"),
        ('[whom]\nmany = "a\\u0000b"\n', "cannot stand in a message"),
        ('[date]\nmonths = "Jan Feb"\n', "12 words"),
        ("[whom\n", "toml"),
        (f'[subject]\nfailed = "{"x" * 300}"\n', "longer than"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text: str, says: str) -> None:
    with pytest.raises(TextsError) as error:
        Texts.from_text(text, "en", "en.toml")
    assert says in error.value.reason.lower() or says in error.value.reason or "en.toml" in error.value.reason
    assert says in str(error.value.reason).lower() or says == "toml"


@given(st.text(max_size=300), st.sampled_from(["", "[whom]\nmany = '", "[cause.quota]\nwhy = '''"]))
def test_any_file_is_texts_or_an_error(text: str, before: str) -> None:
    try:
        found = Texts.from_text(before + text, "en")
    except TextsError:
        return
    assert found("whom.many", count=3)


@given(st.text(alphabet=string.printable, max_size=60))
def test_what_stands_for_a_placeholder_is_never_read_as_one(value: str) -> None:
    own = Texts.from_text('[whom]\nmany = "<{count}>"\n', "en")
    assert own("whom.many", count=value) == f"<{value}>"


def test_one_language_below_the_other_in_octets_of_seven_bits() -> None:
    content = build(
        NOTICE, date=WHEN, message_id="<n@x.example>", boundary="=_1", languages=(shipped("de"), shipped("en"))
    )
    assert content.isascii()
    assert b"Subject: Wartet: Ihre Nachricht an bob@example.org\r\n" in content
    assert b"Content-Language: de, en\r\n" in content
    text = said(NOTICE, shipped("de"), shipped("en"))
    assert text.index("Ihre Nachricht wartet noch") < text.index("Your message is still waiting")
    back = subject(replace(NOTICE, recipients=(replace(ONE, action=Action.FAILED), ONE)), shipped("de"))
    assert back == "Zurück: Ihre Nachricht an bob@example.org"


def test_a_notice_tells_who_what_since_when_until_when_and_what_helps() -> None:
    words = " ".join(said(NOTICE).split())
    for phrase in (
        "example.org itself: its signed DNS announces which key",
        "mx1.example.org 192.0.2.10, TLS 1.3: its key is not the announced one (key 7be1407c…9909 shown",
        "since Mon 23 Nov 2026 22:00 UTC; until Mon 23 Nov 2026 21:50 UTC these servers took mail from here",
        "until Tue 24 Nov 2026 23:00 UTC; you are told",
        'on mx1.example.org itself run "danelaw tlsa mx1.example.org CERTIFICATE.pem"',
    ):
        assert phrase in words


def test_a_notice_about_thousands_stays_short_for_people_and_whole_for_programs() -> None:
    everybody = tuple(
        replace(ONE, address=f"u{n}@d{n % 40}.example", destination=f"d{n % 40}.example") for n in range(5000)
    )
    content = build(replace(NOTICE, recipients=everybody), date=WHEN, message_id="<n@x.example>", boundary="=_1")
    text = said(replace(NOTICE, recipients=everybody))
    assert len(text) < 40_000
    assert "more with the same reason" in text
    assert content.count(b"Final-Recipient:") == 5000


def test_many_hosts_are_told_in_few_lines() -> None:
    hosts = tuple(replace(TRY, host=f"mx{n}.example.org") for n in range(30))
    text = " ".join(said(replace(NOTICE, recipients=(replace(ONE, tries=hosts),))).split())
    assert text.count("its key is not the announced one") == 6
    assert "and 24 more" in text


@given(st.text(max_size=400))
def test_what_servers_say_cannot_break_out_of_its_line(text: str) -> None:
    tries = (replace(TRY, detail=text, reply=text),)
    one = replace(ONE, action=Action.FAILED, status="5.0.0", remote_mta="mx.example.org", cause=Cause.OTHER)
    one = replace(one, diagnostic=text, tries=tries)
    for line in said(replace(NOTICE, recipients=(one,))).split("\n"):
        assert "\r" not in line
        assert all(character >= " " for character in line)
