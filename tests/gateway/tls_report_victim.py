"""A gateway in a process of its own that dies by SIGKILL at a chosen moment of a report's way.

    python -m tests.gateway.tls_report_victim CONFIG AHEAD MOMENT

AHEAD is how many seconds its clock is ahead. MOMENT: `answered` (the collector has the report, nothing says so here),
`begun` (a queue id is written down, the queue has nothing), `queued` (the queue has the mail, nothing else says so), or
`never`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from danelaw.config import load
from danelaw.gateway import Gateway
from danelaw.gateway.report_posting import ReportPosting
from danelaw.state import TLSGatheringStore


def die(*arguments: object, **options: object) -> Any:
    """At once, as the kernel kills."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run until killed."""
    config, ahead, moment = sys.argv[1:]
    if moment == "answered":
        TLSGatheringStore.end = die  # type: ignore[method-assign]
    elif moment == "begun":
        ReportPosting.post = die  # type: ignore[method-assign]
    elif moment == "queued":
        usual = ReportPosting.post

        async def post(self: ReportPosting, *arguments: Any, **options: Any) -> str:
            await usual(self, *arguments, **options)
            return str(die())

        ReportPosting.post = post  # type: ignore[method-assign]
    asyncio.run(Gateway(load(Path(config)), clock=lambda: time.time() + float(ahead)).run())


if __name__ == "__main__":
    main()
