"""RFC 8689 §2, §3, §4.1, §4.3: what a server offers, takes and refuses, each a script of octets of its own."""

from __future__ import annotations

import pytest
from tests.smtp.smtp_sessions import Owner, settings

from danelaw.inbound.head import Head
from danelaw.requiretls import waives_tls
from danelaw.smtp import DataRequested, MailFrom, StartTLS

BOTH = settings(starttls=True, requiretls=True)
MAIL = b"MAIL FROM:<a@sender.example>"


def offers(owner: Owner) -> set[str]:
    return {line[4:] for line in owner.feed(b"EHLO c.example\r\n").decode().splitlines()}


def test_offered_only_inside_tls() -> None:
    """§2: advertised after STARTTLS, never before; a client that did not ask again after STARTTLS has nothing."""
    owner = Owner(BOTH)
    assert "STARTTLS" in (before := offers(owner))
    assert "REQUIRETLS" not in before
    owner.feed(b"STARTTLS\r\n")
    assert any(isinstance(event, StartTLS) for event in owner.events)
    owner.server.tls_established()
    assert owner.feed(MAIL + b" REQUIRETLS\r\n").startswith(b"503"), "EHLO comes first (RFC 3207 §4.2)"
    assert "REQUIRETLS" in offers(owner)
    assert owner.feed(MAIL + b" REQUIRETLS\r\n").startswith(b"250")


# §2: valid inside TLS only; no value is associated with it; it stands once.
LINES = [
    (False, b" REQUIRETLS", b"555 5.5.4"),
    (True, b" REQUIRETLS", b"250"),
    (True, b" requiretls", b"250"),
    (True, b" RequireTLS SIZE=10", b"250"),
    (True, b" REQUIRETLS=yes", b"501 5.5.4"),
    (True, b" REQUIRETLS=", b"501 5.5.4"),
    (True, b" REQUIRETLS=No", b"501 5.5.4"),
    (True, b" REQUIRETLS REQUIRETLS", b"501 5.5.4"),
    (True, b" REQUIRETLSX", b"555 5.5.4"),
]


@pytest.mark.parametrize(("tls", "parameter", "code"), LINES, ids=[f"{tls} {line!r}" for tls, line, _ in LINES])
def test_the_parameter(tls: bool, parameter: bytes, code: bytes) -> None:
    owner = Owner(BOTH, tls=tls)
    owner.feed(b"EHLO c.example\r\n")
    assert owner.feed(MAIL + parameter + b"\r\n").startswith(code)


@pytest.mark.parametrize("path", [b"<a@sender.example>", b"<>"])
def test_the_message_is_tagged_whoever_sent_it(path: bytes) -> None:
    """§4.1: also a notice of another server, whose reverse-path is empty."""
    owner = Owner(BOTH, tls=True)
    owner.feed(b"EHLO c.example\r\nMAIL FROM:" + path + b" REQUIRETLS\r\nRCPT TO:<b@c.example>\r\nDATA\r\n")
    (mail,) = (event for event in owner.events if isinstance(event, MailFrom))
    (due,) = (event for event in owner.events if isinstance(event, DataRequested))
    assert mail.requiretls
    assert due.envelope.requiretls


def test_the_tag_ends_with_its_transaction() -> None:
    owner = Owner(BOTH, tls=True)
    owner.feed(b"EHLO c.example\r\n" + MAIL + b" REQUIRETLS\r\nRSET\r\n" + MAIL + b"\r\n")
    assert [event.requiretls for event in owner.events if isinstance(event, MailFrom)] == [True, False]


def test_a_listener_without_it_refuses_it() -> None:
    """A sender is told at once, rather than by a notice."""
    owner = Owner(settings(starttls=True), tls=True)
    assert "REQUIRETLS" not in offers(owner)
    assert owner.feed(MAIL + b" REQUIRETLS\r\n").startswith(b"555 5.5.4")


def test_the_longest_line_has_room_for_it() -> None:
    """§2 item 5: eleven octets more."""
    owner = Owner(BOTH, tls=True)
    owner.feed(b"EHLO c.example\r\n")
    local = b"a" * 64 + b"@" + b".".join([b"b" * 61] * 3)
    assert (
        owner.feed(b"MAIL FROM:<" + local + b"> SIZE=00000000000000000001 BODY=8BITMIME REQUIRETLS\r\n")[:3] == b"250"
    )


# §3, §4.1: the field, as it stands in a header.
FIELDS = [
    (b"TLS-Required: No\r\n", True),
    (b"tls-required:no\r\n", True),
    (b"TLS-REQUIRED:\r\n NO\r\n", True),
    (b"TLS-Required:\tNo \r\n", True),
    (b"TLS-Required : No\r\n", True),
    (b"TLS-Required: Yes\r\n", False),
    (b"TLS-Required:\r\n", False),
    (b"TLS-Required: No, really\r\n", False),
    (b"TLS-Required: No (said so)\r\n", False),
    (b'TLS-Required: "No"\r\n', False),
    (b"TLS-Required: N\r\n o\r\n", False),
    (b"TLS-Required: No\r\nTLS-Required: No\r\n", False),
    (b"TLS-Required: No\r\nTLS-Required: Yes\r\n", False),
    (b"TLS-Required: Yes\r\nTLS-Required: No\r\n", False),
    (b"X-TLS-Required: No\r\n", False),
    (b"X: x\r\n TLS-Required: No\r\n", False),
    (b"X: x\r\n\r\nTLS-Required: No\r\n", False),
]


@pytest.mark.parametrize(("header", "waives"), FIELDS, ids=[repr(header) for header, _ in FIELDS])
def test_the_field(header: bytes, waives: bool) -> None:
    found = Head(b"From: a@b.example\r\n" + header + b"To: c@d.example\r\n\r\nbody\r\n").tls_required
    assert waives_tls(found, requiretls=False) is waives
    assert not waives_tls(found, requiretls=True), "§4.1: with the parameter the field is ignored"
