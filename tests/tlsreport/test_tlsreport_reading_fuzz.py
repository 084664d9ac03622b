"""The fuzz targets, fed from strategies: broken reports and requests end in words."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tlsreport_samples import mail, octets

from danelaw.tlsreport import compress
from fuzz import tlsreport_posting, tlsreport_read

JSON = octets()
MAIL = mail()
PIECES = [b"{", b"}", b"[", b'"', b",", b":", b"null", b"-1", b"1e999", b"NaN", b"\\ud800", b"\xff", b"\0", b"\\u0000"]
HEAD = (
    b"POST /v1/tlsrpt HTTP/1.1\r\nHost: mx.example.org\r\nContent-Type: application/tlsrpt+gzip\r\n"
    b"Content-Length: 12\r\nExpect: 100-continue\r\n\r\n"
)
FIELDS = [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 12\r\n", b"Content-Length: 9999\r\n", b" folded\r\n",
          b"\r\n", b"Content-Type: text/html\r\n", b"\0", b"A" * 200, b"https://mx.example.org"]  # fmt: skip


@given(st.integers(0, len(JSON)), st.integers(0, len(JSON)), st.sampled_from(PIECES), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_report_with_a_hole(start: int, end: int, piece: bytes, packed: bool) -> None:
    text = JSON[: min(start, end)] + piece + JSON[max(start, end) :]
    tlsreport_read.test_one_input(compress(text) if packed else text)


@given(st.integers(0, len(MAIL)), st.binary(max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_mail_with_other_octets(place: int, piece: bytes) -> None:
    tlsreport_read.test_one_input(MAIL[:place] + piece + MAIL[place + len(piece) :])


@given(st.binary(max_size=60), st.sampled_from([b"", b"\x1f\x8b\x08", b'{"policies": [', JSON[:300]]))
@settings(max_examples=100, deadline=None)
def test_any_octets(text: bytes, beginning: bytes) -> None:
    tlsreport_read.test_one_input(beginning + text)


@given(st.integers(0, len(HEAD)), st.integers(0, len(HEAD)), st.sampled_from(FIELDS) | st.binary(max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_request_with_a_hole(start: int, end: int, piece: bytes) -> None:
    tlsreport_posting.test_one_input(HEAD[: min(start, end)] + piece + HEAD[max(start, end) :])


@given(st.binary(max_size=12), st.sampled_from([b"", b"\r\n", b"\n", b";x=y\r\n"]))
@settings(max_examples=100, deadline=None)
def test_a_line_of_a_chunk(text: bytes, end: bytes) -> None:
    tlsreport_posting.test_one_input(text + end)
