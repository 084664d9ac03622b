"""The digest as its reader gets it, the moments it is due, and what strangers cannot do with it."""

from __future__ import annotations

import email
import email.policy
import os
import time
from collections.abc import Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.quarantine import Summary, anatomy
from danelaw.quarantine.digest import Digest, Entry, build, last_due, unlinked
from danelaw.quarantine.summary import shown
from danelaw.quarantine.tokens import Action

LINKS = {action: f"https://gw.test/q/{action.name.lower()}" for action in Action}


def entry(author: str = "Bob <bob@shop.example>", subject: str = "Bill", reason: str = "score 12") -> Entry:
    return Entry("anna@example.org", author, subject, reason, 1_795_000_000.0, 1_795_900_000.0, LINKS)


def parsed(digest: Digest) -> tuple[EmailMessage, str, str]:
    octets = build(digest, date=1_795_000_000.0, message_id="<1@gw.test>", boundary="=_b")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    message = cast(EmailMessage, email.message_from_bytes(octets, policy=email.policy.default))
    assert not message.defects
    text, html = (cast(EmailMessage, part).get_content().replace("\r\n", "\n") for part in message.iter_parts())
    return message, text, html


class Tags(HTMLParser):
    """The links of a page, and the tags it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str | None] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action")]


def test_the_standard_library_reads_it_as_it_is_meant() -> None:
    message, text, html = parsed(Digest("anna@example.org", "quarantine@gw.test", "gw.test", [entry()] * 2, 3))
    assert message["Subject"] == "5 messages are held for you"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"].addresses[0].addr_spec == "anna@example.org"
    assert text.count("https://gw.test/q/release") == 2
    assert "… and 3 more." in text
    assert "bob@shop.example" in text
    assert Tags(html).links == [*LINKS.values()] * 2


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "https://evil.example/release",
    "Release: HTTPS://EVIL.example",
    "www.evil.example",
    "mailto:x@evil.example",
    "line\r\nBcc: everybody@example.org",
    "\u202egnp.exe\u2066",
    "\x1b]0;title\x07",
    "--=_b",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_strangers_wrote_stays_text_in_one_line(hostile: str) -> None:
    given_entry = entry(hostile, hostile, hostile)
    message, text, html = parsed(Digest("anna@example.org", "q@gw.test", "gw.test", [given_entry]))
    assert len(message.items()) == 8
    tags = Tags(html)
    assert tags.links == [*LINKS.values()]
    assert tags.tags <= {"html", "body", "h3", "div", "b", "br", "span", "a", "p"}
    for page in (text, html):
        assert "://evil" not in page.lower()
        assert "www.evil" not in page
        assert all(character == "\n" or character.isprintable() for character in page)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_author_and_subject_leave_the_digest_whole(author: str, subject: str) -> None:
    _, text, html = parsed(Digest("anna@example.org", "q@gw.test", "gw.test", [entry(author, subject), entry()]))
    assert Tags(html).links == [*LINKS.values()] * 2
    assert text.count("https://gw.test/q/") == 6
    assert text.splitlines()[2].startswith("1. ")
    assert unlinked(subject).isprintable()


@given(st.binary(max_size=300))
def test_any_header_has_a_harmless_summary(value: bytes) -> None:
    assert shown(value).isprintable()
    summary = Summary.of(b"Subject: " + value + b"\r\nFrom: " + value + b"\r\n\r\n")
    assert summary.subject.isprintable()
    assert summary.author.isprintable()


@given(st.lists(st.sampled_from([
    b"Content-Type: multipart/mixed; boundary=a\r\n", b"\r\n", b"--a\r\n", b"--a--\r\n", b"x", b"\r", b"\n", b"\0",
    b"Content-Type: message/rfc822\r\n", b"Content-Type: multipart/x; boundary=\"\\a\"\r\n", b"--", b"name*0=\"y\r\n",
]), max_size=60))  # fmt: skip
def test_any_message_has_an_anatomy_within_its_limits(pieces: list[bytes]) -> None:
    parts, _ = anatomy(b"".join(pieces))
    assert 1 <= len(parts) <= 201
    assert all(part.depth <= 13 and part.kind.isprintable() and part.name.isprintable() for part in parts)


def test_ten_thousand_nested_parts_are_cut_off() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
    parts, whole = anatomy(nested)
    assert len(parts) == 13
    assert not whole
    flat = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 10_000
    parts, whole = anatomy(flat)
    assert len(parts) == 200
    assert not whole


@pytest.fixture
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-25 06:59", "2026-11-24 15:30"),
        ("2026-11-25 07:00", "2026-11-25 07:00"),
        ("2026-11-25 15:29", "2026-11-25 07:00"),
        ("2026-11-25 23:00", "2026-11-25 15:30"),
        ("2026-10-25 06:00", "2026-10-24 15:30"),
        ("2026-03-29 07:30", "2026-03-29 07:00"),
    ],
)
def test_a_digest_is_due_by_the_clock_on_the_wall(now: str, due: str) -> None:
    def moment(text: str) -> float:
        return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M"))

    assert last_due(("07:00", "15:30"), moment(now)) == moment(due)
