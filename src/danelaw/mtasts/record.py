"""The TXT record that announces a policy (RFC 8461 §3.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from danelaw.errors import DanelawError

MAX_RECORD_SIZE = 4096
"""Octets of one TXT record; a real one has about thirty."""

# sts-field-delim, sts-id and sts-extension of RFC 8461 §3.1, anchored where they are used.
_DELIMITER = re.compile(r"[ \t]*;[ \t]*")
_ID = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+", re.ASCII)


class RecordError(DanelawError, ValueError):
    """The text is no valid MTA-STS record."""


@dataclass(frozen=True, slots=True)
class STSRecord:
    """`id` changes whenever the policy does; only equality means anything."""

    id: str

    @classmethod
    def from_text(cls, text: str) -> STSRecord:
        """Parse the text of one TXT record, its strings joined. Raises `RecordError` with what is wrong."""
        if len(text) > MAX_RECORD_SIZE:
            raise RecordError(f"the record is longer than {MAX_RECORD_SIZE} octets")
        version, *fields = _DELIMITER.split(text)
        if version != "v=STSv1":
            raise RecordError(f"the record begins with {version[:20]!r}, not v=STSv1")
        if fields and fields[-1] == "":
            fields.pop()  # the delimiter may stand at the end
        found: str | None = None
        for field in fields:
            if not field.startswith("id="):
                if not _EXTENSION.fullmatch(field):
                    raise RecordError(f"{field[:40]!r} is no name=value field")
            elif found is None:  # RFC 8461 §3.2: of a field that stands twice, the first counts
                found = field[3:]
        if found is None:
            raise RecordError("the record has no id")
        if not _ID.fullmatch(found):
            raise RecordError(f"id {found[:40]!r} is not 1 to 32 letters and digits")
        return cls(found)

    def to_text(self) -> str:
        """The record to publish."""
        return f"v=STSv1; id={self.id};"


def select(texts: Sequence[str]) -> STSRecord | None:
    """The one record among the TXT records of `_mta-sts.<domain>`, None when none is about MTA-STS.

    Of several records, those that do not begin with `v=STSv1;` are discarded; more than one left is an error, and
    so is one with a mistake in it (RFC 8461 §3.1). Raises `RecordError`.
    """
    candidates = [text for text in texts if text.startswith("v=STSv1;")] if len(texts) > 1 else list(texts)
    if not candidates or not candidates[0].startswith("v=STSv1"):
        return None
    if len(candidates) > 1:
        raise RecordError(f"{len(candidates)} MTA-STS records where one is allowed")
    return STSRecord.from_text(candidates[0])
