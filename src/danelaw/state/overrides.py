"""Overrides set at run time (`danelaw override`), beside those of the configuration file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from danelaw.address import Domain
from danelaw.state.database import StateDatabase
from danelaw.tlspolicy import Effective, Override, effective

SOURCE = "danelaw override"
# Expired overrides stay listed for a while, since "it ended yesterday" is often the answer.
_KEEP_EXPIRED_SECONDS = 30 * 86400.0
_LOOK_EVERY_SECONDS = 1.0


class OverrideStore:
    """Every override danelaw knows; those set at run time go before those of the configuration file.

    `database` None means that only the configuration counts (`danelaw check` without a spool). `version` grows
    whenever the set changes, also by another process, which is noticed within a second.
    """

    def __init__(self, database: StateDatabase | None = None, configured: Iterable[Override] = ()) -> None:
        self._database = database
        self._configured = tuple(configured)
        self._next_look = 0.0
        self.version = 0
        self._all = self._load()

    def all(self, now: float) -> tuple[Override, ...]:
        """In order of precedence among equal destinations, expired ones included; `now` in POSIX seconds."""
        self._look(now)
        return self._all

    def effective(self, domain: Domain | None, now: float) -> Effective:
        """The override that applies to a next-hop domain, and why."""
        return effective(self.all(now), domain, now)

    def current_version(self, now: float) -> int:
        """`version`, after looking whether another process changed something."""
        self._look(now)
        return self.version

    def configure(self, configured: Iterable[Override]) -> None:
        """Replace what the configuration file says, on reload."""
        self._configured = tuple(configured)
        self._reload()

    def add(self, override: Override, now: float) -> Override | None:
        """Set an override at run time; one for the same destination is replaced and returned.

        Raises `StateError` when it cannot be stored.
        """
        database = self._required()
        replaced = next((one for one in self._stored() if one.destination == override.destination), None)
        database.execute("DELETE FROM override WHERE expires < ?", (now - _KEEP_EXPIRED_SECONDS,))
        database.execute(
            "INSERT OR REPLACE INTO override VALUES (?, ?, ?, ?, ?, ?)",
            (
                override.destination,
                override.tls.value,
                " ".join(override.fingerprints),
                override.because,
                override.expires,
                now,
            ),
        )
        self._reload()
        return replaced

    def remove(self, destination: str) -> Override | None:
        """Take back an override set at run time; returns it, or None when there was none."""
        removed = next((one for one in self._stored() if one.destination == destination), None)
        if removed is not None:
            self._required().execute("DELETE FROM override WHERE destination = ?", (destination,))
            self._reload()
        return removed

    def _look(self, now: float) -> None:
        if self._database is None or self._next_look - _LOOK_EVERY_SECONDS <= now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY_SECONDS
        if self._database.changed_elsewhere():
            self._reload()

    def _reload(self) -> None:
        found = self._load()
        if found != self._all:
            self._all = found
            self.version += 1

    def _load(self) -> tuple[Override, ...]:
        return (*self._stored(), *self._configured)

    def _stored(self) -> tuple[Override, ...]:
        if self._database is None:
            return ()
        rows = self._database.execute(
            "SELECT destination, tls, fingerprints, because, expires FROM override ORDER BY destination"
        )
        return tuple(_override(row) for row in rows)

    def _required(self) -> StateDatabase:
        if self._database is None:
            raise ValueError("this store has no database to write to")
        return self._database


def _override(row: tuple[object, ...]) -> Override:
    destination, tls, fingerprints, because, expires = row
    return Override.of(
        str(destination),
        str(tls),
        fingerprints=str(fingerprints).split(),
        because=str(because),
        expires=expires if isinstance(expires, float) else None,
        source=SOURCE,
    )


class ConfiguredOverride(Protocol):
    """An entry `[[override]]` of the configuration."""

    @property
    def destination(self) -> str:
        """Domain or `.suffix`."""

    @property
    def tls(self) -> str:
        """The setting."""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Pinned keys."""

    @property
    def until(self) -> datetime | None:
        """When it ends."""

    @property
    def because(self) -> str:
        """Why."""

    @property
    def requiretls(self) -> str:
        """What REQUIRETLS mail needs there."""


def configured_overrides(entries: Iterable[ConfiguredOverride]) -> tuple[Override, ...]:
    """The overrides of a configuration file (`Config.override`), in its order."""
    return tuple(
        Override.of(
            entry.destination,
            entry.tls,
            fingerprints=entry.fingerprints,
            because=entry.because,
            expires=entry.until.timestamp() if entry.until is not None else None,
            requiretls=entry.requiretls,
        )
        for entry in entries
    )
