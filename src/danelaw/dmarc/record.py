"""DMARC Policy Records: choosing one, reading it, writing it (RFC 9989 §4.7, §4.8).

Only the version is strict: `v=DMARC1` comes first, or the text is no record. What is wrong behind it is discarded in
favour of the default, and named in `faults`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeVar

from danelaw.dmarc.errors import RecordError
from danelaw.dmarc.uri import ReportURI, read_uri
from danelaw.dmarc.values import PSD, Alignment, Policy

MAX_RECORD_SIZE = 8_192
"""Octets of one record that are read; real ones have a few hundred."""
MAX_URIS = 100
"""Addresses of one tag that are read."""

NO_RECORD = "no record"

_WSP = " \t"
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_NAME = re.compile(r"[A-Za-z]+\Z")
_VALUE = re.compile(r"[ -:<-~]+\Z")
_OBSOLETE = ("pct", "rf", "ri")
_FAULTS_KEPT = 20

E = TypeVar("E", bound=Enum)
Tags = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DMARCRecord:
    """One record.

    `policy`, `subdomain_policy` and `nonexistent_policy` are p=, sp= and np=, None when absent or not valid;
    `failure_options` the words of fo=. `broken_policy` is True when p=, sp= or np= stands there and is not valid.
    `faults` say what was discarded and why, one sentence each; `remarks` what has no effect: unknown and historic tags.
    """

    policy: Policy | None = None
    subdomain_policy: Policy | None = None
    nonexistent_policy: Policy | None = None
    psd: PSD = PSD.UNKNOWN
    testing: bool = False
    dkim_alignment: Alignment = Alignment.RELAXED
    spf_alignment: Alignment = Alignment.RELAXED
    failure_options: tuple[str, ...] = ("0",)
    rua: tuple[ReportURI, ...] = ()
    ruf: tuple[ReportURI, ...] = ()
    broken_policy: bool = False
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> DMARCRecord:
        """Read the joined strings of a TXT record, one character per octet (RFC 9989 §4.5).

        Raises `RecordError` for a text that is no record of this version.
        """
        if not is_dmarc(text):
            raise RecordError("it does not begin with v=DMARC1 and a semicolon")
        if len(text) > MAX_RECORD_SIZE:
            raise RecordError(f"it has {len(text)} octets; {MAX_RECORD_SIZE} are read at most")
        faults: list[str] = []
        remarks: list[str] = []
        tags = _tags(text, faults, remarks)
        asked = {name: _enum(tags, name, Policy, faults) for name in ("p", "sp", "np")}
        ruf = _uris(tags, "ruf", faults)
        return cls(
            policy=asked["p"],
            subdomain_policy=asked["sp"],
            nonexistent_policy=asked["np"],
            psd=_enum(tags, "psd", PSD, faults) or PSD.UNKNOWN,
            testing=_testing(tags, faults),
            dkim_alignment=_enum(tags, "adkim", Alignment, faults) or Alignment.RELAXED,
            spf_alignment=_enum(tags, "aspf", Alignment, faults) or Alignment.RELAXED,
            failure_options=_failure_options(tags, faults),
            rua=_uris(tags, "rua", faults),
            ruf=ruf,
            broken_policy=any(name in tags and value is None for name, value in asked.items()),
            faults=tuple(faults[:_FAULTS_KEPT]),
            remarks=tuple(remarks[:_FAULTS_KEPT]),
        )

    def to_text(self) -> str:
        """The record to publish; what is at its default is left out, except p=."""
        parts = ["v=DMARC1"]
        for name, policy in (("p", self.policy), ("sp", self.subdomain_policy), ("np", self.nonexistent_policy)):
            if policy is not None:
                parts.append(f"{name}={policy.value}")
        if self.psd is not PSD.UNKNOWN:
            parts.append(f"psd={self.psd.value}")
        if self.testing:
            parts.append("t=y")
        for name, mode in (("adkim", self.dkim_alignment), ("aspf", self.spf_alignment)):
            if mode is not Alignment.RELAXED:
                parts.append(f"{name}={mode.value}")
        if self.failure_options != ("0",):
            parts.append("fo=" + ":".join(self.failure_options))
        for name, uris in (("rua", self.rua), ("ruf", self.ruf)):
            if uris:
                parts.append(f"{name}=" + ",".join(uri.text for uri in uris))
        return "; ".join(parts)

    @property
    def usable(self) -> bool:
        """False when DMARC cannot be applied with it: no valid policy, and nobody to tell (RFC 9989 §4.10.1)."""
        return bool(self.rua) or (self.policy is not None and not self.broken_policy)

    @property
    def stands_for_none(self) -> bool:
        """True when it counts as p=none because its policy is absent or not valid (RFC 9989 §4.10.1)."""
        return self.usable and (self.policy is None or self.broken_policy)


def is_dmarc(text: str) -> bool:
    """Whether the text begins as a DMARC Policy Record of this version: `DMARC1` in that case, `v` in either (§4.8)."""
    return _VERSION.match(text) is not None


@lru_cache(maxsize=1_024)
def parse(text: str) -> DMARCRecord | RecordError:
    """`DMARCRecord.from_text`, remembered: the same few records speak for most mail."""
    try:
        return DMARCRecord.from_text(text)
    except RecordError as error:
        return error


def select(texts: Iterable[str]) -> tuple[DMARCRecord | None, str]:
    """The record among the texts at one name, and why there is none (RFC 9989 §4.10, steps 2 and 6)."""
    found = [text for text in texts if is_dmarc(text)]
    if not found:
        return None, NO_RECORD
    if len(found) > 1:
        return None, f"{len(found)} records, of which none counts"
    record = parse(found[0])
    return (None, f"no record: {record.reason}") if isinstance(record, RecordError) else (record, "")


def _tags(text: str, faults: list[str], remarks: list[str]) -> Tags:
    """Tags behind the version, names in lower case; a value that cannot stand becomes "", which no tag takes."""
    found: Tags = {}
    specs = text.split(";")[1:]
    if specs and not specs[-1].strip(_WSP):
        specs.pop()
    for spec in specs:
        name, equals, value = (part.strip(_WSP) for part in spec.partition("="))
        if not equals or not _NAME.match(name):
            faults.append(f"{spec.strip(_WSP)[:40]!r} is no tag")
            continue
        name = name.lower()
        if name in found:
            # RFC 6376 §3.2, whose syntax this is, forbids it; to choose one would be to guess what is meant.
            faults.append(f"{name}= stands more than once")
            found[name] = ""
            continue
        if name in _OBSOLETE:
            remarks.append(f"{name}= has no effect any more")
        elif name not in _KNOWN:
            remarks.append(f"{name[:20]}= is unknown")
        found[name] = value if _VALUE.match(value) else ""
    return found


_KNOWN = frozenset(("v", "p", "sp", "np", "psd", "t", "adkim", "aspf", "fo", "rua", "ruf"))


def _enum(tags: Tags, name: str, kind: Callable[[str], E], faults: list[str]) -> E | None:
    """The value of a tag, None when it is absent or not one of those that may stand there."""
    text = tags.get(name)
    if text is None:
        return None
    try:
        return kind(text.lower())  # literals of ABNF have no case (RFC 5234 §2.3)
    except ValueError:
        faults.append(f"{name}= is {text[:40]!r}, which means nothing")
        return None


def _testing(tags: Tags, faults: list[str]) -> bool:
    text = tags.get("t", "n").lower()
    if text not in ("y", "n"):
        faults.append(f"t= is {text[:40]!r}, which means nothing")
    return text == "y"


def _failure_options(tags: Tags, faults: list[str]) -> tuple[str, ...]:
    """The words of fo=; without ruf= it has to be ignored (RFC 9989 §4.7)."""
    text = tags.get("fo")
    if text is None or "ruf" not in tags:
        return ("0",)
    words = tuple(text.lower().split(":"))
    if len(set(words)) != len(words) or not set(words) <= {"0", "1", "d", "s"} or {"0", "1"} <= set(words):
        faults.append(f"fo= is {text[:40]!r}, which means nothing")
        return ("0",)
    return words


def _uris(tags: Tags, name: str, faults: list[str]) -> tuple[ReportURI, ...]:
    text = tags.get(name)
    if text is None:
        return ()
    return tuple(_read_uris(text.split(","), name, faults))


def _read_uris(texts: list[str], name: str, faults: list[str]) -> Iterator[ReportURI]:
    if len(texts) > MAX_URIS:
        faults.append(f"{name}= has {len(texts)} addresses; {MAX_URIS} are read at most")
    for text in texts[:MAX_URIS]:
        uri = read_uri(text.strip(_WSP))
        if isinstance(uri, str):
            faults.append(f"{name}=: {uri}")
        else:
            yield uri
