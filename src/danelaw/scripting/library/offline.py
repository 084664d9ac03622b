"""The library for judging old mail where nobody is to be asked: what is answered from this machine alone works, shared
state is a store of its own that begins empty, and everything else is refused in words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from danelaw.filetypes import examine
from danelaw.policy import CertificateFacts, FileFacts, Library, LibraryError
from danelaw.scripting.library.certificates import in_octets
from danelaw.scripting.library.state import SharedState
from danelaw.shared import DirectCarrier, SharedStore, Store

Note = Callable[[str], None]
ADVICE = "add --live to let the policy look"


def offline_library(clock: Callable[[], float], note: Note = lambda call: None) -> Library:
    """`clock` gives POSIX seconds, for what expires in shared state; `note` hears of each call that was refused."""

    def absent(name: str) -> Any:
        return _Absent(name, note)

    quiet = _Quiet()
    return Library(
        dns=absent("dns"),
        http=absent("http"),
        callahead=absent("callahead"),
        ldap=absent("ldap"),
        sql=absent("sql"),
        tls=absent("tls"),
        certificates=_Certificates(note),
        files=_Files(),
        secrets=cast("Any", _Secrets(note)),
        measures=quiet,
        log=quiet,
        state=own_state(clock),
    )


def own_state(clock: Callable[[], float]) -> SharedState:
    """Shared state in memory, of nobody else."""
    return SharedState(SharedStore(DirectCarrier(Store(), clock, lambda: asyncio.get_running_loop().create_future())))


def refused(call: str, note: Note) -> LibraryError:
    """The error for a call that nobody answers."""
    note(call)
    return LibraryError(f"{call} asks nobody while old mail is judged", advice=ADVICE)


class _Absent:
    """A part all of whose calls are refused."""

    def __init__(self, name: str, note: Note) -> None:
        self._name = name
        self._note = note

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)

        async def call(*arguments: Any, **named: Any) -> Any:
            raise refused(f"{self._name}.{method}", self._note)

        return call


class _Certificates:
    def __init__(self, note: Note) -> None:
        self._note = note

    async def of(self, source: str | bytes) -> tuple[CertificateFacts, ...]:
        """Those in octets; no host is asked."""
        found = in_octets(source)
        if found is None:
            raise refused("certificates.of", self._note)
        return found


class _Files:
    async def examine(self, octets: bytes, filename: str = "") -> FileFacts:
        """What they are."""
        return examine(octets, filename)


class _Secrets:
    def __init__(self, note: Note) -> None:
        self._note = note

    def get(self, name: str) -> str:
        """Nobody is asked, so none is needed."""
        raise refused("secrets.get", self._note)


class _Quiet:
    """Log and metrics of nobody."""

    def count(self, name: str, by: float = 1.0) -> None:
        """Not counted."""

    def gauge(self, name: str, value: float) -> None:
        """Not shown."""

    def event(self, text: str, **facts: str | int | float | bool | None) -> None:
        """Not written."""

    def warning(self, text: str, **facts: str | int | float | bool | None) -> None:
        """Not written."""
