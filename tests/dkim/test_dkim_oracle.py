"""dkimpy as a second opinion: what we sign it verifies, what it signs we verify, and both see the same damage.

Needs an interpreter with dkimpy and PyNaCl, named by DANELAW_DKIMPY; skipped without it.
"""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.dkim.dkim_samples import (
    NOW,
    ed25519_key,
    ed25519_signer,
    names,
    rsa_key,
    rsa_signer,
    signed,
    split,
    verified,
)

from danelaw.arc import ChainStatus, seal
from danelaw.arc import verify as verify_chain
from danelaw.dkim import Canonicalization, DKIMResult
from danelaw.testing import run_lookup

COUNT = 120
KEYS = {
    f"{signer.selector}._domainkey.example.org": signer.key.record().to_text()
    for signer in (rsa_signer(), ed25519_signer())
}


class Peer:
    """The other interpreter."""

    def __init__(self, python: str) -> None:
        script = str(Path(__file__).with_name("dkimpy_peer.py"))
        self._process = subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, do: str, message: bytes, **more: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        task = {"do": do, "message": base64.b64encode(message).decode(), "dns": KEYS, **more}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        with self._process:
            pass


@pytest.fixture(scope="module")
def dkimpy() -> Iterator[Peer]:
    python = os.environ.get("DANELAW_DKIMPY")
    if not python:
        pytest.skip("no dkimpy: set DANELAW_DKIMPY to an interpreter that has it")
    peer = Peer(python)
    yield peer
    peer.close()


def messages() -> Iterator[bytes]:
    """Messages with everything that canonicalization touches, the same in every run."""
    chance = random.Random(6376)
    pieces = [b"word", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b" \r\n", b".", b"=20", "ü".encode()]
    for number in range(COUNT):
        # dkimpy keeps a space before an end without CRLF, which RFC 6376 §3.4.4 wants ignored: all bodies end a line.
        body = b"".join(chance.choices(pieces, k=chance.randrange(60))) + b"\r\n"
        subject = b"".join(chance.choices([b"re:", b" ", b"\t", b"\r\n ", b"x"], k=12))
        fields = [
            b"From: a@example.org",
            b"To: b@example.net",
            b"Subject:" + subject + b"end",
            b"X-Number: %d" % number,
        ]
        chance.shuffle(fields)
        yield b"\r\n".join(fields) + b"\r\n\r\n" + body


def damaged(message: bytes, chance: random.Random) -> bytes:
    """The message with one octet of a signed field or the body changed."""
    start = message.index(b"From: a@")
    while True:
        at = chance.randrange(start, len(message))
        if chr(message[at]).isalpha():
            return message[:at] + bytes([message[at] ^ 0x20 ^ 0x01]) + message[at + 1 :]


def ways(number: int) -> tuple[Canonicalization, Canonicalization]:
    return list(Canonicalization)[number % 2], list(Canonicalization)[number // 2 % 2]


def test_dkimpy_verifies_what_we_sign_and_sees_the_same_damage(dkimpy: Peer) -> None:
    chance = random.Random(1)
    for number, message in enumerate(messages()):
        header, body = ways(number)
        both = signed(
            message, [rsa_signer(), ed25519_signer()], header_canonicalization=header, body_canonicalization=body
        )
        assert dkimpy.ask("verify", both, count=2) == [True, True]
        broken = damaged(both, chance)
        ours = [verdict.result is DKIMResult.PASS for verdict in verified(broken).verdicts]
        assert dkimpy.ask("verify", broken, count=2) == ours, broken


def test_we_verify_what_dkimpy_signs(dkimpy: Peer) -> None:
    pem = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    raw = base64.b64encode(ed25519_key().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())).decode()
    for number, message in enumerate(messages()):
        for selector, algorithm, key in (("r", "rsa-sha256", pem), ("e", "ed25519-sha256", raw)):
            chosen = [way.value for way in ways(number)]
            field = dkimpy.ask("sign", message, selector=selector, algorithm=algorithm, key=key, ways=chosen)
            outcome = verified(base64.b64decode(field) + message, now=2**33)
            assert outcome.result is DKIMResult.PASS, outcome


def test_chains_of_both_are_valid_for_both(dkimpy: Peer) -> None:
    for message in list(messages())[:30]:
        fields, body = split(message)
        ours = b"".join(seal(fields, body, rsa_signer(), "mx.example.org; none", ChainStatus.NONE, now=NOW)) + message
        assert dkimpy.ask("arc-verify", ours) == "pass"
        pem = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
        seen = b"Authentication-Results: mx.example.org; arc=pass; spf=pass\r\n" + ours
        theirs = base64.b64decode(dkimpy.ask("arc-sign", seen, selector="r", key=pem)) + seen
        fields, body = split(theirs)
        outcome = run_lookup(verify_chain(fields, body, now=2**33), names())
        assert (outcome.status, len(outcome.chain.sets)) == (ChainStatus.PASS, 2), outcome
