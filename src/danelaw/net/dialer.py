"""Opening TCP connections, with failures in words."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import TypeVar

from danelaw.errors import DanelawError

P = TypeVar("P", bound=asyncio.BaseProtocol)
Routes = Mapping[tuple[str, int], tuple[str, int]]
NO_ROUTES: Routes = MappingProxyType({})


class DialFailure(Enum):
    """Why there is no connection; the value is the wording for people."""

    REFUSED = "connection refused"
    TIMED_OUT = "no answer"
    NO_ROUTE = "no route"
    RESET = "connection reset"
    SOURCE = "the source address cannot be used"
    OTHER = "no connection"


class DialError(DanelawError):
    """No connection. `failure` is the kind; `reason` begins with its words and adds facts, without the address."""

    def __init__(self, failure: DialFailure, detail: str = "") -> None:
        super().__init__(f"{failure.value}{detail}")
        self.failure = failure

    @property
    def no_route(self) -> bool:
        """True when this machine has no way there, which says nothing about the host."""
        return self.failure is DialFailure.NO_ROUTE


_FAILURES = {
    errno.ECONNREFUSED: DialFailure.REFUSED,
    errno.ETIMEDOUT: DialFailure.TIMED_OUT,
    errno.ENETUNREACH: DialFailure.NO_ROUTE,
    errno.EHOSTUNREACH: DialFailure.NO_ROUTE,
    errno.ENETDOWN: DialFailure.NO_ROUTE,
    errno.EAFNOSUPPORT: DialFailure.NO_ROUTE,
    errno.EADDRNOTAVAIL: DialFailure.NO_ROUTE,
    errno.ECONNRESET: DialFailure.RESET,
    errno.ECONNABORTED: DialFailure.RESET,
}


async def dial(
    protocol_factory: Callable[[], P],
    address: str,
    port: int,
    *,
    timeout: float,
    source: str | None = None,
    routes: Routes = NO_ROUTES,
) -> tuple[asyncio.Transport, P]:
    """Connect to an IPv4 or IPv6 address within `timeout` seconds.

    `source` is our address to send from, of the same family. `routes` redirects (address, port) pairs, for the lab
    and for networks that tunnel port 25; what is dialled is never resolved. Raises `DialError`.
    """
    target, target_port = routes.get((address, port), (address, port))
    bound = _bound_socket(source, target) if source is not None else None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            if bound is None:
                family = socket.AF_INET6 if ":" in target else socket.AF_INET
                return await loop.create_connection(
                    protocol_factory, target, target_port, family=family, flags=socket.AI_NUMERICHOST
                )
            await loop.sock_connect(bound, (target, target_port))
            made = await loop.create_connection(protocol_factory, sock=bound)
            bound = None
            return made
    except TimeoutError as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise _dial_error(error, target) from None
        raise DialError(DialFailure.TIMED_OUT, f" in {timeout:g} s") from None
    except OSError as error:
        raise _dial_error(error, target) from None
    finally:
        if bound is not None:
            bound.close()


def _bound_socket(source: str, target: str) -> socket.socket:
    """A socket bound to `source`. The kernel picks the port late, when the destination is known."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        # IP_BIND_ADDRESS_NO_PORT: else each destination would use up a local port of its own.
        if hasattr(socket, "IP_BIND_ADDRESS_NO_PORT"):
            bound.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
        bound.bind((source, 0))
    except (OSError, OverflowError) as error:
        bound.close()
        raise DialError(DialFailure.SOURCE, f" ({source}): {_words(error)}") from None
    return bound


def _dial_error(error: OSError, target: str) -> DialError:
    failure = _FAILURES.get(error.errno or 0, DialFailure.OTHER)
    if failure is DialFailure.OTHER:
        return DialError(failure, f": {_words(error)}")
    if failure is DialFailure.NO_ROUTE and ":" in target:
        return DialError(failure, ": this machine has no IPv6 towards it")
    return DialError(failure)


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
