"""Receipts of a small lab, made once: real signatures, sockets and certificates."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from danelaw.dnssec import TrustAnchors
from danelaw.gateway.rehearsal import Rehearsal, Result
from danelaw.lab import SCENARIOS
from danelaw.outbound.proof import proof
from danelaw.queue import Settlement, named_by
from danelaw.receipt import Trust
from danelaw.spool.attempts import AttemptWriter

PLAYED = (
    "dane.lab", "sts.lab", "plain.lab", "forged-cert.lab", "stripped.lab", "first-mx-dead.lab", "odd-tlsa.lab",
    "sts-testing.lab", "private-ca.lab", "forged-dns.lab",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """What was played: signed receipts by destination, the spool they are from, what who verifies trusts."""

    receipts: Mapping[str, bytes]
    results: Mapping[str, Result]
    directory: Path
    anchors: TrustAnchors
    key: Ed25519PrivateKey
    roots_pem: bytes

    @property
    def trust(self) -> Trust:
        """The root key alone."""
        return Trust(self.anchors)

    @property
    def knowing(self) -> Trust:
        """The gateway's key besides."""
        return Trust(self.anchors, signer=self.key.public_key().public_bytes_raw())

    def sign(self, octets: bytes) -> tuple[bytes, bytes]:
        """As the gateway signs."""
        return self.key.public_key().public_bytes_raw(), self.key.sign(octets)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One message to each of `PLAYED`, and its receipt."""
    return _played(tmp_path_factory.mktemp("receipts"), PLAYED)


@pytest.fixture(scope="session")
def older_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same of some of them by a danelaw that recorded with each try the list of its evidence."""
    blobs: dict[bytes, bytes] = {}
    write = AttemptWriter.write

    def listing(self: AttemptWriter, connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> None:
        for one in settlements:
            blobs.update((hashlib.sha256(blob).digest(), blob) for blob in one.evidence)
            for attempt in one.attempts:
                attempt.evidence = tuple(
                    digest for name in (attempt.basis, attempt.session) if name for digest in named_by(blobs[name])
                )
        write(self, connection, settlements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AttemptWriter, "write", listing)
        return _played(tmp_path_factory.mktemp("older"), ("dane.lab", "sts.lab", "forged-cert.lab"))


def _played(directory: Path, domains: Sequence[str]) -> World:
    played = [item for item in SCENARIOS if item.domain in domains]
    assert len(played) == len(domains)
    key = Ed25519PrivateKey.generate()

    async def play() -> World:
        async with Rehearsal(played, directory) as rehearsal:
            # One after the other first, so that there are links of the log between the first and the last.
            results = [await rehearsal.play(item) for item in played[:6]]
            results += await asyncio.gather(*(rehearsal.play(item) for item in played[6:]))
            (directory / "anchor.ds").write_text(rehearsal.lab.anchors_text)
            found = World(
                {}, {item.scenario.domain: item for item in results}, directory,
                TrustAnchors.from_text(rehearsal.lab.anchors_text), key, rehearsal.lab.roots_pem,
            )  # fmt: skip
        receipts = {
            domain: proof(directory / "spool", item.id, time.time(), sign=found.sign)[1]
            for domain, item in found.results.items()
        }
        return World(receipts, found.results, directory, found.anchors, key, found.roots_pem)

    return asyncio.run(play())
