"""Transfer encodings: real and broken ones, in any pieces."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.message import Defect
from danelaw.message.defects import Defects
from danelaw.message.transfer import TransferEncoding, to_base64, to_quoted_printable, undo

B, Q = TransferEncoding.BASE64, TransferEncoding.QUOTED_PRINTABLE


def undone(encoding: TransferEncoding, octets: bytes, size: int = 1 << 16) -> tuple[bytes, tuple[Defect, ...]]:
    defects = Defects()
    pieces = (octets[place : place + size] for place in range(0, len(octets), size))
    return b"".join(undo(encoding, pieces, defects)), defects.seen()


@pytest.mark.parametrize(
    ("octets", "expected", "clean"),
    [
        (b"QUJD\r\nREVG\r\n", b"ABCDEF", True),
        (b"QUI=", b"AB", True),
        (b"QQ==\r\n", b"A", True),
        (b"QQ", b"A", True),
        (b"QUI", b"AB", True),
        (b"Q", b"", False),
        (b"QUJD!REVG", b"ABCDEF", False),
        (b"QQ==QQ==", b"AA", False),
        (b"QQ==\r\nQUJD", b"AABC", False),
        (b"Q\r\nU\tJ D", b"ABC", True),
        (b"====", b"", True),
        (b"", b"", True),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_base64_is_undone(octets: bytes, expected: bytes, clean: bool, size: int) -> None:
    found, defects = undone(B, octets, size)
    assert found == expected
    assert defects == (() if clean else (Defect.BAD_BASE64,))


@pytest.mark.parametrize(
    ("octets", "expected", "clean"),
    [
        (b"a=3Db=\r\nc\r\n", b"a=bc\r\n", True),
        (b"a=\nb", b"ab", True),
        (b"a= \t\r\nb", b"ab", True),
        (b"a \t\r\nb ", b"a\r\nb", True),
        (b"=c3=BC", b"\xc3\xbc", True),
        (b"=zz =4", b"=zz =4", False),
        (b"a=", b"a", True),
        (b"=\rx", b"=\rx", False),
        (b"a\xffb", b"a\xffb", True),
        (b"=20\r\n", b" \r\n", True),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_quoted_printable_is_undone(octets: bytes, expected: bytes, clean: bool, size: int) -> None:
    found, defects = undone(Q, octets, size)
    assert found == expected
    assert defects == (() if clean else (Defect.BAD_QUOTED_PRINTABLE,))


@given(st.binary(max_size=300), st.integers(1, 90))
def test_base64_written_is_read(octets: bytes, size: int) -> None:
    written = to_base64(octets)
    assert undone(B, written, size) == (octets, ())
    assert base64.b64decode(written) == octets
    assert all(len(line) <= 76 for line in written.split(b"\r\n"))


@given(st.binary(max_size=300), st.integers(1, 90))
def test_quoted_printable_written_is_read(octets: bytes, size: int) -> None:
    written = to_quoted_printable(octets)
    assert undone(Q, written, size) == (octets, ())
    assert all(len(line) <= 76 for line in written.split(b"\r\n"))
    assert quopri.decodestring(written) == octets


@given(st.binary(max_size=200), st.integers(1, 7), st.sampled_from([B, Q]))
def test_pieces_make_no_difference(octets: bytes, size: int, encoding: TransferEncoding) -> None:
    assert undone(encoding, octets, size)[0] == undone(encoding, octets)[0]


@pytest.mark.parametrize("octets", [b" ", b"=", b"a", b"=4", b"\r", b"=\r", b" \r\n"])
@pytest.mark.parametrize("encoding", [B, Q])
def test_endless_lines_are_given_in_pieces(octets: bytes, encoding: TransferEncoding) -> None:
    largest = 0

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield octets * 20_000

    for piece in undo(encoding, pieces(), Defects()):
        largest = max(largest, len(piece))
    assert largest <= 200_000


@pytest.mark.corpus
def test_published_encodings_are_undone(corpus: object) -> None:
    folder = corpus("mime") / "mimekit/UnitTests/TestData/encoders"  # type: ignore[operator]
    assert isinstance(folder, Path)
    photo = (folder / "photo.jpg").read_bytes()
    assert undone(B, (folder / "photo.b64").read_bytes()) == (photo, ())
    found, defects = undone(Q, (folder / "wikipedia.qp").read_bytes())
    assert found.replace(b"\r\n", b"\n") == (folder / "wikipedia.txt").read_bytes().replace(b"\r\n", b"\n")
    assert defects == ()
