"""The openspf.org suite for RFC 7208: its scenarios, and DNS made from their zone data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.name
import yaml

from danelaw.testing import FakeDNS

_TYPES = ("TXT", "A", "AAAA", "MX", "PTR", "CNAME")


@dataclass(frozen=True, slots=True)
class Case:
    """One test of the suite; `results` are all that the suite accepts, `explanation` None when it does not say."""

    scenario: str
    name: str
    spec: str
    helo: str
    host: str
    mail_from: str
    results: tuple[str, ...]
    explanation: str | None
    zone: dict[str, list[Any]]


def cases(folder: Path) -> Iterator[Case]:
    """All tests, in order."""
    with (folder / "rfc7208-tests.yml").open(encoding="utf-8") as stream:
        for scenario in yaml.safe_load_all(stream):
            for name, test in scenario["tests"].items():
                result = test["result"]
                yield Case(
                    scenario["description"],
                    name,
                    str(test.get("spec", "")),
                    str(test["helo"]),
                    str(test["host"]),
                    test["mailfrom"],
                    tuple(result) if isinstance(result, list) else (result,),
                    test.get("explanation"),
                    scenario["zonedata"],
                )


def dns_of(zone: dict[str, list[Any]]) -> FakeDNS:
    """The zone data as DNS. "SPF" entries stand for TXT unless there are TXT entries; TIMEOUT is every other type."""
    made = FakeDNS()
    for owner, entries in zone.items():
        name = _escaped(owner)
        given: set[str] = set()
        for rdtype, value in _records(entries):
            given.add(rdtype)
            if value is not None:
                made.add(f"{name} IN {rdtype} {_rdata(rdtype, value)}")
        if "TIMEOUT" in entries:
            for rdtype in _TYPES:
                if rdtype not in given or _denied(entries, rdtype):
                    made.fail(f"{name} {rdtype}")
    return made


def _records(entries: list[Any]) -> Iterator[tuple[str, Any]]:
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    has_txt = any(rdtype == "TXT" for rdtype, _ in pairs)
    for rdtype, value in pairs:
        if rdtype == "SPF":
            if not has_txt:
                yield "TXT", value
        else:
            yield rdtype, None if value == "NONE" else value


def _denied(entries: list[Any], rdtype: str) -> bool:
    return {rdtype: "NONE"} in entries


def _rdata(rdtype: str, value: Any) -> str:
    if rdtype == "TXT":
        strings = value if isinstance(value, list) else [value]
        return " ".join(_quoted(text[i : i + 255]) for text in strings or [""] for i in range(0, len(text) or 1, 255))
    if rdtype == "MX":
        return f"{value[0]} {_escaped(value[1])}"
    return _escaped(value) if rdtype in ("PTR", "CNAME") else str(value)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\{octet:03d}" for octet in text.encode("latin-1")) + '"'


def _escaped(name: str) -> str:
    labels = [label.encode() for label in name.removesuffix(".").split(".") if label]
    return dns.name.Name((*labels, b"")).to_text()
