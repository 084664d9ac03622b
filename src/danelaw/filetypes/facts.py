"""What is found out about octets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its path as the archive says, size as it says, and type as its octets say.

    `depth` is 1 for files of the archive itself, 2 for those of an archive in it. The type of what could not be looked
    into (encrypted, or past a limit) is `application/octet-stream`.
    """

    path: str
    size: int
    type: str
    encrypted: bool = False
    depth: int = 1


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What octets are: media `type` by content, `extensions` that fit it, and for archives the `members` they hold.

    `macros` says that an office file holds macros, `encrypted` that it, or something in it, is encrypted. `odd` are
    reasons for doubt in words: a name that says something else than the octets, two extensions, text that runs
    backwards in a name, an archive that unpacks to far more than it is, nesting too deep to follow.
    """

    type: str
    extensions: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    macros: bool = False
    encrypted: bool = False
    odd: tuple[str, ...] = ()
