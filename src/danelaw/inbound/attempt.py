"""A client's attempt to log in, as steps see it, and what they may answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.sasl import Secret


@dataclass(frozen=True, slots=True)
class Attempt:
    """`mechanism` by its SASL name, `user` as the client names itself (prepared by SASLprep).

    `password` is what it gave, None where the mechanism shows none (SCRAM); `password.text` is its text.
    `proved` tells that the mechanism itself has shown the client to be that user; then no answer means yes.
    """

    mechanism: str
    user: str
    password: Secret | None
    proved: bool = False


@dataclass(frozen=True, slots=True)
class Admit:
    """The client is let in as `user`, empty for the name it gave. The file of users is not asked."""

    user: str = ""
