"""States a crash may leave, small: the spool comes back from each, and a missing flush is found.

`bench/crash_states.py` is the same with thousands of images.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from bench.crash_disk import Change, File, remains
from bench.crash_states import MUTANTS, Run, complete, examined, recorded

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="the recorder is compiled: needs cc")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A recorded run of a gateway that was killed twice."""
    return asyncio.run(recorded(tmp_path_factory.mktemp("recorded"), 60, seed=3))


@needs_cc
@pytest.mark.timeout(120)
class TestCrashStates:
    def test_the_record_explains_every_octet_on_the_disk(self, run: Run) -> None:
        # Each of the two kills may come between a call and its record.
        assert len(complete(run)) <= 2, complete(run)
        assert len(run.sent) == 60
        assert any(sent.large for sent in run.sent.values())

    def test_what_was_acknowledged_is_there_whatever_the_disk_kept(self, run: Run) -> None:
        verdict = examined(run, 160, seed=3)
        assert verdict.lost == []
        assert verdict.images == 160
        assert verdict.checked > 1000

    @pytest.mark.parametrize("mutant", MUTANTS)
    def test_a_missing_flush_is_found(self, run: Run, mutant: str) -> None:
        assert examined(run, 1000, seed=3, counts=MUTANTS[mutant], enough=1).lost


@needs_cc
@pytest.mark.timeout(120)
def test_nothing_acknowledged_is_lost_where_flushes_overlap(tmp_path: Path) -> None:
    run = asyncio.run(recorded(tmp_path, 60, seed=4, flush_ms=8.0))
    verdict = examined(run, 120, seed=4)
    assert verdict.lost == []
    assert verdict.checked > 1000
    assert examined(run, 1000, seed=4, counts=MUTANTS["no flush of the database's log"], enough=1).lost


def test_a_torn_file_has_only_what_was_written_to_it() -> None:
    chance = random.Random(7)
    file = File("x", bytearray(b"a" * 2048))
    file.pending = [Change(1, 100, b"b" * 1500), Change(2, 0, b"", 600), Change(3, 600, b"c" * 3000)]
    seen = set()
    for _ in range(300):
        left = remains(file, 512, chance)
        assert len(left) in (2048, 600, 3600)
        for place in range(0, len(left), 512):
            unit = left[place : place + 512]
            assert set(unit) <= set(b"abc\0")
            seen.add(bytes(sorted(set(unit))))
    assert {b"a", b"\0", b"c"} <= seen
    assert remains(file, -1, chance) == b"a" * 2048
    assert remains(file, -2, chance) == b"a" * 100 + b"b" * 500 + b"c" * 3000
