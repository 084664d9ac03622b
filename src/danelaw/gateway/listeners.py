"""The listening sockets: bound once by the supervisor, or handed to it, and open for life.

All workers inherit the same sockets. Several sockets on one port (SO_REUSEPORT) would each have a queue of their own,
and closing one resets the connections that wait in it; one queue that outlives every worker resets nobody.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from danelaw.address import SocketAddress
from danelaw.errors import DanelawError
from danelaw.gateway.control import ControlSocketTaken, bind_control

if TYPE_CHECKING:
    from danelaw.config import Config

BACKLOG = 1024
_FIRST_OF_SYSTEMD = 3
_RETRY_SECONDS = 0.05


@dataclass(slots=True)
class Listeners:
    """All sockets by name: `smtp ADDRESS`, `http ADDRESS`, `quarantine ADDRESS`, `safety ADDRESS`, `reports ADDRESS`,
    `control PATH`, each as the configuration writes it.
    """

    sockets: dict[str, socket.socket] = field(default_factory=dict)

    def mail(self, address: SocketAddress) -> socket.socket:
        """The socket of one `[[listen]]` entry."""
        return self.sockets[f"smtp {address}"]

    def addresses(self, config: Config) -> list[str]:
        """Where mail is accepted, as `address:port`, in the order of the configuration."""
        names = (self.mail(listen.address).getsockname()[:2] for listen in config.listen)
        return [SocketAddress(host, port).to_text() for host, port in names]

    def fit(self, config: Config, patience: float = 0.0) -> Listeners:
        """Those the configuration wants, taken from here where they are open already and bound where not.

        For `patience` seconds a port in use is tried again: the workers of a supervisor that was killed are just
        leaving it. Raises `DanelawError`; then nothing has changed.
        """
        wanted = Listeners()
        fresh: list[socket.socket] = []
        deadline = time.monotonic() + patience
        try:
            for name in _names(config):
                found = self.sockets.get(name)
                if found is None:
                    fresh.append(found := _patiently(name, config, deadline))
                wanted.sockets[name] = found
        except BaseException:
            for one in fresh:
                one.close()
            raise
        return wanted

    def close_others(self, kept: Listeners) -> None:
        """Close what is not in `kept`."""
        for name, one in self.sockets.items():
            if kept.sockets.get(name) is not one:
                one.close()

    def hand_on(self) -> dict[str, int]:
        """Let the descriptors survive an exec; gives them by name."""
        for one in self.sockets.values():
            os.set_inheritable(one.fileno(), True)
        return {name: one.fileno() for name, one in self.sockets.items()}


def handed(config: Config, inherited: Mapping[str, int], environment: MutableMapping[str, str]) -> Listeners:
    """The sockets this process was started with: by the supervisor it was before (`inherited`), or by systemd
    (LISTEN_FDS; these variables are removed from `environment`). A socket that serves nothing here is closed.
    """
    found = Listeners({name: taken(descriptor) for name, descriptor in inherited.items()})
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "0")
    environment.pop("LISTEN_FDNAMES", None)
    if pid == str(os.getpid()) and count.isdecimal():
        names = {_place(name): name for name in _names(config)}
        for descriptor in range(_FIRST_OF_SYSTEMD, _FIRST_OF_SYSTEMD + int(count)):
            given = taken(descriptor)
            known = names.get(_place_of(given))
            if known is None:
                given.close()
            else:
                found.sockets.setdefault(known, given)
    return found


def taken(descriptor: int) -> socket.socket:
    """A socket that came by its descriptor."""
    given = socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    given.setblocking(False)
    return given


def _names(config: Config) -> list[str]:
    names = [f"smtp {listen.address}" for listen in config.listen]
    if config.http.listen is not None:
        names.append(f"http {config.http.listen}")
    if config.quarantine.web.listen is not None:
        names.append(f"quarantine {config.quarantine.web.listen}")
    if config.safety.listen is not None:
        names.append(f"safety {config.safety.listen}")
    if config.reports.https.listen is not None:
        names.append(f"reports {config.reports.https.listen}")
    return [*names, f"control {config.control_socket}"]


def _place(name: str) -> str:
    return name.partition(" ")[2]


def _place_of(given: socket.socket) -> str:
    name = given.getsockname()
    return str(name) if given.family == socket.AF_UNIX else SocketAddress(name[0], name[1]).to_text()


def _patiently(name: str, config: Config, deadline: float) -> socket.socket:
    while True:
        try:
            return _bound(name, config)
        except ControlSocketTaken:
            if time.monotonic() >= deadline:
                raise
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise DanelawError(
                    f"cannot listen on {_place(name)}: {error.strerror or error}",
                    advice="another server may hold the port; ports below 1024 need root or CAP_NET_BIND_SERVICE",
                ) from None
        time.sleep(_RETRY_SECONDS)


def _bound(name: str, config: Config) -> socket.socket:
    kind, _, place = name.partition(" ")
    if kind == "control":
        return bind_control(config.control_socket, config.control.group)
    address = SocketAddress.from_text(place)
    one = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if one.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address.pair)
        one.listen(BACKLOG)
        one.setblocking(False)
    except BaseException:
        one.close()
        raise
    return one
