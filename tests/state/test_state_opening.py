"""Workers that start together open one new file together."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from danelaw.state import StateDatabase


def test_a_new_file_can_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for number in range(20):
        barrier = threading.Barrier(8)

        def opened(name: str, barrier: threading.Barrier = barrier) -> int:
            barrier.wait()
            database = StateDatabase(tmp_path / name)
            rows = database.execute("SELECT count(*) FROM override")
            database.close()
            return int(str(rows[0][0]))

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(opened, [f"{number}.db"] * 8)) == [0] * 8
