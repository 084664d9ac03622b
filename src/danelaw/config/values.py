"""Values people write in the configuration: durations, sizes, socket addresses, networks, next hops.

Each kind is an annotated type for pydantic models plus a plain function `parse_…` that other rooms can
call on text from a command line. A parser raises `ValueError` whose text says what is wrong and, after
"; ", what would be right.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, Strict, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from danelaw.address import Domain, DomainError, SocketAddress
from danelaw.routing import NextHop, NextHopError, carrier_of

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d|w))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_SIZE = re.compile(r"(\d{1,18})([KMGT]?)i?B?", re.ASCII | re.IGNORECASE)
_SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_HUNDRED_YEARS = timedelta(days=36525)


def parse_duration(text: str) -> timedelta:
    """Read "30s", "4h", "1d12h" or "250ms"; units are ms, s, m, h, d, w. Raises `ValueError`."""
    compact = text.replace(" ", "")
    if not _DURATION.fullmatch(compact):
        hint = f'; write "{compact}s" for seconds' if compact.isdigit() else '; write for instance "30s", "4h" or "5d"'
        raise ValueError(f"{text!r} is not a duration{hint}")
    seconds = sum(float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(compact))
    if seconds > _HUNDRED_YEARS.total_seconds():
        raise ValueError(f"{text!r} is longer than a hundred years; write a shorter duration")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest text `parse_duration` reads back to the same value: "4h", "1d12h", "0s"."""
    milliseconds = value // timedelta(milliseconds=1)
    parts = []
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Read "50M", "64K" or "1048576" into bytes; units are powers of 1024. Raises `ValueError`."""
    match = _SIZE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise ValueError(f'{text!r} is not a size; write for instance "64K", "50M" or "2G"')
    return int(match[1]) * _SIZE_UNITS[match[2].upper()]


def format_size(count: int) -> str:
    """The text for a number of bytes that `parse_size` reads back: "50M", "1500"."""
    for unit in "TGMK":
        if count and count % _SIZE_UNITS[unit] == 0:
            return f"{count // _SIZE_UNITS[unit]}{unit}"
    return str(count)


def parse_network(text: str) -> Network:
    """Read "10.0.0.0/8", "2001:db8::/32" or a single address. Raises `ValueError`."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        covering = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'{text!r} is not a network; write for instance "10.0.0.0/8" or "2001:db8::/32"') from None
    raise ValueError(f'{text!r} has bits set behind its prefix; write "{covering}"')


def parse_next_hop(text: str) -> str:
    """Check "example.org" (MX look-up), "[relay.example]:2525", "[192.0.2.1]" or "carrier:name"; gives the text back.

    The form is that of `routing.NextHop` or `routing.carrier_of`. Raises `ValueError`.
    """
    if carrier_of(text) is not None:
        return text
    try:
        NextHop.from_text(text)
    except NextHopError as error:
        raise ValueError(f"{error.reason}; {error.advice}") from None
    return text


def parse_domain_pattern(text: str) -> str:
    """Check "example.org" or ".example.org" (every name below it); gives it back as A-labels, lower case."""
    try:
        name = Domain.from_text(text.removeprefix("."))
    except DomainError as error:
        raise ValueError(f'{error.reason}; write "example.org", or ".example.org" for every name below') from None
    return "." + name.ascii if text.startswith(".") else name.ascii


def parse_instant(value: object) -> datetime:
    """A TOML date or date-time; a date alone means its end, a time without zone is UTC. Raises `ValueError`."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a date; write 2026-12-31 or 2026-12-31T18:00:00Z") from None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        try:
            return datetime.combine(value + timedelta(days=1), time(), UTC)
        except OverflowError:
            raise ValueError(f"{value} is too far away; write an earlier date") from None
    raise ValueError(f"{value!r} is not a date; write 2026-12-31 or 2026-12-31T18:00:00Z")


def _domain(text: str) -> Domain:
    try:
        return Domain.from_text(text)
    except DomainError as error:
        raise ValueError(f'{error.reason}; write for instance "mail.example.org"') from None


def _from_text(parse: Callable[[str], Any], kind: type, example: str) -> BeforeValidator:
    """A validator that turns text into `kind` and explains itself in two halves: wrong, and right."""

    def validate(value: object) -> object:
        if isinstance(value, kind) and not isinstance(value, str):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError(
                "danelaw", "{wrong}", {"wrong": f"{value!r} is not text", "right": f'write "{example}"'}
            )
        return explained(lambda: parse(value))

    return BeforeValidator(validate)


def explained(action: Callable[[], Any]) -> Any:
    """Run a parser inside pydantic so that both halves of its `ValueError` reach the reader."""
    try:
        return action()
    except ValueError as error:
        wrong, _, right = str(error).partition("; ")
        raise PydanticCustomError("danelaw", "{wrong}", {"wrong": wrong, "right": right}) from None


def _text_schema(described: str, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "x-kind": described}
    if pattern:
        schema["pattern"] = pattern
    return WithJsonSchema(schema)


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f'{value!r} is not a size; write for instance "50M"')
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"{value} is below zero; a size is a number of bytes")
        return value
    return parse_size(value)


def _path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise PydanticCustomError(
            "danelaw", "{wrong}", {"wrong": f"{value!r} is not a path", "right": 'write "/path/to/file"'}
        )
    directory = (info.context or {}).get("directory")
    return Path(directory, value) if directory is not None else Path(value)


Count: TypeAlias = Annotated[int, Strict()]
Switch: TypeAlias = Annotated[bool, Strict()]
Text: TypeAlias = Annotated[str, Strict()]
Duration: TypeAlias = Annotated[
    timedelta,
    _from_text(parse_duration, timedelta, "4h"),
    PlainSerializer(format_duration, return_type=str),
    _text_schema("duration", r"^([0-9]+(\.[0-9]{1,3})?(ms|s|m|h|d|w) ?)+$"),
]
Size: TypeAlias = Annotated[
    int,
    BeforeValidator(lambda value: explained(lambda: _size(value))),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "x-kind": "size", "pattern": "^[0-9]+ ?[KMGT]?(i?B)?$"}),
]
ListenAddress: TypeAlias = Annotated[
    SocketAddress,
    _from_text(SocketAddress.from_text, SocketAddress, "0.0.0.0:25"),
    PlainSerializer(SocketAddress.to_text, return_type=str),
    _text_schema("address:port"),
]
NameServer: TypeAlias = Annotated[
    SocketAddress,
    _from_text(lambda text: SocketAddress.from_text(text, 53), SocketAddress, "127.0.0.1:53"),
    PlainSerializer(SocketAddress.to_text, return_type=str),
    _text_schema("address, port 53 unless given"),
]
IPNetwork: TypeAlias = Annotated[
    Network,
    _from_text(parse_network, ipaddress._BaseNetwork, "10.0.0.0/8"),
    PlainSerializer(str, return_type=str),
    _text_schema("network"),
]
HostName: TypeAlias = Annotated[
    Domain,
    _from_text(_domain, Domain, "mail.example.org"),
    PlainSerializer(Domain.to_text, return_type=str),
    _text_schema("domain name"),
]
DomainPattern: TypeAlias = Annotated[
    str,
    _from_text(parse_domain_pattern, str, "example.org"),
    _text_schema("domain name, or .name for all below it"),
]
NextHopText: TypeAlias = Annotated[str, _from_text(parse_next_hop, str, "[192.0.2.1]:25"), _text_schema("next hop")]
Instant: TypeAlias = Annotated[
    datetime,
    BeforeValidator(lambda value: explained(lambda: parse_instant(value))),
    WithJsonSchema({"type": "string", "x-kind": "date or date-time"}),
]
FilePath: TypeAlias = Annotated[
    Path, BeforeValidator(_path), PlainSerializer(str, return_type=str), _text_schema("path")
]
