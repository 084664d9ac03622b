"""Who may ask: tokens known by their SHA-256, or client networks. A token has 256 random bits, so it needs no salt."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from danelaw.config.values import Network
from danelaw.errors import DanelawError

TOKEN_PREFIX = "dlw_"
MOST_TOKENS = 10_000
_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,39})[ \t]+sha256:([0-9a-f]{64})", re.ASCII)


class TokenFileError(DanelawError):
    """The file of tokens cannot be used."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a file, as (name, digest)."""

    entries: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def from_text(cls, text: str, source: str = "the file of tokens") -> Tokens:
        """Lines `NAME sha256:HEX`; empty ones and those that begin with # say nothing. Raises `TokenFileError`."""
        entries: dict[str, bytes] = {}
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                raise TokenFileError(
                    f"line {number} of {source} is no token", advice="danelaw safety token NAME prints the line to add"
                )
            if match[1] in entries:
                raise TokenFileError(f"line {number} of {source} names {match[1]} twice", advice="remove one of them")
            entries[match[1]] = bytes.fromhex(match[2])
        if len(entries) > MOST_TOKENS:
            raise TokenFileError(f"{source} has more than {MOST_TOKENS} tokens")
        return cls(tuple(entries.items()))

    def name_of(self, token: bytes) -> str | None:
        """Whose token it is, None when it is nobody's. Takes as long for every token, right or wrong."""
        digest = hashlib.sha256(token).digest()
        found: str | None = None
        for name, known in self.entries:
            if hmac.compare_digest(digest, known):
                found = name
        return found


def line_of(name: str, token: str) -> str:
    """The line of the file for a token. Raises `TokenFileError` for a name that cannot stand there."""
    line = f"{name} sha256:{hashlib.sha256(token.encode()).hexdigest()}"
    if _LINE.fullmatch(line) is None:
        raise TokenFileError(f"{name!r} is no name", advice="letters, digits, dots and hyphens, 40 at most")
    return line


def within(address: str, networks: Iterable[Network]) -> bool:
    """Whether an IP address is in one of these networks; an IPv4 address in IPv6 form is that IPv4 address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in network for network in networks if network.version == plain.version)
