"""Fuzz target: answers of clamd, spamd and rspamd. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys
from collections.abc import Callable

from danelaw.filters import FilterError, FilterResult, Verdict, clamd, edited_content_header, new_body, rspamd, spamd
from danelaw.filters.http import is_whole, reply_body
from danelaw.message import Header

_HEADER = b"From: a@b.example\r\nSubject: x\r\n"
_READERS: tuple[Callable[[bytes], FilterResult], ...] = (
    clamd.result_of,
    spamd.result_of,
    lambda data: spamd.result_of(data, "HEADERS"),
    lambda data: spamd.result_of(data, "PROCESS"),
    rspamd.result_of,
    lambda data: rspamd.result_of(reply_body(data)),
    lambda data: spamd.result_of(b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.0 / 5.0\r\n\r\n" + data, "PROCESS"),
)


def test_one_input(data: bytes) -> None:
    """An answer is a result or a `FilterError`; its words fit on one line, its edits leave a header a header."""
    if not data:
        return
    is_whole(data[1:])
    try:
        result = _READERS[data[0] % len(_READERS)](data[1:])
    except FilterError as error:
        assert error.reason
        return
    assert result.verdict is not Verdict.FAILED
    for text in (result.reason, *result.names, *(result.reply[2] if result.reply else ())):
        assert text.isprintable() or all(ord(c) >= 32 for c in text)
        assert "\n" not in text
    header = edited_content_header(_HEADER, result.edits, leading_space=result.leading_space)
    assert not header or header.endswith(b"\r\n")
    assert b"\r\n\r\n" not in header
    assert header.count(b"\n") == header.count(b"\r\n")
    added = len(Header.from_bytes(header + b"\r\n").fields)
    assert added <= len(result.edits) + 2 or any(type(edit).__name__ == "ReplaceHeader" for edit in result.edits)
    body = new_body(result.edits)
    if body is not None:
        assert body.count(b"\n") == body.count(b"\r") == body.count(b"\r\n")


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
