"""A part of the library that this gateway has not been given: every call says so."""

from __future__ import annotations

from typing import Any

from danelaw.policy import LibraryError


class Absent:
    """Stands for a part that is not configured."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> Any:
        raise LibraryError(f"{self._what} is not at hand in this gateway")
