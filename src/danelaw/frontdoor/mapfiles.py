"""Map files on the disk: read when they change, and never half."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.address import Domain
from danelaw.aliases import Aliases, AliasFileError, AliasMap, AliasProblem
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_OCTETS = 64 << 20
_LOOK_SECONDS = 2.0
_Signature = tuple[int, int, int]


class MapFiles:
    """The aliases of several files. `current` gives what holds now; a changed file is read beside the mail, and one
    with errors leaves everything as it was.
    """

    def __init__(
        self,
        files: Iterable[tuple[Path, Domain | None]],
        separator: str,
        trouble: Callable[[DanelawError], None] = lambda error: None,
    ) -> None:
        """Each file with the domain whose local-parts stand alone in it. Raises `DanelawError` for what is wrong."""
        self._files = tuple(files)
        self._separator = separator
        self._trouble = trouble
        self._signatures = tuple(_signature(path) for path, _ in self._files)
        self._aliases = self._read()
        self._looked = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def current(self, now: float) -> Aliases:
        """What holds at `now` (seconds of any clock). To be called on the event loop."""
        if not self._looked <= now < self._looked + _LOOK_SECONDS and self._task is None:
            self._looked = now
            signatures = tuple(_signature(path) for path, _ in self._files)
            if signatures != self._signatures:
                self._task = asyncio.get_running_loop().create_task(self._reload(signatures))
        return self._aliases

    async def settled(self) -> None:
        """Wait for a reading under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _reload(self, signatures: tuple[_Signature | None, ...]) -> None:
        try:
            self._aliases = await asyncio.to_thread(self._read)
        except DanelawError as error:
            self._trouble(error)
        finally:
            # One with errors is not read again before it changes again.
            self._signatures = signatures
            self._task = None

    def _read(self) -> Aliases:
        maps: list[AliasMap] = []
        problems: list[AliasProblem] = []
        for path, domain in self._files:
            try:
                maps.append(_map(path, domain))
            except AliasFileError as error:
                problems += error.problems
        if problems:
            raise AliasFileError(problems)
        return Aliases(maps, separator=self._separator)


def _signature(path: Path) -> _Signature | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _map(path: Path, domain: Domain | None) -> AliasMap:
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
        if len(octets) > MOST_OCTETS:
            raise DanelawError(f"{path} is larger than {MOST_OCTETS >> 20} MiB", advice="use a directory (LDAP)")
        return AliasMap.from_text(octets.decode("utf-8"), str(path), domain=domain)
    except OSError as error:
        raise DanelawError(f"{path} cannot be read: {error.strerror}", advice="correct its name or rights") from None
    except UnicodeDecodeError:
        raise DanelawError(f"{path} is not UTF-8", advice="save the file as UTF-8") from None
