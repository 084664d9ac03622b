"""The right to transmit an envelope over one connection.

A `Clearance` says: this connection, as it is now, meets what the destination and the sender demand. It exists so
that forgetting to judge a connection is an exception and not a message in the clear: `ClientConnection.mail` takes
nothing else. Only `grant` makes one, and only `tlspolicy.judge` may call `grant`; a rule test watches the imports.
"""

from __future__ import annotations

from typing import Final, NoReturn

from danelaw.smtp.errors import ClearanceRefused

_SEAL: Final = object()


class Clearance:
    """Sealed: it cannot be constructed, subclassed, copied, pickled or changed.

    `connection_id` is the `ClientConnection` it is good for; `grounds` says in words what was judged;
    `requiretls` tells whether the conditions of RFC 8689 §2 for transmitting REQUIRETLS were met;
    `without_extension` that the operator lets REQUIRETLS mail go on over verified TLS though the server does not offer
    the extension, which deviates from §4.2.1; `tls` tells whether the judged connection was inside TLS.
    """

    __slots__ = ("connection_id", "grounds", "requiretls", "tls", "without_extension")

    connection_id: int
    grounds: str
    requiretls: bool
    tls: bool
    without_extension: bool

    def __init__(
        self,
        seal: object,
        connection_id: int,
        grounds: str,
        requiretls: bool,
        tls: bool,
        without_extension: bool = False,
    ) -> None:
        if seal is not _SEAL:
            raise ClearanceRefused("a clearance is granted by the judgement of a connection, never constructed")
        for name, value in (
            ("connection_id", connection_id),
            ("grounds", grounds),
            ("requiretls", requiretls),
            ("tls", tls),
            ("without_extension", without_extension),
        ):
            object.__setattr__(self, name, value)

    def __init_subclass__(cls, **kwargs: object) -> NoReturn:
        raise TypeError("Clearance is sealed")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a clearance cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a clearance cannot be changed")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a clearance cannot be copied or pickled: it is good for one living connection")

    def __repr__(self) -> str:
        return f"<Clearance for connection {self.connection_id}: {self.grounds}>"


def grant(
    connection_id: int, *, grounds: str, tls: bool, requiretls: bool = False, without_extension: bool = False
) -> Clearance:
    """Make the clearance for one connection. To be called by `tlspolicy.judge` alone.

    Raises `ClearanceRefused` when REQUIRETLS is claimed for a connection without TLS.
    """
    if (requiretls or without_extension) and not tls:
        raise ClearanceRefused("REQUIRETLS can be cleared only inside TLS")
    return Clearance(_SEAL, connection_id, grounds, requiretls, tls, without_extension)
