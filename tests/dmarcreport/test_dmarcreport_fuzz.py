"""The fuzz target, fed from strategies: broken reports end in words."""

from __future__ import annotations

from dmarcreport_samples import REPORT
from hypothesis import given, settings
from hypothesis import strategies as st

from danelaw.dmarcreport import compress, to_xml
from fuzz import dmarcreport_read

XML = to_xml(REPORT)
PIECES = [b"<", b">", b"/", b"<record>", b"</record>", b"<row>", b"<!DOCTYPE", b"&#0;", b"&amp;", b"\xff", b"]]>",
          b"\0", b"<![CDATA[", b"-1", b"schema", b'<x xmlns="urn:x">', b"<spf>", b"<scope>helo</scope>"]  # fmt: skip


@given(st.integers(0, len(XML)), st.integers(0, len(XML)), st.sampled_from(PIECES), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_report_with_a_hole(start: int, end: int, piece: bytes, packed: bool) -> None:
    octets = XML[: min(start, end)] + piece + XML[max(start, end) :]
    dmarcreport_read.test_one_input(compress(octets) if packed else octets)


@given(st.binary(max_size=60), st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"<feedback>", XML[:300]]))
@settings(max_examples=100, deadline=None)
def test_any_octets(octets: bytes, beginning: bytes) -> None:
    dmarcreport_read.test_one_input(beginning + octets)
