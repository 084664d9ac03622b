"""What scripts write down for themselves, from the connection to the last delivery: JSON, within limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TypeAlias

from danelaw.errors import DanelawError

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

LARGEST = 32 * 1024
"""Octets of all notes of a message as JSON."""


class NoteError(DanelawError, ValueError):
    """A note that cannot be kept: no JSON, or more than there is room for."""


class Notes(MutableMapping[str, JSON]):
    """A dictionary of notes by name. Setting one that is no JSON raises `NoteError` at once, too many do when they are
    written down with the message.
    """

    __slots__ = ("_notes",)

    def __init__(self, notes: Mapping[str, JSON] | None = None) -> None:
        self._notes: dict[str, JSON] = dict(notes) if notes else {}

    def __getitem__(self, name: str) -> JSON:
        return self._notes[name]

    def __setitem__(self, name: str, value: JSON) -> None:
        if not isinstance(name, str):
            raise NoteError(f"the name of a note is text, not {type(name).__name__}")
        if not (value is None or isinstance(value, str | int | float)):
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise NoteError(f"the note {name!r} is no JSON: {error}") from None
        elif isinstance(value, float) and not -1e308 <= value <= 1e308:
            raise NoteError(f"the note {name!r} is no number that JSON knows")
        self._notes[name] = value

    def __delitem__(self, name: str) -> None:
        del self._notes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._notes)

    def __len__(self) -> int:
        return len(self._notes)

    def __repr__(self) -> str:
        return f"Notes({self._notes!r})"

    def text(self, name: str, default: str = "") -> str:
        """A note as text, `default` where there is none or it is something else."""
        value = self._notes.get(name)
        return value if isinstance(value, str) else default

    def number(self, name: str, default: float = 0) -> float:
        """A note as a number, `default` where there is none or it is something else."""
        value = self._notes.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else default

    def copy(self) -> Notes:
        """Notes that can be changed without changing these."""
        return Notes(self._notes)

    def saved(self) -> dict[str, JSON]:
        """All notes as they are now, for `restore`."""
        return self._notes.copy()

    def restore(self, saved: dict[str, JSON]) -> None:
        """The notes of another moment."""
        self._notes = saved

    def check(self) -> None:
        """Raises `NoteError` where all notes are more than `LARGEST` octets as JSON."""
        octets = 0
        for name, value in self._notes.items():
            octets += len(name) + 6
            if isinstance(value, str):
                octets += 6 * len(value) if not value.isascii() else len(value)
            elif isinstance(value, list | dict):
                octets += len(json.dumps(value))
            else:
                octets += 20
        if octets > LARGEST:
            raise NoteError(f"the notes of the message have more than {LARGEST} octets")

    def to_object(self) -> dict[str, JSON]:
        """All notes."""
        return dict(self._notes)
