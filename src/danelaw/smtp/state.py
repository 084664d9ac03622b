"""Where a server's conversation can be, and which command is allowed where (RFC 5321 §4.1.4, RFC 3030 §2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from danelaw.smtp import replies
from danelaw.smtp.commands import Verb
from danelaw.smtp.reply import Reply


class State(Enum):
    """The states of `ServerConnection`."""

    __hash__ = object.__hash__  # members are singletons, and Enum's own hash is Python code on the hot path

    CONNECTED = "connected"
    """The greeting is not given."""
    TURNED_AWAY = "turned away"
    """554 was the greeting: the client may only say QUIT (RFC 5321 §3.1)."""
    GREETED = "greeted"
    """Waiting for EHLO: after the greeting, and after a TLS handshake."""
    READY = "ready"
    """Between transactions."""
    MAIL = "mail"
    """MAIL was accepted, no recipient yet."""
    RCPT = "rcpt"
    """At least one recipient was accepted."""
    DATA = "data"
    """354 was given: everything is message data up to CRLF.CRLF."""
    BDAT = "bdat"
    """Between two chunks of one message."""
    BDAT_FAILED = "bdat failed"
    """A chunk was refused: chunks are consumed and refused until RSET."""
    AUTH = "auth"
    """334 was given to AUTH: the next line is a response to it (RFC 4954 §4)."""
    TLS = "tls"
    """220 was given to STARTTLS: the next octets are the handshake's."""
    CLOSED = "closed"


_TALKING = frozenset({State.GREETED, State.READY, State.MAIL, State.RCPT, State.BDAT, State.BDAT_FAILED})

ALLOWED: Mapping[Verb, frozenset[State]] = MappingProxyType(
    {
        Verb.EHLO: _TALKING,
        Verb.HELO: _TALKING,
        Verb.STARTTLS: frozenset({State.READY}),
        Verb.AUTH: frozenset({State.READY}),
        Verb.MAIL: frozenset({State.READY}),
        Verb.RCPT: frozenset({State.MAIL, State.RCPT}),
        Verb.DATA: frozenset({State.RCPT}),
        Verb.BDAT: frozenset({State.RCPT, State.BDAT}),
        # RFC 5321 §4.1.4: these need no EHLO.
        Verb.RSET: _TALKING,
        Verb.NOOP: _TALKING,
        Verb.HELP: _TALKING,
        Verb.VRFY: _TALKING,
        Verb.EXPN: _TALKING,
        Verb.QUIT: _TALKING | {State.TURNED_AWAY},
    }
)
"""The transition table's left side. In DATA, AUTH, TLS, CONNECTED and CLOSED no line is read as a command at all."""


def refusal(verb: Verb, state: State, *, recipients_refused: bool) -> Reply | None:
    """The reply for a verb that is not allowed in this state, or None when it is.

    `recipients_refused`: RCPT was tried and nobody accepted, so DATA means "no valid recipients" (RFC 5321 §3.3).
    """
    if state in ALLOWED[verb]:
        return None
    if state is State.TURNED_AWAY:
        return replies.NO_SERVICE
    if state is State.GREETED:
        return replies.HELLO_FIRST
    if state is State.BDAT:
        return replies.CHUNKS_STARTED
    if state is State.BDAT_FAILED:
        return replies.RESET_FIRST
    if verb in (Verb.STARTTLS, Verb.AUTH):
        return replies.NESTED_MAIL
    if verb in (Verb.DATA, Verb.BDAT) and state is State.MAIL:
        return replies.NO_RECIPIENTS if recipients_refused else replies.RCPT_FIRST
    return replies.OUT_OF_SEQUENCE[verb]
