"""Sessions of all workers are counted for one TLS report."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from tests.ends import until
from workers_running import served

from bench.tls_reports import Clock, ReportingLab
from danelaw.lab import SCENARIOS
from danelaw.queue import id_from_text, shard_of
from danelaw.state import ReportsDatabase, TLSGatheringStore
from danelaw.state.reports_database import FILE_NAME


def test_what_several_workers_count_adds_up_to_what_the_server_saw(tmp_path: Path) -> None:
    (dane,) = [one for one in SCENARIOS if one.domain == "dane.lab"]

    async def scene() -> None:
        async with ReportingLab([dane], tmp_path, Clock()) as lab:
            await lab.gateway.stop()
            lab.config_file.write_text(lab.config_file.read_text() + "\n[server]\nworkers = 2\n")
            async with served(lab.config_file) as gateway:
                ids = await asyncio.gather(*(gateway.send(dane.address, "demo@sender.lab") for _ in range(12)))
                await until(lambda: len(lab.lab.received("dane.lab")) == 12, "the mail")
                assert len({shard_of(id_from_text(one)) for one in ids}) > 1
                await gateway.stop()
            sessions = len(lab.lab.journal.seen)
            assert 2 <= sessions <= 12
            with contextlib.closing(ReportsDatabase(tmp_path / "spool" / FILE_NAME)) as database:
                (gathered,) = TLSGatheringStore(database).gathered()
            assert (gathered.domain, gathered.successful, gathered.failed) == ("mx.dane.lab", sessions, 0)

    asyncio.run(scene())
