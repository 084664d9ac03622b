"""Map files: lines to entries, every problem with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from danelaw.address import Domain, DomainError, Localpart, LocalpartError, Mailbox, MailboxError
from danelaw.errors import DanelawError

MOST_TARGETS = 1000
_MOST_LINE = 64 * 1024
_MOST_PROBLEMS = 20
# Commas and colons within quotes belong to a local-part (RFC 5321 §4.1.2).
_TARGET = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+')
_KEY = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^":])+)(?::(.*))?', re.DOTALL)
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True, slots=True)
class AliasProblem:
    """One thing wrong: `line` counts from 1."""

    file: str
    line: int
    wrong: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.wrong}"


class AliasFileError(DanelawError):
    """A map file cannot be used; `problems` holds every reason, up to a limit."""

    def __init__(self, problems: Iterable[AliasProblem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__("\n".join(map(str, self.problems)), advice=f"correct line {first.line} of {first.file}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: `key` is an address in small letters, `@domain`, or `@.domain`; no targets: it is a mailbox itself."""

    key: str
    targets: tuple[Mailbox, ...]
    file: str
    line: int


def key_of(mailbox: Mailbox) -> str:
    """How an address is looked up."""
    return mailbox.to_text().lower()


class AliasMap:
    """The entries of one file by key."""

    __slots__ = ("entries", "name")

    def __init__(self, name: str, entries: dict[str, Entry]) -> None:
        self.name = name
        self.entries = entries

    @classmethod
    def from_text(cls, text: str, name: str, *, domain: Domain | None = None) -> AliasMap:
        """Read a file's text. `name` is what problems call it; `domain` is whose local-parts stand alone in it.

        Raises `AliasFileError` with every problem.
        """
        entries: dict[str, Entry] = {}
        problems: list[AliasProblem] = []
        for line, content in _logical_lines(text):
            try:
                entry = _entry(content, name, line, domain)
            except DanelawError as error:
                problems.append(AliasProblem(name, line, error.reason))
            else:
                before = entries.setdefault(entry.key, entry)
                if before is not entry:
                    wrong = f"{entry.key} stands in line {before.line} already; keep one of them"
                    problems.append(AliasProblem(name, line, wrong))
            if len(problems) >= _MOST_PROBLEMS:
                break
        if problems:
            raise AliasFileError(problems)
        return cls(name, entries)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    start, content = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = _COMMENT.sub("", line)
        if line[:1] in (" ", "\t") and start:
            content += " " + bare.strip()
        else:
            if content.strip():
                yield start, content.strip()
            start, content = number, bare
    if content.strip():
        yield start, content.strip()


def _entry(content: str, file: str, line: int, domain: Domain | None) -> Entry:
    if len(content) > _MOST_LINE:
        raise DanelawError(f"the entry is longer than {_MOST_LINE} characters")
    match = _KEY.fullmatch(content)
    if match is None:
        raise DanelawError(f"{content[:80]!r} is no entry; write ADDRESS, or ADDRESS: TARGET, TARGET")
    key = _key(match[1].strip(), domain)
    if match[2] is None:
        return Entry(key, (), file, line)
    texts = [text.strip() for text in _TARGET.findall(match[2]) if text.strip()]
    if not texts:
        raise DanelawError(f"{key} has a colon and no target; leave the colon out for a mailbox")
    if len(texts) > MOST_TARGETS:
        raise DanelawError(f"{key} has more than {MOST_TARGETS} targets; use a mailing list")
    return Entry(key, tuple(dict.fromkeys(_mailbox(text, domain) for text in texts)), file, line)


def _key(text: str, domain: Domain | None) -> str:
    if text.startswith("@"):
        below = "." if text.startswith("@.") else ""
        try:
            name = Domain.from_text(text[1 + len(below) :])
        except DomainError as error:
            raise DanelawError(error.reason) from None
        return f"@{below}{name.ascii}"
    return key_of(_mailbox(text, domain))


def _mailbox(text: str, domain: Domain | None) -> Mailbox:
    if "@" not in text:
        if domain is None:
            raise DanelawError(f"{text[:80]!r} has no domain; write name@example.org")
        try:
            return Mailbox(Localpart.from_text(text), domain)
        except LocalpartError as error:
            raise DanelawError(error.reason) from None
    try:
        return Mailbox.from_text(text)
    except MailboxError as error:
        raise DanelawError(error.reason) from None
