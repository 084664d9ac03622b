"""A slower disk for both sides: a library that delays every flush, preloaded into the servers under test."""

from __future__ import annotations

import subprocess
from pathlib import Path


def slow_flush(directory: Path, milliseconds: float) -> dict[str, str]:
    """The environment that makes each fsync and fdatasync take so much longer; empty for 0. Needs a C compiler."""
    if milliseconds <= 0:
        return {}
    library = directory / "slow_flush.so"
    source = Path(__file__).with_name("slow_flush.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    library.chmod(0o755)
    return {"LD_PRELOAD": str(library), "FLUSH_DELAY_US": str(int(milliseconds * 1000))}


def imported_by_postfix(environment: dict[str, str]) -> dict[str, str]:
    """The setting with which Postfix hands this environment to its daemons; nothing for an empty one."""
    if not environment:
        return {}
    usual = "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME"
    return {"import_environment": " ".join([usual, *(f"{name}={value}" for name, value in environment.items())])}
