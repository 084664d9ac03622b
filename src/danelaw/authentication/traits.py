"""Traits of mail that came by a list or was sent on: there SPF and DKIM break without anybody's fault (RFC 7960 §3)."""

from __future__ import annotations

from danelaw.message import Header

_LIST = ("List-Id", "List-Post", "Mailing-List", "X-BeenThere", "Resent-From")


def list_traits(header: Header) -> tuple[str, ...]:
    """The fields that a list or somebody who sends mail on adds (RFC 2919 §3, RFC 2369 §3.4, RFC 5322 §3.6.6).

    Anybody can add them: they may soften a refusal, and never make a message accepted.
    """
    found = [name for name in _LIST if header.first(name) is not None]
    precedence = header.first("Precedence")
    if precedence is not None and precedence.value.lower() == b"list":
        found.append("Precedence: list")
    return tuple(found)
