"""Opening a TCP connection, with its failure in words."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Mapping
from typing import TypeVar

from danelaw.errors import DanelawError

P = TypeVar("P", bound=asyncio.Protocol)

Routes = Mapping[tuple[str, int], tuple[str, int]]
"""Where a connection to (address, port) really goes; for laboratories on one machine."""

_WORDS = {
    errno.ECONNREFUSED: "connection refused: no mail server listens there",
    errno.ENETUNREACH: "no route: this machine has no way to that network",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ETIMEDOUT: "no answer",
    errno.EADDRNOTAVAIL: "our source address is not one of this machine's",
    errno.ECONNRESET: "connection reset",
    errno.EACCES: "connection forbidden by this machine's firewall",
    errno.EPERM: "connection forbidden by this machine's firewall",
    errno.EAFNOSUPPORT: "this machine does not speak that address family",
    errno.EMFILE: "this process has too many open files",
}


class DialError(DanelawError):
    """No connection. `no_route` tells that our own network cannot reach that address family at all."""

    def __init__(self, reason: str, *, no_route: bool = False) -> None:
        super().__init__(reason)
        self.no_route = no_route


async def dial(
    factory: Callable[[], P],
    address: str,
    port: int,
    *,
    timeout: float,
    source: str | None = None,
    routes: Routes | None = None,
) -> tuple[asyncio.Transport, P]:
    """Connect to an IP address within `timeout` seconds, from `source` when given.

    `routes` may send the connection elsewhere; the caller goes on to speak of `address`. Raises `DialError`.
    """
    target = (address, port) if routes is None else routes.get((address, port), (address, port))
    loop = asyncio.get_running_loop()
    local = None if source is None or target != (address, port) else (source, 0)
    try:
        async with asyncio.timeout(timeout):
            return await loop.create_connection(factory, target[0], target[1], local_addr=local)
    except TimeoutError:
        raise DialError(f"no answer within {timeout:g} s") from None
    except OSError as error:
        words = _WORDS.get(error.errno or 0) or (error.strerror or str(error)).lower()
        raise DialError(words, no_route=error.errno in (errno.ENETUNREACH, errno.EAFNOSUPPORT)) from None
