"""How long reading messages takes, beside the standard library's `email` in the same run.

    python -m bench.message [--rounds N]

CPU time (`time.process_time`), the least of several runs. Header: a message of 4 KB, and From, Subject and
Content-Type looked up. Structure: a message of 5 MB with a text, its HTML and an attachment, every part with its type
and file name, in memory, mapped and from a file. Then a message of 25 MB with one field changed, given out piece by
piece: seconds, and the peak of memory beyond it. Hostile messages last, with their octets per second.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import mmap
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from email.parser import BytesHeaderParser

from danelaw.message import Draft, FileOctets, Octets, Part, author_addresses, scan, text_field

_LINE = b"The quick brown fox jumps over the lazy dog, and the dog does not mind it.\r\n"
_BASE64 = b"A" * 76 + b"\r\n"


def small() -> bytes:
    """A message of 4 KB as it arrives: hops, a signature, and what people write."""
    hop = (
        b"Received: from mail%d.example.net (mail%d.example.net [192.0.2.1])\r\n"
        b"\tby mx.example.org with ESMTPS id %d\r\n"
        b"\tfor <ben@example.org>; Wed, 25 Nov 2026 10:00:00 +0000\r\n"
    )
    signature = (
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=x;\r\n\tb=" + b"A" * 300 + b"\r\n"
    )
    fields = (
        b"From: =?utf-8?q?Anna_Gr=C3=BCn?= <anna@example.net>\r\nTo: Ben <ben@example.org>\r\nSubject: the fox\r\n"
        b"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nX-Mailer: quill 3\r\n"
        b"List-Id: <foxes.example.net>\r\nReply-To: <foxes@example.net>\r\n"
    )
    header = b"".join(hop % (number, number, number) for number in range(4)) + signature + fields
    return (header + b"\r\n" + _LINE * 60)[:4096]


def large(size: int) -> bytes:
    """multipart/mixed of an alternative and an attachment of that size."""
    words = b"--in\r\nContent-Type: text/plain\r\n\r\n" + _LINE * 20
    html = b"\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>" + _LINE * 40 + b"</p>\r\n--in--\r\n"
    text = b"Content-Type: multipart/alternative; boundary=in\r\n\r\n" + words + html
    file = (
        b'Content-Type: application/pdf; name="report.pdf"\r\n'
        b'Content-Disposition: attachment; filename="report.pdf"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n" + _BASE64 * (size // len(_BASE64))
    )
    head = b"From: Anna <anna@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n"
    return head + b"--out\r\n" + text + b"\r\n--out\r\n" + file + b"\r\n--out--\r\n"


def least(act: Callable[[], object], rounds: int, repeats: int = 5) -> float:
    """Seconds of CPU per call, the least of several runs."""
    act()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(rounds):
            act()
        found.append((time.process_time() - start) / rounds)
    return min(found)


def our_header(message: bytes) -> None:
    """Fields looked up by name."""
    header = scan(message)
    header.first("From"), header.first("Subject"), header.first("Content-Type")


def their_header(message: bytes) -> None:
    """The same by the standard library, which reads no body here."""
    header = BytesHeaderParser().parsebytes(message)
    header["From"], header["Subject"], header["Content-Type"]


def our_authors(message: bytes) -> None:
    """The author domain."""
    authors = author_addresses((field.name, field.raw) for field in scan(message).all("From"))
    assert authors.domains == ("example.net",)


def their_authors(message: bytes) -> None:
    """The same by the standard library."""
    header = BytesHeaderParser(policy=email.policy.default).parsebytes(message)
    assert [one.domain for one in header["From"].addresses] == ["example.net"]


def our_structure(source: Octets) -> None:
    """Every part with its type and file name."""
    assert [part.filename for part in Part.from_octets(source).walk()][-1] == "report.pdf"


def their_structure(message: bytes) -> None:
    """The same by the standard library."""
    assert [part.get_filename() for part in email.message_from_bytes(message).walk()][-1] == "report.pdf"


def compare(title: str, unit: str, ours: float, theirs: float) -> None:
    """One line."""
    scale = 1e6 if unit == "µs" else 1e3
    print(f"{title:44} {ours * scale:9.1f} {unit}   email {theirs * scale:9.1f} {unit}   {theirs / ours:7.1f} times")


def changed() -> None:
    """25 MB with one field changed."""
    with tempfile.TemporaryFile() as file:
        file.write(large(25 << 20))
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            for name, source in (("mapped", mapped), ("file", FileOctets(file))):
                tracemalloc.start()
                start = time.process_time()
                draft = Draft(Part.from_octets(source))
                draft.add_field(text_field("Subject", "changed"))
                given = sum(map(len, draft.chunks()))
                seconds = time.process_time() - start
                peak = tracemalloc.get_traced_memory()[1] / (1 << 20)
                tracemalloc.stop()
                assert given == draft.size
                print(f"25 MB, one field changed, {name:18} {seconds * 1e3:9.1f} ms   {peak:5.2f} MiB at the peak")


def hostile() -> None:
    """Messages made to cost time, with all parts, defects and addresses read."""
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    nested = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n"
    cases = {
        "100,000 fields": b"A: b\r\n" * 100_000 + b"\r\n",
        "10,000 nested parts": b"".join(nested % (n, n) for n in range(10_000)),
        "10,000 nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 10_000,
        "1 MB of boundaries": head + b"--b\r\n" * 200_000,
        "25 MB of almost boundaries": head + b"--b x\r\n" * (25 * 150_000),
        "100 levels over 25 MB": b"".join(nested % (n, n) for n in range(100)) + b"--b x\r\n" * (25 * 150_000),
        "1 MB of addresses": b"From: " + b"a@b,<" * 200_000 + b"\r\n\r\n",
        "1 MB of parameters": b"Content-Type: a/b" + b";a*0*=%41" * 110_000 + b"\r\n\r\n",
        "1 MB of encoded words": b"Subject:" + b" =?utf-8?q?=C3?=" * 60_000 + b"\r\n\r\n",
    }
    for name, octets in cases.items():

        def act(octets: bytes = octets) -> None:
            message = Part.from_octets(octets)
            for part in message.walk():
                assert part.defects is not None
            author_addresses((field.name, field.raw) for field in message.header)
            for field in message.header.all("Subject"):
                assert field.decoded

        seconds = least(act, 1, 1)
        print(f"{name:44} {seconds * 1e3:9.1f} ms   {len(octets) / seconds / 1e6:7.1f} MB/s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    message, big = small(), large(5_000_000)
    for title, ours, theirs in (
        ("header of 4 KB, three fields looked up", our_header, their_header),
        ("header of 4 KB, the author's domain", our_authors, their_authors),
    ):
        mine, other = (
            least(lambda ours=ours: ours(message), rounds),
            least(lambda theirs=theirs: theirs(message), rounds // 10),
        )  # type: ignore[misc]
        compare(title, "µs", mine, other)
    whole = least(lambda: email.message_from_bytes(message), rounds // 10)
    compare("the same header, email reading the body", "µs", least(lambda: our_header(message), rounds), whole)
    theirs_large = least(lambda: their_structure(big), 1, 3)
    compare("structure of 5 MB, in memory", "ms", least(lambda: our_structure(big), 20), theirs_large)
    with tempfile.TemporaryFile() as file:
        file.write(big)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            compare("structure of 5 MB, mapped", "ms", least(lambda: our_structure(mapped), 20), theirs_large)
        compare("structure of 5 MB, file", "ms", least(lambda: our_structure(FileOctets(file)), 20), theirs_large)
    changed()
    hostile()


if __name__ == "__main__":
    main()
