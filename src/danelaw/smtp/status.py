"""Enhanced mail system status codes, `class.subject.detail` (RFC 3463, RFC 5248)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from danelaw.errors import DanelawError

# status-code = class "." subject "." detail; subject and detail are 1*3DIGIT without leading zeros (RFC 3463 §2).
_CODE = re.compile(r"([245])\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\Z", re.ASCII)


class StatusCodeError(DanelawError, ValueError):
    """The text is not an enhanced status code."""


class EnhancedStatusCode(NamedTuple):
    """`5.7.30`: what class of outcome (2 success, 4 try later, 5 permanent), about what, in which detail."""

    status_class: int
    subject: int
    detail: int

    @classmethod
    def from_text(cls, text: str) -> EnhancedStatusCode:
        """Parse `5.7.30`. Raises `StatusCodeError`."""
        return _parse(text)

    def to_text(self) -> str:
        """`5.7.30`"""
        return f"{self.status_class}.{self.subject}.{self.detail}"

    def with_class(self, status_class: int) -> EnhancedStatusCode:
        """The same subject and detail under another class: 2, 4 or 5."""
        return self._replace(status_class=status_class)

    def __str__(self) -> str:
        return f"{self.status_class}.{self.subject}.{self.detail}"


@lru_cache(maxsize=256)
def _parse(text: str) -> EnhancedStatusCode:
    match = _CODE.match(text)
    if match is None:
        raise StatusCodeError(f"{text[:40]!r} is not an enhanced status code such as 5.7.30")
    return EnhancedStatusCode(int(match[1]), int(match[2]), int(match[3]))
