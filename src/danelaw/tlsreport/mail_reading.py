"""Finding TLS reports in mail (RFC 8460 §5.3): parts of their media types, and files called so."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.message import MessageLimit, Part
from danelaw.tlsreport.container import MOST_COMPRESSED, is_compressed, unpack
from danelaw.tlsreport.errors import ReportError
from danelaw.tlsreport.json_reading import from_json
from danelaw.tlsreport.values import TLSReport

MOST_REPORTS = 10
"""Reports in one mail that are looked at."""
MEDIA_TYPES = frozenset({"application/tlsrpt+gzip", "application/tlsrpt+json"})
_OTHER_TYPES = frozenset({"application/gzip", "application/x-gzip", "application/json", "application/octet-stream",
                          "application/x-gzip-compressed"})  # fmt: skip
_ENDINGS = (".json", ".json.gz")


@dataclass(frozen=True, slots=True)
class Attached:
    """One file of a mail: its name, and the report in it, or why there is none."""

    name: str
    report: TLSReport | None
    refusal: str = ""


def read_file(octets: bytes) -> TLSReport:
    """A report as a file: JSON or gzip. Raises `ReportError`."""
    return from_json(unpack(octets))


def read_mail(message: bytes) -> tuple[Attached, ...]:
    """What a mail holds, file by file; nothing where no part looks like a report. Never more than `MOST_REPORTS`."""
    found: list[Attached] = []
    for part in Part.from_octets(message).walk():
        if len(found) == MOST_REPORTS:
            break
        if not part.parts and not part.is_multipart and _looks_like_report(part):
            found += _read(part)
    return tuple(found)


def _looks_like_report(part: Part) -> bool:
    kind, name = part.content_type.value, (part.filename or "").lower()
    # DMARC reports are gzip files too, and may come to the same address.
    return kind in MEDIA_TYPES or name.endswith(_ENDINGS) or (kind in _OTHER_TYPES and ".xml" not in name)


def _read(part: Part) -> list[Attached]:
    name = part.filename or ""
    stated = part.content_type.value in MEDIA_TYPES or name.lower().endswith(_ENDINGS)
    try:
        octets = unpack(part.content(max_octets=MOST_COMPRESSED))
        if not stated and not _looks_like_json(octets):
            return []  # some other file, such as a DMARC report
        return [Attached(name, from_json(octets))]
    except (MessageLimit, ReportError) as error:
        return [Attached(name, None, error.reason)] if stated else []


def _looks_like_json(octets: bytes) -> bool:
    return octets[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def looks_like_mail(octets: bytes) -> bool:
    """Whether a file is a mail rather than a report by itself."""
    return not is_compressed(octets) and bool(octets.strip()) and not _looks_like_json(octets)
