"""Recipient domains and how often each occurs, from lists, mail logs and CSV: one line in, entries out.

A *list* has a domain or address in each line, perhaps with a number before or behind it (`sort | uniq -c`). Logs are
those of Postfix, Exim and danelaw: tries to deliver to another host count, once for each recipient that came to an
end; one that only waits makes its domain known and counts nothing, since it comes again. Other lines of a log are
passed over. In lists every line that is neither is reported with its number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from danelaw.address import Domain, DomainError
from danelaw.errors import DanelawError

MAX_LINE = 65_536
"""Characters of one line that are looked at."""
MAX_REPORTED = 1_000
"""Invalid lines kept in full; all are counted."""
_MAX_WEIGHT = 10**12


class Form(Enum):
    """What the lines are."""

    LIST = "list"
    POSTFIX = "postfix"
    EXIM = "exim"
    DANELAW = "danelaw"


class ExtractionError(DanelawError, ValueError):
    """There is no domain in this text; the reason says why."""


class Entry(NamedTuple):
    """A recipient domain (A-labels) and how many recipients stand for it; 0 for one that only waits."""

    domain: str
    weight: int


@dataclass(frozen=True, slots=True)
class InvalidLine:
    """A line nothing could be made of: its number from 1, its beginning, and why."""

    number: int
    text: str
    reason: str


@dataclass(slots=True)
class Extraction:
    """Reads lines of one form and counts what became of them.

    `entries` are recipients found, `passed_over` lines that are none (comments, empty, other events of a log),
    `invalid_count` lines nothing could be made of, of which `invalid` keeps the first.
    """

    form: Form
    lines: int = 0
    entries: int = 0
    passed_over: int = 0
    invalid_count: int = 0
    invalid: list[InvalidLine] = field(default_factory=list)

    def line(self, text: str) -> Sequence[Entry]:
        """The entries of the next line; never raises for what it holds."""
        self.lines += 1
        return self.cell(self.lines, text)

    def cell(self, number: int, text: str) -> Sequence[Entry]:
        """The entries of line `number`, of which `text` is the part that counts (a column of CSV)."""
        try:
            if len(text) > MAX_LINE:
                raise ExtractionError(f"the line is longer than {MAX_LINE} characters")
            found = _READERS[self.form](text.strip("\ufeff\r\n\t "))
        except ExtractionError as error:
            self.rejected(number, text, error.reason)
            return ()
        if not found:
            self.passed_over += 1
        self.entries += sum(max(entry.weight, 1) for entry in found)
        return found

    def rejected(self, number: int, text: str, reason: str) -> None:
        """Count a line nothing can be made of."""
        self.invalid_count += 1
        if len(self.invalid) < MAX_REPORTED:
            self.invalid.append(InvalidLine(number, text.strip()[:80], reason))


def detect(lines: Iterable[str]) -> Form:
    """The form of a file by some of its first lines: a log when one of them is a delivery in a log, else a list."""
    for text in lines:
        stripped = text.strip("\ufeff\r\n\t ")[:MAX_LINE]
        for form, looks in _LOOKS.items():
            if looks.search(stripped):
                return form
    return Form.LIST


def domain_of(text: str) -> str:
    """The domain of an address or a domain alone, as A-labels. Raises `ExtractionError` in words."""
    local, at, name = text.rpartition("@")
    if at and not local:
        raise ExtractionError("nothing stands before the @")
    if name.startswith("["):
        raise ExtractionError("an address literal belongs to no domain")
    try:
        domain = Domain.from_text(name).ascii
    except DomainError as error:
        raise ExtractionError(error.reason) from None
    if domain.rpartition(".")[2].isdigit():
        raise ExtractionError("an IP address belongs to no domain")
    if "." not in domain:
        raise ExtractionError(f"{domain} is one label only, not a domain on the Internet")
    return domain


# Lists

_BRACKETED = re.compile(r"<([^<>\s]{1,320}@[^<>\s]{1,320})>")
_SEPARATORS = re.compile(r"[,;\s]+")


def _from_list(text: str) -> Sequence[Entry]:
    text = re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
    if not text:
        return ()
    bracketed = _BRACKETED.findall(text)
    words = bracketed or [word.strip('"') for word in _SEPARATORS.split(text.strip(",; \t"))]
    if len(words) == 2 and not bracketed:
        for number, name in (words, words[::-1]):
            if number.isascii() and number.isdigit():
                return (Entry(domain_of(name), min(int(number[:13]), _MAX_WEIGHT)),)
    if len(words) > 1 and not all("@" in word for word in words):
        raise ExtractionError("more than one word, and not all of them are addresses")
    return tuple(Entry(domain_of(word), 1) for word in words)


# Logs

# smtp(8), and a service of another name that runs it; error(8) and retry speak of what could not be tried. Local
# deliveries (local, virtual, lmtp, pipe) are no mail to others.
_POSTFIX = re.compile(
    r"/(?:[a-z0-9-]*smtp[a-z0-9-]*|relay|error|retry)\[\d+\]: [0-9A-Za-z]{1,32}: "
    r'to=<((?:"(?:[^"\\]|\\.){0,128}"|[^">]){1,640})>, '
    r"(?:orig_to=<.{0,640}?>, )?relay=.*?, status=([a-z]+)"
)
_EXIM = re.compile(
    r"\b[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4} (=>|->|>>|\*>|\*\*|==) (.*)",
)
_EXIM_FIELD = re.compile(r" [A-Z]{1,2}=|: | \(")
_DANELAW = re.compile(
    r'^(?:\S+Z (?:debug |warning |error )?(delivered|returned|waiting) |\{"time":"[^"]*".{0,80}?"event":"'
    r"(?:delivered|returned|waiting)\")"
)
_DANELAW_FIELD = re.compile(r' (to|protection)=("(?:[^"\\]|\\.)*"|\S+)')
_LOOKS = {Form.POSTFIX: _POSTFIX, Form.EXIM: _EXIM, Form.DANELAW: _DANELAW}


def _from_postfix(text: str) -> Sequence[Entry]:
    found = _POSTFIX.search(text)
    return _logged(found[1], waits=found[2] == "deferred") if found is not None else ()


def _from_exim(text: str) -> Sequence[Entry]:
    """Exim's main log: `=>` and its kin with a host took the mail, `**` failed, `==` waits."""
    found = _EXIM.search(text)
    if found is None or (found[1] not in ("**", "==") and " H=" not in found[2]):
        return ()
    head = _EXIM_FIELD.split(found[2], maxsplit=1)[0]
    bracketed = _BRACKETED.search(head)
    return _logged(bracketed[1] if bracketed is not None else head.split(" ")[0], waits=found[1] == "==")


def _from_danelaw(text: str) -> Sequence[Entry]:
    found = _DANELAW.match(text)
    if found is None:
        return ()
    if found[1] is None:
        try:
            row = json.loads(text)
            event, fields = str(row["event"]), {name: str(row.get(name, "")) for name in ("to", "protection")}
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
            raise ExtractionError("the line is no JSON object of danelaw's log") from None
    else:
        event = found[1]
        fields = {name: value.strip('"') for name, value in _DANELAW_FIELD.findall(text)}
    if fields.get("protection") == "handed over" or "@" not in fields.get("to", ""):
        return ()  # a carrier of this machine, or an event about a host
    local, _, domain = fields["to"].strip("<>").rpartition("@")
    return _logged(f"{local}@{domain.split(' ')[0]}", waits=event == "waiting")


def _logged(address: str, *, waits: bool) -> Sequence[Entry]:
    if "@" not in address or address.rpartition("@")[2].startswith("["):
        return ()  # a user of the machine itself, or an address literal
    return (Entry(domain_of(address), 0 if waits else 1),)


_READERS = {
    Form.LIST: _from_list,
    Form.POSTFIX: _from_postfix,
    Form.EXIM: _from_exim,
    Form.DANELAW: _from_danelaw,
}
