"""Taking out of a finished notice what it tells of the message, for a way back without REQUIRETLS (RFC 8689 §5)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from danelaw.dsn.build import words_part
from danelaw.dsn.errors import DSNError
from danelaw.dsn.report import Report
from danelaw.dsn.texts import Texts, shipped

_WIDTH = 76
_TRACES = frozenset({b"in-reply-to", b"references"})


def redacted(notice: bytes, languages: Sequence[Texts] | None = None) -> bytes:
    """The notice (RFC 6522 multipart/report) with general words, its fields for programs, and nothing of the message.

    `languages` are the texts for a person; absent: English.
    Raises `DSNError` for content that is no such notice.
    """
    report = Report.from_bytes(notice)
    status = next((part for part in report.parts if b"delivery-status" in part.partition(b"\r\n\r\n")[0]), None)
    if status is None:
        raise DSNError("the notice has no part for programs (message/delivery-status)")
    fields = b"".join(
        field.raw for field in report.header if field.raw.partition(b":")[0].strip().lower() not in _TRACES
    )
    texts = tuple(languages or (shipped("en"),))
    said = "\n\n".join(textwrap.fill(one("redacted.text"), _WIDTH) for one in texts) + "\n"
    mark = b"--" + report.boundary
    body = b"\r\n".join((mark, words_part(said, texts) + mark, status, mark + b"--", b""))
    return fields + b"\r\n" + body
