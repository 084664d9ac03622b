"""kill -9 at random moments loses nothing; `bench/crash.py` is the same with thousands of messages."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.crash import duplicates, outstanding, play


def test_every_acknowledged_message_arrives_whatever_is_killed(tmp_path: Path) -> None:
    tally, record, broken = asyncio.run(play(tmp_path, 120, seed=5, clients=8, kills=3))
    assert broken == []
    assert len(tally.acknowledged) == 120
    assert tally.kills == 3
    assert outstanding(tally, record) == []
    assert duplicates(record) <= sum(tally.bounds)
    assert record.notices  # some recipients are refused, and their senders are told
    assert any(tally.tried[name].large for name in tally.acknowledged)
