"""Looking recipients up in map files, and what they stand for in the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.address import Domain, Localpart, Mailbox
from danelaw.aliases.file import AliasFileError, AliasMap, AliasProblem, Entry, key_of

DEEPEST = 20
"""Aliases that lead to aliases so often are a loop, or nobody can tell that they are none."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """Whom a recipient stands for in the end, in order and each once; `complete` False when a limit cut it short."""

    mailboxes: tuple[Mailbox, ...]
    complete: bool = True


class Aliases:
    """Several map files, asked in order. Immutable: a changed file makes a new one."""

    __slots__ = ("_entries", "_expands", "_separator")

    def __init__(self, maps: Iterable[AliasMap] = (), *, separator: str = "") -> None:
        """`separator` divides a tag from the local-part; empty for none. Raises `AliasFileError` for loops."""
        self._separator = separator
        self._entries: dict[str, Entry] = {}
        for one in maps:
            for key, entry in one.entries.items():
                self._entries.setdefault(key, entry)
        self._expands = any(entry.targets for entry in self._entries.values())
        problems = tuple(self._loops())
        if problems:
            raise AliasFileError(problems)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def expands(self) -> bool:
        """True when any entry stands for somebody else."""
        return self._expands

    def find(self, mailbox: Mailbox) -> Entry | None:
        """The most specific entry, None when there is none."""
        entries = self._entries
        found = entries.get(key_of(mailbox))
        if found is not None:
            return found
        local, separator = mailbox.localpart.content, self._separator
        if separator and (at := local.find(separator)) > 0:
            found = entries.get(key_of(Mailbox(Localpart(local[:at]), mailbox.domain)))
            if found is not None:
                return found
        if not isinstance(mailbox.domain, Domain):
            return None
        name = mailbox.domain.ascii
        found = entries.get("@" + name)
        at = name.find(".")
        while found is None and at >= 0:
            found = entries.get("@" + name[at:])
            at = name.find(".", at + 1)
        return found

    def expand(self, mailbox: Mailbox, most: int) -> Expansion:
        """Whom a recipient stands for, at most so many. An address no entry knows stands for itself."""
        found: dict[Mailbox, None] = {}
        seen: set[str] = set()
        complete = True
        pending = [(mailbox, 0)]
        while pending:
            current, depth = pending.pop()
            key = key_of(current)
            if key in seen:
                continue
            seen.add(key)
            entry = self.find(current)
            if entry is None or not entry.targets:
                found[current] = None
            elif depth >= DEEPEST:
                complete = False
            else:
                for target in reversed(entry.targets):
                    if key_of(target) == key:
                        found[current] = None
                    else:
                        pending.append((target, depth + 1))
            if len(found) > most or len(seen) > 10 * most + DEEPEST:
                complete = False
                break
        return Expansion(tuple(found)[:most], complete)

    def _loops(self) -> Iterable[AliasProblem]:
        """Entries that lead back to themselves by way of others, each loop once. A walk in which nothing recurses."""
        done: set[str] = set()
        for start in self._entries:
            path: dict[str, None] = {}
            walk = [(start, False)]
            while walk:
                key, left = walk.pop()
                if left:
                    path.popitem()
                    done.add(key)
                    continue
                if key in path:
                    yield self._loop(_from(path, key))
                    continue
                if key in done:
                    continue
                path[key] = None
                walk.append((key, True))
                walk += [(onward, False) for onward in self._onward(self._entries[key]) if onward != key]

    def _onward(self, entry: Entry) -> Iterable[str]:
        for target in entry.targets:
            found = self.find(target)
            if found is not None and key_of(target) != entry.key:
                # An address its own catch-all leads to ends there, as one among its own targets does.
                if found.key == entry.key and target in found.targets:
                    continue
                yield found.key

    def _loop(self, keys: list[str]) -> AliasProblem:
        entry = self._entries[keys[0]]
        return AliasProblem(entry.file, entry.line, "a loop: " + " → ".join([*keys, keys[0]]))


def _from(path: Iterable[str], key: str) -> list[str]:
    keys = list(path)
    return keys[keys.index(key) :]
