"""Asking a directory (LDAP) whether a recipient exists (RFC 4511), with the library ldap3 in a few threads."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.outbound.callahead import RecipientAnswer, Standing

if TYPE_CHECKING:
    from danelaw.address import Mailbox
    from danelaw.config.recipients import LDAP

_AT_ONCE = 4
_LARGEST_PASSWORD = 4096
_SUCCESS, _TOO_MANY = 0, 4
"""RFC 4511 §4.1.9: success, and sizeLimitExceeded, which means that there are entries."""


class Directory:
    """One directory server. At most four searches at once, over connections that stay open; one that broke is replaced
    by a new one once.
    """

    def __init__(self, settings: LDAP) -> None:
        """Nothing is connected yet. Raises `DanelawError` without the library, or when a file cannot be read."""
        try:
            import ldap3
        except ImportError:
            raise DanelawError(
                'a directory is to be asked ([[domain]] verify = "ldap"), and the library ldap3 is missing',
                advice="pip install 'danelaw[ldap]'",
            ) from None
        assert settings.url is not None
        self._settings = settings
        self._password = _password(settings)
        scheme, _, _ = settings.url.partition("://")
        self._starttls = scheme == "ldap" and settings.starttls == "required"
        tls = None
        if scheme == "ldaps" or self._starttls:
            if settings.ca_file is not None and not settings.ca_file.is_file():
                raise DanelawError(f"{settings.ca_file} is no file", advice="correct ca_file in [ldap]")
            ca_file = None if settings.ca_file is None else str(settings.ca_file)
            tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=ca_file)
        seconds = settings.timeout.total_seconds()
        self._server = ldap3.Server(settings.url, tls=tls, get_info=ldap3.NONE, connect_timeout=seconds)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ldap")

    async def ask(self, mailbox: Mailbox) -> RecipientAnswer:
        """Whether the directory has an entry for a mailbox. Never raises for what the directory does."""
        seconds = self._settings.timeout.total_seconds()
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._search, mailbox)
        try:
            # Connecting, TLS and the search have a time-out each.
            async with asyncio.timeout(4 * seconds):
                return await work
        except TimeoutError:
            return RecipientAnswer(Standing.UNSURE, f"the directory does not answer within {4 * seconds:g} s")

    def close(self) -> None:
        """Say goodbye on idle connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while not self._idle.empty():
            with contextlib.suppress(Exception):
                self._idle.get_nowait().unbind()

    def _search(self, mailbox: Mailbox) -> RecipientAnswer:
        """In a thread."""
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = None
        for kept in (connection, None) if connection is not None else (None,):
            connection = kept
            try:
                connection = kept or self._connect()
                answer = self._asked(connection, mailbox)
            except Exception as error:  # the library raises this and that for answers that are none
                answer = RecipientAnswer(Standing.UNSURE, f"the directory cannot be asked: {error}"[:300])
                if connection is not None:
                    _drop(connection)
            else:
                self._idle.put(connection)
                return answer
        return answer

    def _connect(self) -> Any:
        import ldap3

        connection = ldap3.Connection(
            self._server,
            user=self._settings.bind_dn,
            password=self._password,
            client_strategy=ldap3.SAFE_SYNC,
            receive_timeout=max(1, ceil(self._settings.timeout.total_seconds())),
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

    def _asked(self, connection: Any, mailbox: Mailbox) -> RecipientAnswer:
        import ldap3

        _, result, response, _ = connection.search(
            self._settings.base,
            search_filter(self._settings.filter, mailbox),
            search_scope=ldap3.SUBTREE,
            attributes=[ldap3.NO_ATTRIBUTES],
            size_limit=1,
        )
        if result["result"] not in (_SUCCESS, _TOO_MANY):
            raise OSError(f"search refused: {result.get('description', '')} {result.get('message', '')}".strip())
        if any(item["type"] == "searchResEntry" for item in response or ()):
            return RecipientAnswer(Standing.TAKEN, "the directory has it")
        return RecipientAnswer(Standing.REFUSED, "the directory does not have it")


def _drop(connection: Any) -> None:
    """Whatever its state is, and though the library forgets the socket of a handshake that failed."""
    socket = connection.socket
    with contextlib.suppress(Exception):
        connection.unbind()
    if socket is not None:
        socket.close()


def search_filter(template: str, mailbox: Mailbox) -> str:
    """The filter with the parts of a mailbox put in, escaped: nobody's local-part is a filter (RFC 4515 §3)."""
    parts = {
        "{address}": f"{mailbox.localpart.content}@{mailbox.domain}",
        "{localpart}": mailbox.localpart.content,
        "{domain}": mailbox.domain.to_text(),
    }
    pieces, rest = [], template
    while rest:
        name = next((name for name in parts if rest.startswith(name)), None)
        if name is None:
            pieces.append(rest[0])
            rest = rest[1:]
        else:
            pieces.append("".join(_escaped(octet) for octet in parts[name].encode("utf-8", "replace")))
            rest = rest[len(name) :]
    return "".join(pieces)


def _escaped(octet: int) -> str:
    char = chr(octet)
    return char if char.isascii() and (char.isalnum() or char in "@.-_") else f"\\{octet:02x}"


def _password(settings: LDAP) -> str | None:
    if settings.password_file is None:
        return None
    try:
        with settings.password_file.open("rb") as file:
            return file.read(_LARGEST_PASSWORD).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is not UTF-8"
        raise DanelawError(
            f"{settings.password_file} cannot be read: {words}", advice="correct password_file in [ldap]"
        ) from None
