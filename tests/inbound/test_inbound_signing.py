"""Mail of our own senders is signed by its author's domain, as it is stored; other mail is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.dkim.dkim_samples import ed25519_key, rsa_key
from tests.ends import Sink, gateway, run

from danelaw.dkim import DKIMOutcome, PrivateKey, verify
from danelaw.message import Header
from danelaw.testing import FakeDNS, run_lookup

KEYS = {"e": ed25519_key(), "r": rsa_key()}
LARGE = b"".join(b"line %d of a long message\r\n" % number for number in range(20_000))


def records() -> FakeDNS:
    zones = [PrivateKey.from_key(key).record().to_zone(f"{name}._domainkey.example.org.") for name, key in KEYS.items()]
    return FakeDNS("\n".join(zone.replace(" IN TXT", " TXT") for zone in zones))


def verified(octets: bytes) -> DKIMOutcome:
    header = Header.from_bytes(octets)
    return run_lookup(verify(header.pairs, octets[header.body_offset :], now=1_900_000_000.0), records())


def section(directory: Path, *names: str) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    found = ""
    for name in names:
        pem = KEYS[name].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (directory / f"{name}.key").write_bytes(pem)
        found += f'[[dkim_key]]\ndomain = "example.org"\nselector = "{name}"\nkey = "{name}.key"\n'
    return found


@pytest.mark.parametrize("body", [b"hi\r\n", b"", LARGE], ids=["small", "empty", "large"])
def test_a_message_is_signed_as_it_leaves(tmp_path: Path, body: bytes) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, section(tmp_path, "e", "r") + sink.smarthost) as running:
            ident = await running.send(
                "b@elsewhere.test", body=b"From: <anna@Example.ORG>\r\nSubject: x\r\n\r\n" + body
            )
            taken = (await sink.messages())[0]
            outcome = verified(taken.content)
            assert [(one.selector, one.authenticates) for one in outcome.verdicts] == [("e", True), ("r", True)]
            found = running.look(ident)["findings"]
            assert [(one["step"], one["result"]) for one in found] == [("dkim", "signed")]

    run(play())


@pytest.mark.parametrize(
    "header",
    [
        b"From: anna@other.example\r\n",
        b"From: anna@sub.example.org\r\n",
        b"From: anna@example.org, eve@other.example\r\n",
        b"From: anna@example.org\r\nFrom: eve@other.example\r\n",
        b"Subject: no author\r\n",
    ],
)
def test_who_has_no_key_or_more_than_one_author_is_not_signed_for(tmp_path: Path, header: bytes) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, section(tmp_path, "e") + sink.smarthost) as running:
            await running.send("b@elsewhere.test", body=header + b"\r\nhi\r\n")
            assert b"DKIM-Signature" not in (await sink.messages())[0].data

    run(play())


def test_strangers_are_never_signed_for(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            domain = f'[[domain]]\nname = "inside.test"\nnext_hop = "{sink.hop}"\n'
            replaced = {'networks = ["127.0.0.0/8"]': 'networks = ["192.0.2.0/24"]'}
            async with gateway(tmp_path, section(tmp_path, "e") + domain, replace=replaced) as running:
                await running.send("b@inside.test", body=b"From: anna@example.org\r\n\r\nhi\r\n")
                assert b"DKIM-Signature" not in (await sink.messages())[0].data

    run(play())
