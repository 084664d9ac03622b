"""Types by content, what archives hold, macros, and odd names."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.filetypes.archives_made import encrypted_flags, ole, rar4, rar5, tarred, zipped

from danelaw.filetypes import Limits, examine, oddities, type_of

PROGRAM = b"MZ\x90\x00" + bytes(100)
PDF = b"%PDF-1.7\n%\xe2\xe3\n"


@pytest.mark.parametrize(
    ("octets", "type"),
    [
        (PDF, "application/pdf"),
        (PROGRAM, "application/vnd.microsoft.portable-executable"),
        (b"\x7fELF\x02", "application/x-elf"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (bytes(32769) + b"CD001", "application/x-iso9660-image"),
        (b"\xef\xbb\xbf  <!DOCTYPE HTML>", "text/html"),
        (b'<?xml version="1.0"?><svg/>', "image/svg+xml"),
        ("<html>".encode("utf-16"), "text/html"),
        (b"hello\r\n", "text/plain"),
        ("grüße".encode(), "text/plain"),
        (b"\0\1\2\3", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_types_come_from_the_octets(octets: bytes, type: str) -> None:
    assert type_of(octets) == examine(octets).type == type


def test_a_zip_is_listed_with_types_of_its_members() -> None:
    facts = examine(zipped({"a/readme.txt": b"hi", "b.pdf": PDF, "c.exe": PROGRAM, "d/": b""}), "x.zip")
    assert [(one.path, one.size, one.type) for one in facts.members] == [
        ("a/readme.txt", 2, "text/plain"),
        ("b.pdf", len(PDF), "application/pdf"),
        ("c.exe", len(PROGRAM), "application/vnd.microsoft.portable-executable"),
        ("d/", 0, "application/octet-stream"),
    ]
    assert facts.odd == ("c.exe would be carried out by a double click",)
    assert not facts.encrypted


def test_what_stands_before_a_zip_and_a_damaged_one_are_told() -> None:
    archive = zipped({"a.txt": b"hi"})
    before = examine(b"PK\3\4" + bytes(20) + archive)
    assert [one.path for one in before.members] == ["a.txt"]
    assert "something stands before the ZIP archive" in before.odd
    assert examine(archive[:-10]).odd == ("the ZIP archive has no directory",)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_tar_archives_in_all_forms_packed_in_all_ways(form: int) -> None:
    long = "d/" * 40 + "name.pdf"
    archive = tarred({long: PDF, "b.exe": PROGRAM}, form)
    for packed, name, type in (
        (archive, "x.tar", "application/x-tar"),
        (gzip.compress(archive), "x.tgz", "application/gzip"),
        (bz2.compress(archive), "x.tar.bz2", "application/x-bzip2"),
        (lzma.compress(archive), "x.tar.xz", "application/x-xz"),
    ):
        facts = examine(packed, name)
        assert facts.type == type
        inner = facts.members if type == "application/x-tar" else facts.members[1:]
        assert [(one.path, one.size, one.type) for one in inner] == [
            (long, len(PDF), "application/pdf"),
            ("b.exe", len(PROGRAM), "application/vnd.microsoft.portable-executable"),
        ]
        if type != "application/x-tar":
            assert (facts.members[0].path, facts.members[0].type) == ("x.tar", "application/x-tar")


def test_rar_and_7z_are_listed_as_far_as_they_say() -> None:
    for made in (rar4({"a.exe": 5, "ü.pdf": 7}), rar5({"a.exe": 5, "ü.pdf": 300})):
        facts = examine(made)
        assert (facts.type, [one.path for one in facts.members]) == ("application/vnd.rar", ["a.exe", "ü.pdf"])
        assert not facts.encrypted
    assert examine(rar5({"a": 1}, encrypted=True)).encrypted
    hidden = b"7z\xbc\xaf\x27\x1c\0\4" + bytes(4) + (2).to_bytes(8, "little") + (9).to_bytes(8, "little") + bytes(6)
    seven = examine(hidden + b"..." + b"\x17\6\xf1\7\1xxxx")
    assert seven.encrypted
    assert seven.odd == ("what a 7z archive holds is not listed",)


def test_encrypted_members_are_told_and_not_looked_into() -> None:
    facts = examine(encrypted_flags(zipped({"a.exe": PROGRAM})))
    assert facts.encrypted
    assert [(one.type, one.encrypted) for one in facts.members] == [("application/octet-stream", True)]


def test_bombs_cost_no_more_than_the_limits() -> None:
    bomb = zipped({"zeros": bytes(20 << 20)})
    facts = examine(bomb)
    assert any("times its size" in words for words in facts.odd)
    for depth in range(6):
        bomb = zipped({f"{depth}.zip": bomb}, method=0)
    assert any("nested more than 4 deep" in words for words in examine(bomb).odd)
    assert max(one.depth for one in examine(bomb).members) == 4
    many = zipped({str(number): b"" for number in range(30)})
    facts = examine(many, limits=Limits(members=10))
    assert len(facts.members) == 10
    assert "there are more than 10 members" in facts.odd
    packed = gzip.compress(zipped({"a": bytes(1000)}, method=0) + bytes(500_000))
    assert any("too large to be looked into" in words for words in examine(packed, limits=Limits(member=1000)).odd)


OPEN = {"[Content_Types].xml": b"<x/>"}


@pytest.mark.parametrize(
    ("made", "type", "macros", "encrypted"),
    [
        (zipped({**OPEN, "word/document.xml": b""}), "wordprocessingml.document", False, False),
        (zipped({**OPEN, "word/vbaProject.bin": b""}), "ms-word.document.macroenabled", True, False),
        (zipped({**OPEN, "xl/macrosheets/s1.xml": b""}), "ms-excel.sheet.macroenabled", True, False),
        (zipped({**OPEN, "xl/workbook.bin": b""}), "ms-excel.sheet.binary", False, False),
        (zipped({**OPEN, "ppt/presentation.xml": b""}), "presentationml", False, False),
        (zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "Basic/x": b""}), "text", True, False),
        (
            zipped({"mimetype": b"application/vnd.oasis.opendocument.text",
                    "META-INF/manifest.xml": b"<manifest:encryption-data/>"}),
            "document.text", False, True,
        ),
        (zipped({"META-INF/MANIFEST.MF": b""}), "java-archive", False, False),
        (ole("WordDocument", "1Table"), "msword", False, False),
        (ole("a", "b", "c", "d", "e", "Workbook", "_VBA_PROJECT_CUR", "VBA"), "vnd.ms-excel", True, False),
        (ole("EncryptionInfo", "EncryptedPackage"), "encrypted-office", False, True),
        (ole("__properties_version1.0"), "outlook", False, False),
        (PDF + b"/Encrypt 5 0 R", "pdf", False, True),
    ],
)  # fmt: skip
def test_office_files_are_known_by_what_is_in_them(made: bytes, type: str, macros: bool, encrypted: bool) -> None:
    facts = examine(made)
    assert type in facts.type
    assert (facts.macros, facts.encrypted) == (macros, encrypted)


def test_macros_in_an_archive_are_told() -> None:
    facts = examine(zipped({"letter.doc": ole("WordDocument", "Macros")}))
    assert "letter.doc has macros" in facts.odd
    assert facts.members[0].type == "application/msword"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("invoice.pdf.exe", "two extensions"),
        ("invoice.pdf        .exe", "two extensions"),
        ("photo\u202egpj.exe", "turn its direction"),
        ("a\u200bb.txt", "cannot be seen"),
        ("../../etc/passwd", "is a path"),
        ("a.exe ", "padded"),
        ("a" * 300, "300 characters"),
    ],
)
def test_odd_names(name: str, words: str) -> None:
    assert any(words in one for one in oddities(name))


@pytest.mark.parametrize("name", ["report.final.pdf", "archive.tar.gz", "Grüße.docx", "v1.2.txt", "noextension", ""])
def test_usual_names_are_not_odd(name: str) -> None:
    assert oddities(name) == ()


@pytest.mark.parametrize(
    ("octets", "name", "is_odd"),
    [
        (PROGRAM, "a.pdf", True),
        (b"<html><script>", "invoice.pdf", True),
        (b"text", "a.pdf", False),
        (b"{\\rtf1", "a.doc", False),
        (PDF, "a.unknown", False),
        (zipped({**OPEN, "word/vbaProject.bin": b""}), "a.docx", True),
        (zipped({**OPEN, "word/vbaProject.bin": b""}), "a.docm", False),
    ],
)
def test_a_name_that_says_something_else_than_the_octets_is_odd(octets: bytes, name: str, is_odd: bool) -> None:
    assert any("and the octets are" in words for words in examine(octets, name).odd) is is_odd


SEEDS = [
    zipped({"a.txt": b"hi", "b.zip": zipped({"c": PROGRAM})}), tarred({"a": b"hi"}), rar4({"a": 1}), rar5({"a": 1}),
    ole("WordDocument", "VBA"), gzip.compress(tarred({"a": PDF})), b"7z\xbc\xaf\x27\x1c" + bytes(40),
]  # fmt: skip


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=9)), max_size=8), st.text())
def test_damaged_files_never_raise_and_never_go_beyond_the_limits(
    seed: bytes, damage: list[tuple[int, bytes]], name: str
) -> None:
    octets = bytearray(seed)
    for place, written in damage:
        at = place % len(octets)
        octets[at : at + len(written)] = written
    facts = examine(bytes(octets), name, Limits(octets=1 << 20, members=20, depth=3))
    assert len(facts.members) <= 20
    assert all(1 <= one.depth <= 3 for one in facts.members)
