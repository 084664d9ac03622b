"""Connections over loopback, and failures in words."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from danelaw.net import dialer
from danelaw.net.dialer import DialError, DialFailure, dial


def connect(**options: Any) -> tuple[str, ...]:
    """Dial a server on 127.0.0.1 and give (our address, its address)."""

    async def scenario() -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(asyncio.Protocol, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            if "routed" in options:
                options.pop("routed")
                target = ("192.0.2.1", 25)
                options["routes"] = {target: ("127.0.0.1", port)}
            else:
                target = ("127.0.0.1", port)
            transport, protocol = await dial(asyncio.Protocol, *target, timeout=5, **options)
            assert isinstance(protocol, asyncio.Protocol)
            names = (transport.get_extra_info("sockname")[0], transport.get_extra_info("peername")[0])
            transport.abort()
            await asyncio.sleep(0)
            return names

    return asyncio.run(scenario())


def test_a_connection_is_made() -> None:
    assert connect() == ("127.0.0.1", "127.0.0.1")


def test_the_source_address_is_used() -> None:
    assert connect(source="127.0.0.7") == ("127.0.0.7", "127.0.0.1")


def test_routes_redirect_address_and_port() -> None:
    assert connect(routed=True) == ("127.0.0.1", "127.0.0.1")


def test_a_closed_port_is_refused_in_words() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: refused, and nobody else can take it
        with pytest.raises(DialError) as error:
            asyncio.run(dial(asyncio.Protocol, *unused.getsockname(), timeout=5))
    assert error.value.failure is DialFailure.REFUSED
    assert error.value.reason == "connection refused"
    assert not error.value.no_route


def test_silence_ends_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async def silent(*_args: object, **_options: object) -> None:
            await asyncio.get_running_loop().create_future()

        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", silent)
        await dial(asyncio.Protocol, "192.0.2.1", 25, timeout=0.01)

    with pytest.raises(DialError, match=r"^no answer in 0\.01 s") as error:
        asyncio.run(scenario())
    assert error.value.failure is DialFailure.TIMED_OUT


@pytest.mark.parametrize(
    ("number", "address", "failure", "words"),
    [
        (errno.ENETUNREACH, "2001:db8::1", DialFailure.NO_ROUTE, "no route: this machine has no IPv6 towards it"),
        (errno.EHOSTUNREACH, "192.0.2.1", DialFailure.NO_ROUTE, "no route"),
        (errno.ETIMEDOUT, "192.0.2.1", DialFailure.TIMED_OUT, "no answer"),
        (errno.ECONNRESET, "192.0.2.1", DialFailure.RESET, "connection reset"),
        (errno.EPERM, "192.0.2.1", DialFailure.OTHER, "no connection: Operation not permitted"),
    ],
)
def test_network_errors_have_words(
    monkeypatch: pytest.MonkeyPatch, number: int, address: str, failure: DialFailure, words: str
) -> None:
    async def scenario() -> None:
        async def fails(*_args: object, **_options: object) -> None:
            raise OSError(number, errno_text(number))

        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", fails)
        await dial(asyncio.Protocol, address, 25, timeout=5)

    with pytest.raises(DialError) as error:
        asyncio.run(scenario())
    assert (error.value.failure, error.value.reason) == (failure, words)
    assert error.value.no_route is (failure is DialFailure.NO_ROUTE)


def errno_text(number: int) -> str:
    import os

    return os.strerror(number)


def test_a_source_that_is_not_ours_is_said() -> None:
    with pytest.raises(DialError, match=r"source address cannot be used \(192\.0\.2\.99\)"):
        asyncio.run(dial(asyncio.Protocol, "127.0.0.1", 9, timeout=5, source="192.0.2.99"))


def test_no_routes_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        dialer.NO_ROUTES[("a", 1)] = ("b", 2)  # type: ignore[index]
