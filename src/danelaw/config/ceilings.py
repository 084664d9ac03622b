"""Sections about how much clients may ask for in a time."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from danelaw.config.section import Section
from danelaw.config.values import Count, Text, explained, parse_size
from danelaw.queue.rates import Rate

_RATES = ("connection_rate", "message_rate", "recipient_rate", "octet_rate", "handshake_rate", "error_rate")
_NONE = "none"


def parse_uses(text: str) -> tuple[int, int] | None:
    """Read "600/min" or "2G/h" into a number and a period in seconds, "none" into None. Raises `ValueError`."""
    if text == _NONE:
        return None
    number, _, period = text.partition("/")
    try:
        count, seconds = parse_size(number), Rate.from_text(f"1/{period}").period
    except ValueError:
        raise ValueError(f'{text[:40]!r} is not a ceiling; write for instance "600/min", "2G/h" or "none"') from None
    if count < 1:
        raise ValueError(f'{text[:40]!r} allows nothing; write at least 1, or "none" for no ceiling')
    return count, seconds


def _connections(default: str = _NONE) -> Any:
    return Field(default=default, description="New connections; 421.", examples=["600/min"])


def _messages(default: str = _NONE) -> Any:
    return Field(default=default, description="Messages, counted at MAIL; 451.", examples=["1000/min"])


def _recipients(default: str = _NONE) -> Any:
    return Field(default=default, description="Recipients, counted at RCPT; 452.", examples=["5000/min"])


def _octets(default: str = _NONE) -> Any:
    words = "Octets of messages; the one that goes beyond is still taken, and the next ones get 451."
    return Field(default=default, description=words, examples=["2G/h"])


def _handshakes(default: str = _NONE) -> Any:
    return Field(default=default, description="TLS handshakes begun; 454 (RFC 3207 §4).", examples=["600/min"])


def _errors(default: str = _NONE) -> Any:
    words = (
        "Commands, recipients and messages refused with 5yz, and failed TLS handshakes. Who goes beyond is refused "
        "with 421 for `refuse_for`."
    )
    return Field(default=default, description=words, examples=["200/10min"])


def _open() -> Any:
    words = "Open connections. Absent: `connections_per_client`."
    return Field(default=None, ge=1, le=65_000, description=words, examples=[10])


class Ceilings(Section):
    """Ceilings on uses per time, in any stretch of that time; a quarter of each may come at once."""

    connection_rate: Text = _connections()
    message_rate: Text = _messages()
    recipient_rate: Text = _recipients()
    octet_rate: Text = _octets()
    handshake_rate: Text = _handshakes()

    @field_validator(*_RATES, check_fields=False)
    @classmethod
    def _readable(cls, value: str) -> str:
        explained(lambda: parse_uses(value))
        return value

    def uses(self) -> tuple[tuple[int, int] | None, ...]:
        """Number and seconds of connections, messages, recipients, octets, handshakes, errors; None for no ceiling."""
        return tuple(parse_uses(getattr(self, name, _NONE)) for name in _RATES)


class TrustedCeilings(Ceilings):
    """Ceilings for each client in the networks of `[relay]`."""

    error_rate: Text = _errors()
    connections: Count | None = _open()


class ClientCeilings(TrustedCeilings):
    """Ceilings for each other client. The defaults are above what a host of a large provider sends to one gateway."""

    connection_rate: Text = _connections("2000/min")
    message_rate: Text = _messages("10000/min")
    recipient_rate: Text = _recipients("60000/min")
    octet_rate: Text = _octets("40G/h")
    handshake_rate: Text = _handshakes("2000/min")
    error_rate: Text = _errors("2000/10min")
