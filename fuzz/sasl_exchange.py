"""Fuzz the SASL exchanges and the file of users: any responses, and nobody gets in without a password.

python -m fuzz.sasl_exchange [libFuzzer options]
"""

from __future__ import annotations

import sys

from danelaw.sasl import (
    MECHANISMS,
    Challenge,
    Claimed,
    Proved,
    SASLError,
    SCRAMKeys,
    UserTable,
    begin,
)

_KEYS = SCRAMKeys(4096, b"0123456789abcdef", bytes(range(32)), bytes(range(32, 64)))


def test_one_input(data: bytes) -> None:
    """The first octet chooses the mechanism, 0xFF separates responses."""
    if not data:
        return
    mechanism = MECHANISMS[data[0] % len(MECHANISMS)]
    exchange = begin(mechanism, nonce="fixed")
    step = exchange.start(None)
    for response in data[1:].split(b"\xff"):
        if not isinstance(step, Challenge):
            break
        step = exchange.respond(response)
        if isinstance(step, Claimed) and step.password is None:
            step = exchange.keys(_KEYS)
    assert not isinstance(step, Proved), "nobody knows a password for these keys"
    try:
        table = UserTable.from_text(data.decode("utf-8", "replace"))
    except SASLError:
        return
    assert UserTable.from_text("\n".join(user.to_text() for user in table)) == table


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
