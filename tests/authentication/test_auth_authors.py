"""`danelaw auth` and the author: what may stand in From, and what is tried to show another author than is examined.

example.org publishes p=reject and SPF passes for it, so that "pass" means: example.org was taken for the author. A
message without one author that every reader sees is permerror (RFC 9989 §5.3.1), and is held by default.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.authentication.plain_dns import Zone, judged, serving

ZONE = """
example.org TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.example.org TXT "v=DMARC1; p=reject"
_dmarc.xn--bcher-kva.test TXT "v=DMARC1; p=reject"
_dmarc.under_score.test TXT "v=DMARC1; p=reject"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(Zone(ZONE)) as address:
        yield address


def message(*fields: bytes) -> bytes:
    return b"".join(field + b"\r\n" for field in (*fields, b"To: x@y.example", b"Subject: hi")) + b"\r\nHello\r\n"


EXAMPLE: dict[str, tuple[bytes, ...]] = {
    "bare": (b"From: a@example.org",),
    "in brackets": (b"From: Anna <a@example.org>",),
    "capitals": (b"FROM: A@EXAMPLE.ORG",),
    "final dot": (b"From: <a@example.org.>",),
    "white space before the colon": (b"From : a@example.org",),  # RFC 5322 §4.5
    "a tab before the colon": (b"From\t: a@example.org",),
    "group": (b"From: friends: a@example.org, b@example.org;",),  # RFC 6854 §2.1
    "several authors of one domain": (b"From: a@example.org, b@example.org",),
    "comment behind": (b"From: a@example.org (a@evil.test)",),  # RFC 5322 §3.2.2
    "comment before the domain": (b"From: a@(evil.test)example.org",),
    "comment within the domain": (b"From: a@example(evil.test).org",),
    "nested comment": (b"From: (a (b@evil.test) c) <a@example.org>",),
    "white space around dots": (b"From: a . b @ example . org",),  # §4.4
    "source route": (b"From: <@evil.test,@b.test:a@example.org>",),  # §4.4: ignored
    "folded": (b"From: Anna\r\n <a@example.org>",),
    "folded in the address": (b"From: <a@\r\n example.org>",),
    "folded at once": (b"From:\r\n a@example.org",),
    "folded with a blank line": (b"From:\r\n \r\n a@example.org",),
    "an address as quoted name": (b'From: "b@evil.test" <a@example.org>',),
    "an address as name": (b"From: b@evil.test <a@example.org>",),
    "an address in an encoded word": (b"From: =?utf-8?q?b=40evil.test?= <a@example.org>",),  # RFC 2047 §5
    "brackets in an encoded word": (b"From: =?utf-8?q?=3Cb=40evil.test=3E?= <a@example.org>",),
    "an @ in the local-part": (b'From: "b@evil.test"@example.org',),
    "two dots in the local-part": (b"From: a..b@example.org",),
    "percent": (b"From: a%evil.test@example.org",),
    "8-bit name": (b"From: J\xfcrg <a@example.org>",),
    "other fields": (b"X-From: b@evil.test", b"From: a@example.org", b"Reply-To: b@evil.test"),
    "behind a line without colon": (b"X-A: b", b"no field at all", b"From: a@example.org"),  # RFC 7103 §7.2
    "behind a byte order mark": (b"\xef\xbb\xbfX-A: b", b"From: a@example.org"),
    "mapped by IDNA": ("From: a@exam\u00adple．org".encode(),),  # RFC 5895
}
NONE_SURE: dict[str, tuple[bytes, ...]] = {
    "two fields": (b"From: a@example.org", b"From: b@evil.test"),
    "the same twice": (b"From: a@example.org", b"From: a@example.org"),
    "two, one with white space": (b"From: a@example.org", b"From : b@evil.test"),
    "two around a line without colon": (b"From: a@example.org", b"no field", b"From: b@evil.test"),
    "two around text": (b"From: a@example.org", b"no field", b"nor this", b"From: b@evil.test"),
    "behind text": (b"X-A: b", b"no field", b"nor this", b"From: a@example.org"),
    "none": (b"X-A: b",),
    "empty": (b"From: ",),
    "empty brackets": (b"From: <>",),
    "empty group": (b"From: undisclosed:;",),
    "no domain": (b"From: joe",),
    "a literal": (b"From: a@[192.0.2.1]",),
    "two @": (b"From: a@evil.test@example.org",),
    "two @ in brackets": (b"From: <a@evil.test@example.org>",),
    "two pairs of brackets": (b"From: <b@evil.test> <a@example.org>",),
    "brackets in brackets": (b"From: <<a@example.org>>",),
    "text behind": (b"From: <a@example.org> b@evil.test",),
    "no comma": (b"From: a@example.org b@evil.test",),
    "comment not closed": (b"From: (Anna <a@example.org>",),
    "quote not closed": (b'From: "Anna <a@example.org>',),
    "NUL in the domain": (b"From: a@example.org\0.evil.test",),
    "NUL behind": (b"From: a@example.org\0",),
    "NUL in the name": (b"From: A\0 <a@example.org>",),
    "a lone CR": (b"From: a@example.org\rb@evil.test",),
    "all in an encoded word": (b"From: =?utf-8?q?a=40example.org?=",),  # RFC 2047 §5: never in an addr-spec
    "domain an encoded word": (b"From: a@=?utf-8?q?example.org?=",),
    "8-bit domain": (b"From: a@ex\xfcmple.org",),
    "another @": ("From: a＠example.org".encode(),),
    "backslash": (b"From: a@example\\.org",),
    "empty label": (b"From: a@example..org",),
    "dot in front": (b"From: a@.example.org",),
    "label of 64": (b"From: a@" + b"a" * 64 + b".example.org",),
    "2,000 authors": (b"From: " + b", ".join(b"a%d@example.org" % number for number in range(2000)),),
    "too long": (b"From: " + b"x" * 100_000 + b" <a@example.org>",),
    "behind a byte order mark": (b"\xef\xbb\xbfFrom: a@example.org", b"X-A: b"),
    "10,001 fields": (b"From: a@example.org", *[b"X: y"] * 10_001),
    "100,000 fields": (*[b"X: y"] * 100_000, b"From: a@example.org"),
    "2 MB in one field": (b"From: a@example.org", b"X: " + b"y" * 2_000_000),
}


@pytest.mark.parametrize("fields", list(EXAMPLE.values()), ids=list(EXAMPLE))
def test_the_author_is_found(server: str, fields: tuple[bytes, ...]) -> None:
    said = judged(message(*fields), server, mail_from="b@example.org")
    assert (said["dmarc"]["result"], said["dmarc"]["policy"], said["dmarc"]["domain"]) == (
        "pass",
        "reject",
        "example.org",
    ), said["dmarc"]["reason"]
    forged = judged(message(*fields), server, mail_from="b@evil.test", ip="203.0.113.9")
    assert (forged["dmarc"]["result"], forged["decision"]["action"]) == ("fail", "refuse")


@pytest.mark.parametrize("fields", list(NONE_SURE.values()), ids=list(NONE_SURE))
def test_without_one_author_for_all_readers_nothing_passes(server: str, fields: tuple[bytes, ...]) -> None:
    said = judged(message(*fields), server, mail_from="b@example.org")
    assert (said["dmarc"]["result"], said["dmarc"]["policy"], said["status"]) == ("permerror", None, 5)
    assert said["author"]["fault"]
    assert said["decision"]["action"] == "quarantine"


@pytest.mark.parametrize(
    ("field", "result", "domain"),
    [
        # RFC 9989 §11.5: each domain is evaluated, and a failure speaks for the message
        (b"From: b@evil.test, a@example.org", "fail", "example.org"),
        (b"From: b: a@example.org;, b@evil.test", "fail", "example.org"),
        (b"From: a@example.org; b@evil.test", "fail", "example.org"),
        ("From: a@bücher.test".encode(), "fail", "xn--bcher-kva.test"),  # §5.3.1
        (b"From: a@xn--bcher-kva.test", "fail", "xn--bcher-kva.test"),
        (b"From: a@under_score.test", "fail", "under_score.test"),
        (b"From: a@localhost", "none", "localhost"),
        (b"From: a@sub.example.org", "fail", "sub.example.org"),
        (b"From: a@evil.test", "none", "evil.test"),
    ],
)
def test_who_speaks_for_the_message(server: str, field: bytes, result: str, domain: str) -> None:
    dmarc = judged(message(field), server, mail_from="b@evil.test", ip="203.0.113.9")["dmarc"]
    assert (dmarc["result"], dmarc["domain"]) == (result, domain)


WHOLE = message(b"From: a@example.org")


@pytest.mark.parametrize(
    "octets",
    [
        WHOLE.replace(b"\r\n", b"\n"),
        WHOLE.replace(b"\r\n", b"\n", 1),
        WHOLE[:-2],
        WHOLE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
        WHOLE.partition(b"\r\n\r\n")[0] + b"\r\n",
        WHOLE.partition(b"\r\n\r\n")[0],
        b"From joe Mon Jan  5 10:00:00 2026\r\n" + WHOLE,
        b"From joe Mon Jan  5 10:00:00 2026\n" + WHOLE.replace(b"\r\n", b"\n"),
        WHOLE + b"\r\n" * 70_000,
    ],
    ids=["LF", "one LF", "no final line end", "no body", "no empty line", "no line end", "mbox", "mbox, LF", "long"],
)
def test_files_of_all_kinds_are_read(server: str, octets: bytes) -> None:
    said = judged(octets, server, mail_from="b@example.org")
    assert (said["dmarc"]["result"], said["dmarc"]["domain"]) == ("pass", "example.org")
