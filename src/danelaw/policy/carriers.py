"""Ways to deliver that are not SMTP, as values: who carries them out is `danelaw.outbound`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Maildir:
    """Into the maildir at this path, which is made where it is missing. `{local}` and `{domain}` in it are those of
    each recipient, in small letters.
    """

    path: str


@dataclass(frozen=True, slots=True)
class Pipe:
    """To the standard input of a program, without a shell, once for each recipient: `argv` is its absolute path and
    arguments, in which `{address}` and `{sender}` stand for those. Its exit status says what became of the message
    (sysexits: 0 delivered, 75 and a signal try again, others fail). `seconds` is how long it may run.
    """

    argv: tuple[str, ...]
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class HTTPPost:
    """As the body of a POST to `url`, the envelope beside it, within `seconds`. 2xx means delivered; 408, 425, 429 and
    5xx try again; other answers fail. `token` goes along as a bearer token.
    """

    url: str
    token: str = field(default="", repr=False)
    seconds: float = 30.0


Carrier: TypeAlias = Maildir | Pipe | HTTPPost
