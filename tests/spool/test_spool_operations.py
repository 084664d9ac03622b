"""What a list says of a message whose queue sleeps."""

from __future__ import annotations

import asyncio
from pathlib import Path

from spool_samples import BODY, KEY, NOW, Clock, sample

from danelaw.spool import Spool, SpoolSettings
from danelaw.spool.operations import look


def test_a_message_waits_with_the_reason_of_its_sleeping_queue(tmp_path: Path) -> None:
    async def run() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=Clock())
        await spool.append(sample(spool), BODY)
        spool.save_queue(KEY, NOW + 300, 2, "no host answers")
        await spool.append(sample(spool, "carl@example.org"), BODY)
        for row in look(spool.reader, "list", {"filter": ""}, NOW)["messages"]:
            recipient = row["recipients"][0]
            assert (recipient["reason"], recipient["next_try"]) == ("no host answers", NOW + 300)
            assert row["next_try"] == NOW + 300
        awake = look(spool.reader, "list", {"filter": ""}, NOW + 301)["messages"][0]
        assert (awake["recipients"][0]["reason"], awake["next_try"]) == ("", NOW)
        await spool.close()

    asyncio.run(run())
