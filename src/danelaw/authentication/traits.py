"""Traits of mail that came by a list or was sent on: there SPF and DKIM break without anybody's fault (RFC 7960 §3)."""

from __future__ import annotations

from danelaw.dkim import HeaderFields

_LIST = ("List-Id", "List-Post", "Mailing-List", "X-BeenThere", "Resent-From")
_KEYS = tuple((name, name.lower().encode("ascii")) for name in _LIST)


def list_traits(header: HeaderFields) -> tuple[str, ...]:
    """The fields that a list or somebody who sends mail on adds (RFC 2919 §3, RFC 2369 §3.4, RFC 5322 §3.6.6).

    Anybody can add them: they may soften a refusal, and never make a message accepted.
    """
    found = [name for name, key in _KEYS if header.indices(key)]
    for place in header.indices(b"precedence"):
        if header.fields[place][1].partition(b":")[2].strip().lower() == b"list":
            return (*found, "Precedence: list")
    return tuple(found)
