"""The file of members: one domain or suffix a line, as people keep it."""

from __future__ import annotations

from danelaw.address import Domain, DomainError
from danelaw.errors import DanelawError

MOST_MEMBERS = 1_000_000
LARGEST_FILE = 64 << 20
_SHOWN = 5


class MembersError(DanelawError):
    """A file of members that cannot be used."""


def members_from_text(text: str, name: str) -> frozenset[str]:
    """Read a file of members: `example.org`, or `.example.org` for every name below it; `#` begins a comment.

    Raises `MembersError` that names each bad line, up to a few; a list with holes would be weaker than it looks.
    """
    found: set[str] = set()
    bad: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        try:
            domain = Domain.from_text(entry.removeprefix(".")).ascii
        except DomainError as error:
            bad.append(f"line {number}: {error.reason}")
            continue
        found.add(f".{domain}" if entry.startswith(".") else domain)
    if bad:
        more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise MembersError(
            f"{name}: {'; '.join(bad[:_SHOWN])}{more}", advice="write one domain a line, # before comments"
        )
    if len(found) > MOST_MEMBERS:
        raise MembersError(f"{name} has more than {MOST_MEMBERS} members", advice="use membership in DNS")
    return frozenset(found)
