"""Names made by machine for whole networks of subscribers: their hosts seldom run a mail server."""

from __future__ import annotations

import re

from danelaw.address import Domain
from danelaw.clientname.reverse import IPAddress, unmapped

_WORDS = frozenset(
    (
        "adsl",
        "broadband",
        "cable",
        "cust",
        "customer",
        "customers",
        "dhcp",
        "dial",
        "dialin",
        "dialup",
        "dsl",
        "dyn",
        "dynamic",
        "ftth",
        "fttx",
        "pool",
        "ppp",
        "pppoe",
        "residential",
        "subscriber",
        "subscribers",
        "unassigned",
        "vdsl",
    )
)
_NUMBERS = re.compile(r"\d+")
_LETTERS = re.compile(r"[a-z]+")
_PARTS_THAT_TELL = 3


def generic(name: Domain, address: IPAddress) -> str | None:
    """Why a name looks as if it was made from the address or for a pool, in words; None when it does not.

    The registered part (the last two labels) is not looked at: a company may be called Cable.
    """
    host = ".".join(name.ascii.split(".")[:-2])
    if not host:
        return None
    address = unmapped(address)
    if _holds_ipv4(host, address.packed) if address.version == 4 else _holds_ipv6(host, address.packed):
        return f"{name} is made from its address"
    word = next((word for word in _LETTERS.findall(host) if word in _WORDS), None)
    return None if word is None else f"{name} has the word {word!r} in it"


def _holds_ipv4(host: str, packed: bytes) -> bool:
    if packed.hex() in host or packed[::-1].hex() in host:
        return True
    digits = "".join(f"{octet:03d}" for octet in packed)
    if digits in host:
        return True
    numbers = [int(text) for text in _NUMBERS.findall(host) if len(text) <= 3]
    # Three octets in a row suffice: the fourth often stands in a label of its own.
    return any(_runs(numbers, list(octets)) for octets in (packed[:3], packed[1:], packed[2::-1], packed[:0:-1]))


def _holds_ipv6(host: str, packed: bytes) -> bool:
    groups = [int.from_bytes(packed[at : at + 2]) for at in range(0, 16, 2)]
    if packed[8:].hex() in host.replace("-", "").replace(".", ""):
        return True
    said = [int(text, 16) for text in re.findall(r"[0-9a-f]+", host) if len(text) <= 4]
    return any(_runs(said, run) for run in (groups[4:], groups[:4], groups[:3:-1]) if len(set(run)) >= _PARTS_THAT_TELL)


def _runs(said: list[int], wanted: list[int]) -> bool:
    return any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1))
