"""What a try rests on is kept as long as the try, and goes with the last one that rests on it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spool_samples import BODY, NOW, Clock, sample, settled, tried

from danelaw.queue import Attempt, named_by
from danelaw.spool import Spool, SpoolSettings
from danelaw.spool.attempts import attempts_of, day_tables
from danelaw.spool.evidence import evidence_blob, evidence_of
from danelaw.spool.operations import look, operate

DAY = 86400.0


def sha(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def basis(*responses: bytes) -> bytes:
    return json.dumps({"form": "danelaw/basis/1", "responses": [sha(one).hex() for one in responses]}).encode()


def session(chain: Iterable[bytes], anchors: Iterable[bytes] | None = None) -> bytes:
    named = None if anchors is None else [sha(one).hex() for one in anchors]
    return json.dumps(
        {"form": "danelaw/session/1", "chain": [sha(one).hex() for one in chain], "anchors": named}
    ).encode()


class World:
    """A spool into which messages are delivered, each with a try that rests on some evidence."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        settings = SpoolSettings(reserve=0, history_age=5 * DAY, attempts_age=5 * DAY)
        self.spool = Spool.open(directory, settings=settings, clock=self.clock)

    async def deliver(self, to: str, *blobs: bytes, **names: object) -> Attempt:
        """One message; `names` are what its try names of `blobs`, which all are stored with it."""
        now = self.clock.now
        message = sample(self.spool, to, received_at=now)
        await self.spool.append(message, BODY, claimed=True)
        done = settled(message, attempts=(tried(at=now, **names),), evidence=blobs)
        done.at = now
        await self.spool.settle(done)
        [attempt] = attempts_of(self.spool.reader, message.id)
        return attempt

    def kept(self, *blobs: bytes) -> list[bytes]:
        return [blob for blob in blobs if evidence_blob(self.spool.reader, sha(blob)) == blob]

    def purge(self, address: str) -> int:
        found = operate(self.spool, "purge", {"address": address, "who": "eve", "why": "asked"}, NOW)
        return int(found["evidence"])


def test_a_try_names_its_evidence_by_basis_and_session(tmp_path: Path) -> None:
    async def run() -> None:
        world = World(tmp_path)
        how, seen = basis(b"dns 1", b"dns 2"), session((b"leaf", b"issuer"), (b"issuer", b"root"))
        attempt = await world.deliver("a@example.org", how, seen, basis=sha(how), session=sha(seen))
        assert attempt.evidence == ()
        found = evidence_of(world.spool.reader, attempt)
        assert found == tuple(map(sha, (b"dns 1", b"dns 2", b"leaf", b"issuer", b"root")))
        before_there_was_a_basis = await world.deliver("c@example.org", evidence=found)
        assert evidence_of(world.spool.reader, before_there_was_a_basis) == found
        # What people and programs are shown is the same whoever names it.
        listing = await world.deliver("b@example.org", evidence=found, basis=sha(how), session=sha(seen))
        assert evidence_of(world.spool.reader, listing) == found
        shown = [
            look(world.spool.reader, "list", {"filter": f"to:{to}", "finished": True}, NOW)["messages"][0]["id"]
            for to in ("a@*", "b@*")
        ]
        lists = [look(world.spool.reader, "show", {"id": one}, NOW)["attempts"][0]["evidence"] for one in shown]
        assert lists == [[digest.hex() for digest in found]] * 2
        # Of what is kept no more, and of a try that has neither, there is nothing to say.
        assert [evidence_of(world.spool.reader, one) for one in (tried(basis=b"\0" * 32), tried())] == [(), ()]
        await world.spool.close()

    asyncio.run(run())


@pytest.mark.parametrize("first", ["new", "old"])
@pytest.mark.parametrize("second", ["new", "old"])
def test_a_purge_takes_evidence_that_no_other_try_rests_on(tmp_path: Path, first: str, second: str) -> None:
    """Both forms of record, in each order: `old` ones list what basis and session name."""

    async def run() -> None:
        world = World(tmp_path)
        one, other = basis(b"root key", b"mx of both", b"tlsa 1"), basis(b"root key", b"mx of both", b"tlsa 2")
        seen, later = session((b"leaf", b"issuer")), session((b"new leaf", b"issuer"))

        def names(form: str, how: bytes, shown: bytes) -> dict[str, object]:
            listed = (*named_by(how), *named_by(shown)) if form == "old" else ()
            return {"basis": sha(how), "session": sha(shown), "evidence": listed}

        pieces = (one, seen, b"root key", b"mx of both", b"tlsa 1", b"leaf", b"issuer")
        others = (other, later, b"root key", b"mx of both", b"tlsa 2", b"new leaf", b"issuer")
        await world.deliver("anna@example.org", *pieces, **names(first, one, seen))
        await world.deliver("eva@example.org", *others, **names(second, other, later))
        assert world.purge("anna@example.org") == 4
        assert world.kept(*pieces, *others) == [b"root key", b"mx of both", b"issuer", *others]
        assert world.purge("eva@example.org") == 7
        assert world.kept(*pieces, *others) == []
        await world.spool.close()

    asyncio.run(run())


def test_a_purge_leaves_a_basis_that_others_share(tmp_path: Path) -> None:
    async def run() -> None:
        world = World(tmp_path)
        how, seen = basis(b"dns"), session((b"leaf",))
        names = {"basis": sha(how), "session": sha(seen)}
        await world.deliver("anna@example.org", how, seen, b"dns", b"leaf", **names)
        world.clock.now += DAY
        await world.deliver("eva@example.org", **names)
        assert world.purge("anna@example.org") == 0
        assert world.kept(how, seen, b"dns", b"leaf") == [how, seen, b"dns", b"leaf"]
        await world.spool.close()

    asyncio.run(run())


def test_evidence_is_kept_as_long_as_the_tries_that_rest_on_it_and_no_longer(tmp_path: Path) -> None:
    async def run() -> None:
        world = World(tmp_path)
        how, seen = basis(b"dns"), session((b"leaf",))
        whole = (how, seen, b"dns", b"leaf")
        names = {"basis": sha(how), "session": sha(seen)}
        start = NOW - NOW % DAY + DAY - 60
        # A minute before midnight with its evidence, a minute after it without, as `EvidenceLedger` has it.
        for now, blobs in ((start, whole), (start + 120, ())):
            world.clock.now = now
            await world.deliver("anna@example.org", *blobs, **names)
        kept = []
        for day in range(9):
            now = start + 180 + day * DAY
            while world.spool.sweep(now):
                pass
            kept.append((len(day_tables(world.spool.reader)), len(world.kept(*whole))))
        assert [evidence for tries, evidence in kept if tries] == [4] * 6
        assert kept[-1] == (0, 0)
        await world.spool.close()

    asyncio.run(run())


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"{" + rest) | st.builds(
    lambda value: json.dumps({"responses": value}).encode(), st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3))
))  # fmt: skip
def test_any_octets_name_something_or_nothing(octets: bytes) -> None:
    assert all(isinstance(one, bytes) for one in named_by(octets))


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"[]", b'{"\x81\x80\x00\x01\x00\x00', b'{"responses":"zz"}', b'{"responses":7}',
        b'{"a":' + b"9" * 5000 + b"}", b'{"responses":' + b"[" * 200_000,
    ],
    ids=range(7),
)  # fmt: skip
def test_octets_that_only_begin_like_a_basis_name_nothing(octets: bytes) -> None:
    assert named_by(octets) == ()
