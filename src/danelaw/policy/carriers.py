"""Ways to deliver that are not SMTP, as values: who carries them out is `danelaw.outbound`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Maildir:
    """Into the maildir at this path, which is made where it is missing."""

    path: str


@dataclass(frozen=True, slots=True)
class Pipe:
    """To the standard input of a program, without a shell. Its exit status says what became of the message
    (sysexits: 0 delivered, 75 and a signal try again, others fail). `seconds` is how long it may run.
    """

    argv: tuple[str, ...]
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class HTTPPost:
    """As the body of a POST. 2xx means delivered; 408, 425, 429 and 5xx try again; other answers fail."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 30.0


Carrier: TypeAlias = Maildir | Pipe | HTTPPost
