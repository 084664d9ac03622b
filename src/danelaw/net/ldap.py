"""Searching a directory (LDAP, RFC 4511) with the library ldap3 in a few threads, over connections that stay open."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from danelaw.errors import DanelawError

_AT_ONCE = 4
_LARGEST_PASSWORD = 4096
_SUCCESS, _TOO_MANY = 0, 4
"""RFC 4511 §4.1.9: success, and sizeLimitExceeded, which means that there are more entries."""
_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class LDAPError(DanelawError):
    """No answer of a directory."""


@dataclass(frozen=True, slots=True)
class DirectoryServer:
    """Where a directory is and who asks it. `seconds` bound each answer; `ca_file` None: the system."""

    url: str
    starttls: bool = False
    ca_file: Path | None = None
    bind_dn: str | None = None
    password: str | None = None
    seconds: float = 5.0


class Found(NamedTuple):
    """Entries as name and attributes; `more` when there are others than were wanted."""

    entries: tuple[tuple[str, dict[str, list[bytes]]], ...]
    more: bool


class DirectoryClient:
    """At most four searches at once. A connection that broke is replaced by a new one once."""

    def __init__(self, server: DirectoryServer) -> None:
        """Nothing is connected yet. Raises `ImportError` without ldap3."""
        import ldap3

        self._settings = server
        scheme, _, _ = server.url.partition("://")
        self._starttls = scheme == "ldap" and server.starttls
        tls = None
        if scheme == "ldaps" or self._starttls:
            ca_file = None if server.ca_file is None else str(server.ca_file)
            tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=ca_file)
        self._server = ldap3.Server(server.url, tls=tls, get_info=ldap3.NONE, connect_timeout=server.seconds)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ldap")

    async def search(self, base: str, filter: str, attributes: Sequence[str], most: int) -> Found:
        """The entries below `base` that match; `attributes` empty for none of them. Raises `LDAPError`."""
        # Connecting, TLS and the search have a time-out each.
        seconds = 4 * self._settings.seconds
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, self._search, base, filter, tuple(attributes), most
        )
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            raise LDAPError(f"the directory does not answer within {seconds:g} s") from None

    def close(self) -> None:
        """Say goodbye on idle connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while not self._idle.empty():
            with contextlib.suppress(Exception):
                self._idle.get_nowait().unbind()

    def _search(self, base: str, filter: str, attributes: tuple[str, ...], most: int) -> Found:
        """In a thread."""
        try:
            idle = self._idle.get_nowait()
        except Empty:
            idle = None
        words = ""
        for kept in (idle, None) if idle is not None else (None,):
            connection = kept
            try:
                connection = kept or self._connect()
                found = _asked(connection, base, filter, attributes, most)
            except Exception as error:  # the library raises this and that for answers that are none
                words = f"the directory cannot be asked: {error}"[:300]
                if connection is not None:
                    _drop(connection)
            else:
                self._idle.put(connection)
                return found
        raise LDAPError(words)

    def _connect(self) -> Any:
        import ldap3

        connection = ldap3.Connection(
            self._server,
            user=self._settings.bind_dn,
            password=self._settings.password,
            client_strategy=ldap3.SAFE_SYNC,
            receive_timeout=max(1, ceil(self._settings.seconds)),
            auto_referrals=False,
            read_only=True,
            check_names=False,
            raise_exceptions=False,
        )
        try:
            connection.open()
            if self._starttls:
                connection.start_tls(read_server_info=False)
            bound, result, _, _ = connection.bind(read_server_info=False)
            if not bound:
                raise OSError(f"bind refused: {result.get('description', '')} {result.get('message', '')}".strip())
        except BaseException:
            _drop(connection)
            raise
        return connection


def _asked(connection: Any, base: str, filter: str, attributes: tuple[str, ...], most: int) -> Found:
    import ldap3

    _, result, response, _ = connection.search(
        base,
        filter,
        search_scope=ldap3.SUBTREE,
        attributes=list(attributes) or [ldap3.NO_ATTRIBUTES],
        size_limit=most,
    )
    if result["result"] not in (_SUCCESS, _TOO_MANY):
        raise OSError(f"search refused: {result.get('description', '')} {result.get('message', '')}".strip())
    entries = [item for item in response or () if item["type"] == "searchResEntry"]
    return Found(
        tuple((str(item["dn"]), dict(item.get("raw_attributes") or {})) for item in entries[:most]),
        result["result"] == _TOO_MANY or len(entries) > most,
    )


def _drop(connection: Any) -> None:
    """Whatever its state is, and though the library forgets the socket of a handshake that failed."""
    socket = connection.socket
    with contextlib.suppress(Exception):
        connection.unbind()
    if socket is not None:
        socket.close()


def read_password(path: Path, section: str) -> str:
    """The password in a file. Raises `DanelawError`, whose advice names the section of the configuration."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_PASSWORD).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is not UTF-8"
        raise DanelawError(f"{path} cannot be read: {words}", advice=f"correct password_file in {section}") from None


def filled(template: str, values: Mapping[str, str]) -> str:
    """A filter with `{name}` replaced by values, escaped, so that no value is a filter (RFC 4515 §3). Names without a
    value are left as they are.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        return "".join(_escaped(octet) for octet in values[match[1]].encode("utf-8", "replace"))

    return _NAME.sub(value, template)


def names_in(template: str) -> frozenset[str]:
    """The names that a filter wants values for."""
    return frozenset(_NAME.findall(template))


def _escaped(octet: int) -> str:
    char = chr(octet)
    return char if char.isascii() and (char.isalnum() or char in "@.-_") else f"\\{octet:02x}"
