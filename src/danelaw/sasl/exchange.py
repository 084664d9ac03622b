"""The mechanisms, each as one exchange with one client."""

from __future__ import annotations

from abc import ABC, abstractmethod

from danelaw.sasl.errors import SASLError
from danelaw.sasl.saslprep import saslprep
from danelaw.sasl.scram import (
    ClientFinal,
    ClientFirst,
    client_proof_is_right,
    server_final,
    server_first,
)
from danelaw.sasl.steps import Challenge, Claimed, Failed, Proved, Secret, Step
from danelaw.sasl.verifiers import SCRAMKeys

MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256")
"""Those there are, by their registered names; LOGIN is registered as obsolete and asked for all the same."""
MOST_RESPONSE = 8192
"""Octets of one response; the longest that PLAIN allows has 3062."""
_LONGEST = 255  # RFC 4616 §2: characters of each part


class Exchange(ABC):
    """One exchange: `start`, then `respond` as long as the step is a `Challenge`."""

    def start(self, initial_response: bytes | None) -> Step:
        """The client named the mechanism, with its first response or without any (None)."""
        return self._empty_challenge() if initial_response is None else self.respond(initial_response)

    def respond(self, data: bytes) -> Step:
        """A response of the client."""
        if len(data) > MOST_RESPONSE:
            return Failed("the response is too long", malformed=True)
        try:
            return self._respond(data)
        except (SASLError, UnicodeDecodeError) as error:
            reason = error.reason if isinstance(error, SASLError) else "the response is not UTF-8"
            return Failed(reason, malformed=True)

    def keys(self, keys: SCRAMKeys) -> Step:
        """After `Claimed` without a password: the user's keys, or a decoy's. Raises `TypeError` for others."""
        raise TypeError(f"{type(self).__name__} needs no keys")

    def _empty_challenge(self) -> Step:
        return Challenge(b"")

    @abstractmethod
    def _respond(self, data: bytes) -> Step: ...


class _Plain(Exchange):
    """message = [authzid] NUL authcid NUL passwd (RFC 4616 §2)."""

    def _respond(self, data: bytes) -> Step:
        parts = data.decode("utf-8").split("\0")
        if len(parts) != 3:
            return Failed("a response of PLAIN has three parts", malformed=True)
        acting_as, name, password = parts
        return _claimed(name, password, acting_as)


class _Login(Exchange):
    """Name and password as two answers (draft-murchison-sasl-login); older programs know nothing else."""

    def __init__(self) -> None:
        self._name: str | None = None

    def _empty_challenge(self) -> Step:
        return Challenge(b"Username:")

    def _respond(self, data: bytes) -> Step:
        text = data.decode("utf-8")
        if self._name is None:
            self._name = text
            return Challenge(b"Password:")
        return _claimed(self._name, text, "")


class _SCRAM(Exchange):
    """client-first, server-first, client-final, server-final, and an empty response to it (RFC 5802 §5)."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._first: ClientFirst | None = None
        self._server_first = ""
        self._keys: SCRAMKeys | None = None
        self._proved = False

    def _respond(self, data: bytes) -> Step:
        if self._proved:
            assert self._first is not None
            return Failed("the last response is not empty", malformed=True) if data else Proved(self._first.user)
        if self._first is None:
            first = ClientFirst.from_bytes(data)
            self._first = first
            _same_identity(first.acting_as, first.user)
            return Claimed(first.user, None)
        if self._keys is None:
            return Failed("a response before the challenge", malformed=True)
        return self._final(ClientFinal.from_bytes(data), self._first, self._keys)

    def keys(self, keys: SCRAMKeys) -> Step:
        """The keys of the user that was claimed: the challenge made with them."""
        assert self._first is not None
        self._keys = keys
        self._server_first = server_first(self._first.nonce + self._nonce, keys)
        return Challenge(self._server_first.encode("ascii"))

    def _final(self, final: ClientFinal, first: ClientFirst, keys: SCRAMKeys) -> Step:
        if final.nonce != first.nonce + self._nonce or final.header != first.header:
            return Failed("nonce or header is not that of this exchange", first.user)
        said = f"{first.bare},{self._server_first},{final.without_proof}"
        if not client_proof_is_right(keys, said, final.proof):
            return Failed("wrong password", first.user)
        self._proved = True
        # SMTP has no room for data beside its yes (RFC 4954 §4): the proof of ours is one more challenge.
        return Challenge(server_final(keys, said))


def begin(mechanism: str, *, nonce: str) -> Exchange:
    """An exchange by a mechanism of `MECHANISMS`. `nonce` is fresh and printable ASCII without a comma, 18 octets of
    chance or more. Raises `KeyError` for other mechanisms.
    """
    if mechanism == "PLAIN":
        return _Plain()
    if mechanism == "LOGIN":
        return _Login()
    if mechanism == "SCRAM-SHA-256":
        return _SCRAM(nonce)
    raise KeyError(mechanism)


def plain_response(name: str, password: str) -> bytes:
    """The client's side of PLAIN: its one response. Raises `SASLError`."""
    parts = (saslprep(name), saslprep(password))
    if any("\0" in part for part in parts):
        raise SASLError("a name or password holds NUL")
    return "\0".join(("", *parts)).encode()


def _claimed(name: str, password: str, acting_as: str) -> Step:
    if any("\0" in part or len(part) > _LONGEST for part in (name, password, acting_as)):
        raise SASLError("a name or password is too long, or holds NUL")
    user = saslprep(name)
    _same_identity(acting_as, user)
    return Claimed(user, Secret(saslprep(password)))


def _same_identity(acting_as: str, user: str) -> None:
    """Nobody acts for somebody else here (RFC 4616 §2: authzid)."""
    if acting_as and saslprep(acting_as) != user:
        raise SASLError("the client wants to act as somebody else")
