"""The file of users in use: read anew when it changes, and passwords checked beside the mail.

Checking a password costs a fifth of a second of a processor on purpose. So checks run in a few threads, a crowd waits
in a line of bounded length, who logged in a while ago is let in again without one, and who logs in from where it did
before has a line of its own: a flood of wrong passwords delays those who are not known yet, and nobody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from danelaw.errors import DanelawError
from danelaw.sasl import SCRAMKeys, ScryptKey, User, UserTable, Verifier

MOST_OCTETS = 64 << 20
_LOOK_SECONDS = 2.0
_MOST_WAITING = 100
_MOST_REMEMBERED = 10_000
_USUAL = ScryptKey(15, 8, 3, bytes(16), bytes(32))
_USUAL_SCRAM = SCRAMKeys(100_000, bytes(16), bytes(32), bytes(32))
_Signature = tuple[int, int, int]


class TooBusy(DanelawError):
    """So many passwords wait to be checked that one more would be answered too late."""


class _Line:
    """So many threads that check passwords, and who waits for them."""

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def checked(self, verifier: Verifier, password: str) -> bool:
        """Whether the verifier knows the password. Raises `TooBusy`."""
        if self._waiting >= _MOST_WAITING:
            raise TooBusy("too many passwords wait to be checked")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._most, "passwords")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, verifier.matches, password)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """What has not begun is not begun any more."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


class UserBook:
    """Users by name, from the file at `path`; None for no users at all. Times are seconds of any clock."""

    def __init__(
        self,
        path: Path | None,
        *,
        secret: bytes,
        checks: int = 2,
        remember: float = 600.0,
        trouble: Callable[[DanelawError], None] = lambda error: None,
    ) -> None:
        """`secret` is chance nobody else knows, 32 octets. Raises `DanelawError` for a file that cannot be used."""
        self._path = path
        self._secret = secret
        self._noise_key = secret
        self._remember = remember
        self._trouble = trouble
        self._signature = _signature(path)
        self._table = read_users(path) if path is not None else UserTable()
        self._take(self._table)
        self._looked = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        # The line of those who are at home where they are, and that of all others.
        self._lines = {True: _Line(1), False: _Line(checks)}
        self._right: OrderedDict[bytes, float] = OrderedDict()

    def current(self, now: float) -> UserTable:
        """Who may log in at `now`. To be called on the event loop."""
        if not self._looked <= now < self._looked + _LOOK_SECONDS and self._reading is None:
            self._looked = now
            signature = _signature(self._path)
            if signature != self._signature:
                self._reading = asyncio.get_running_loop().create_task(self._reload(signature))
        return self._table

    async def settled(self, now: float) -> UserTable:
        """The same, once a reading under way has ended: a user just added can log in."""
        self.current(now)
        if self._reading is not None:
            await asyncio.wait([self._reading])
        return self._table

    async def matching(self, name: str, password: str, now: float, *, at_home: bool = False) -> str | None:
        """The user, by its name in the file, whose name and password these are; None when they are not. An unknown
        name costs the same time. `at_home` for one that logged in from there before. Raises `TooBusy`.
        """
        user = (await self.settled(now)).get(name)
        verifier = user.verifier if user is not None else self._decoy(name)
        key = self._key(name, password, verifier)
        if user is not None and self._right.get(key, float("-inf")) > now:
            return user.name
        if not await self._lines[at_home].checked(verifier, password) or user is None:
            return None
        self._right[key] = now + self._remember
        self._right.move_to_end(key)
        if len(self._right) > _MOST_REMEMBERED:
            self._right.popitem(last=False)
        return user.name

    async def keys(self, name: str, now: float) -> SCRAMKeys:
        """The SCRAM keys of a user; of one who has none, or is unknown, always the same ones that match nothing."""
        user = (await self.settled(now)).get(name)
        if user is not None and isinstance(user.verifier, SCRAMKeys):
            return user.verifier
        model = self._alike(name)
        return (model if isinstance(model, SCRAMKeys) else _USUAL_SCRAM).decoy(self._noise(name))

    def user(self, name: str) -> User | None:
        """Somebody who logged in, None when a step let them in or the file has changed since."""
        return self._table.get(name)

    def close(self) -> None:
        """No check is begun any more."""
        for line in self._lines.values():
            line.close()

    def _take(self, table: UserTable) -> None:
        self._table = table
        self._models = tuple(user.verifier for user in table)
        # Decoys that change tell that there is no such user: the first verifier is the same in every process and after
        # a restart, and known to nobody outside.
        self._noise_key = self._models[0].to_text().encode() if self._models else self._secret

    def _decoy(self, name: str) -> Verifier:
        return self._alike(name).decoy(self._noise(name))

    def _alike(self, name: str) -> Verifier:
        """The verifier of some user, the same one for a name: so unknown names behave as the known ones do."""
        models = self._models
        return models[int.from_bytes(self._noise(name)[:8]) % len(models)] if models else _USUAL

    def _noise(self, name: str) -> bytes:
        return hashlib.shake_256(hmac.digest(self._noise_key, name.casefold().encode(), "sha256")).digest(128)

    def _key(self, name: str, password: str, verifier: Verifier) -> bytes:
        return hmac.digest(self._secret, "\0".join((name, verifier.to_text(), password)).encode(), "sha256")

    async def _reload(self, signature: _Signature | None) -> None:
        assert self._path is not None
        try:
            self._take(await asyncio.to_thread(read_users, self._path))
        except DanelawError as error:
            self._trouble(error)
        finally:
            # One with errors is not read again before it changes again.
            self._signature = signature
            self._reading = None


def read_users(path: Path) -> UserTable:
    """The users in a file. Raises `DanelawError` naming it, and the line of what is wrong."""
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
        if len(octets) > MOST_OCTETS:
            raise DanelawError(f"{path} is larger than {MOST_OCTETS >> 20} MiB", advice="let a policy script decide")
        return UserTable.from_text(octets.decode("utf-8"), str(path))
    except OSError as error:
        raise DanelawError(
            f"{path} cannot be read: {error.strerror}", advice="danelaw user add NAME makes it"
        ) from None
    except UnicodeDecodeError:
        raise DanelawError(f"{path} is not UTF-8", advice="save the file as UTF-8") from None


def _signature(path: Path | None) -> _Signature | None:
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)
