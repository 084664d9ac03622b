"""What a try rests on, told by its basis and its session: these two name every other piece of evidence.

`danelaw.receipt` writes and judges them. Who only has to know which pieces belong together reads them here, without
what it takes to judge.
"""

from __future__ import annotations

import json

_NAMES = ("responses", "chain", "anchors")


def named_by(octets: bytes) -> tuple[bytes, ...]:
    """SHA-256 digests of what a basis or a session names, in its order: DNS responses, or the chain from the leaf and
    then trusted CAs. Any other piece of evidence names nothing.
    """
    if octets[:1] != b"{":
        return ()
    try:
        value = json.loads(octets)
        named = [bytes.fromhex(digest) for name in _NAMES for digest in value.get(name) or ()]
    except (ValueError, TypeError, AttributeError, RecursionError):  # a DNS response may begin with the same octet
        return ()
    return tuple(dict.fromkeys(named))
