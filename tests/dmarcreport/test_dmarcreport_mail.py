"""Reports on their way: gzip and zip within limits, the mail around them, and reading it back."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import replace

import pytest
from dmarcreport_samples import REPORT, zipped

from danelaw.dmarcreport import (
    ReportError,
    ReportMail,
    compress,
    filename,
    from_xml,
    read_file,
    read_mail,
    to_xml,
    unpack,
)
from danelaw.message import Header, Part

MAIL = ReportMail(submitter="gw.test", sender="dmarc@gw.test", to=("rua@example.com", "b@example.com"))
XML = to_xml(REPORT)


def built(report: object = REPORT) -> bytes:
    assert isinstance(report, type(REPORT))
    return MAIL.build(report, date=1_700_090_000.0, message_id="<m@gw.test>", boundary="=_b")


def test_the_mail_is_what_rfc_9990_asks_for() -> None:
    message = built()
    header = Header.from_bytes(message)
    subject = header.first("Subject")
    assert subject is not None
    assert re.sub(r"\s+", " ", subject.decoded) == (
        "Report Domain: example.com Submitter: gw.test Report-ID: <1700000000.7.example.com@gw.test>"
    )
    assert max(map(len, message.split(b"\r\n"))) <= 78
    _, file = Part.from_octets(message).parts
    assert file.content_type.value == "application/gzip"
    assert file.filename == "gw.test!example.com!1700000000!1700086399!7.xml.gz" == filename(REPORT, "gw.test")
    assert gzip.decompress(file.content()) == XML
    assert [found.report for found in read_mail(message)] == [REPORT]


def test_the_same_report_gives_the_same_octets() -> None:
    assert compress(XML) == compress(XML)
    assert built() == built()


@pytest.mark.parametrize("domain", ["a..b", "x y", "a\r\nb", "-", ""])
def test_what_is_no_domain_comes_into_no_field(domain: str) -> None:
    with pytest.raises(ReportError, match="no domain name"):
        built(replace(REPORT, policy=replace(REPORT.policy, domain=domain)))


@pytest.mark.parametrize("octets", [
    XML, compress(XML), b"\xef\xbb\xbf" + XML, b"\r\n " + XML, zipped(("r.xml", XML)), compress(XML) + b"\0" * 100,
    zipped(("__MACOSX/x", b"y"), ("r.XML", XML)), compress(XML[:500]) + compress(XML[500:]),
], ids=["xml", "gzip", "bom", "space", "zip", "padded", "two entries", "two members"])  # fmt: skip
def test_containers(octets: bytes) -> None:
    assert read_file(octets) == REPORT


def bomb(size: int) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [deflate.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join(pieces) + deflate.flush()


@pytest.mark.parametrize(("octets", "words"), [
    (bomb(4 << 20), "more than 1048576 octets come out"),
    (bomb(1 << 20) + bomb(1 << 20), "more than 1048576 octets come out"),
    (zipped(("r.xml", bytes(4 << 20))), "more than 1048576 octets come out"),
    (bytes((1 << 19) + 1), "are read at most"),
    (compress(XML)[:-20], "cut off"),
    (compress(XML)[:40] + b"xxxx" + compress(XML)[44:], "gzip file is broken"),
    (compress(b"") * 20, "more than 16 members"),
    (zipped(("r.xml", XML))[:-30], "zip file is broken"),
    (zipped(("a.xml", XML), ("b.xml", XML)), "holds 2 reports"),
    (zipped(), "not one|not well-formed"),
    (zipped(("r.xml", XML), method=14), "in a way that reports never are"),
    (zipped(*((f"{one}.xml", b"") for one in range(20))), "more than 16 entries"),
    (compress(compress(XML)), "not well-formed"),
    (zipped(("r.xml.gz", compress(XML))), "not well-formed"),
])  # fmt: skip
def test_bombs_and_broken_files_are_refused_by_name(octets: bytes, words: str) -> None:
    with pytest.raises(ReportError, match=words):
        from_xml(unpack(octets, most=1 << 20, most_compressed=1 << 19))


def test_an_encrypted_zip_is_refused() -> None:
    octets = bytearray(zipped(("r.xml", XML)))
    octets[octets.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ReportError, match="encrypted"):
        unpack(bytes(octets))


def test_a_mail_without_a_report_holds_none_and_a_broken_one_says_why() -> None:
    assert read_mail(b"Subject: hello\r\n\r\nbody\r\n") == ()
    assert read_mail(b"") == ()
    (found,) = read_mail(b'Content-Type: text/xml; name="r.xml"\r\n\r\n<feedback/>\r\n')
    assert (found.name, found.report, found.refusal) == ("r.xml", None, "it has no report_metadata")


def test_a_mail_of_many_reports_ends_somewhere() -> None:
    part = b"--b\r\nContent-Type: text/xml\r\n\r\n" + XML + b"\r\n"
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 30 + b"--b--\r\n"
    assert len(read_mail(message)) == 10
