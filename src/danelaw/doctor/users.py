"""Examination of who may log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.doctor.finding import Finding, Severity
from danelaw.errors import DanelawError
from danelaw.inbound.userbook import read_users
from danelaw.sasl import SCRAMKeys

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.config import Config

_NAME = "users"


def users(config: Config) -> list[Finding]:
    """The file of users: readable, by nobody else, with somebody in it who can use what is offered."""
    where = ", ".join(str(listen.address) for listen in config.listen if listen.auth != "off")
    section = config.submission
    if not where:
        return []
    if section.users is None:
        what = f"users log in at {where}, and no file says who: only policy scripts can let them in"
        return [Finding(_NAME, Severity.NOTE, what, '[submission] users = "/etc/danelaw/users", then danelaw user add')]
    try:
        known = list(read_users(section.users))
    except DanelawError as error:
        return [Finding(_NAME, Severity.ERROR, error.reason, error.advice or "correct the file")]
    found = _readable_by_all(section.users)
    if not known:
        found.append(
            Finding(_NAME, Severity.WARNING, f"nobody can log in at {where}: no user", "danelaw user add NAME")
        )
    without = [user.name for user in known if not isinstance(user.verifier, SCRAMKeys)]
    if "SCRAM-SHA-256" in section.mechanisms and without:
        what = f"SCRAM-SHA-256 is offered, and {len(without)} of {len(known)} users fail with it, such as {without[0]}"
        found.append(Finding(_NAME, Severity.WARNING, what, f"danelaw user passwd {without[0]}"))
    return found or [Finding(_NAME, Severity.OK, f"{len(known)} may log in at {where}")]


def _readable_by_all(path: Path) -> list[Finding]:
    if not path.stat().st_mode & 0o004:
        return []
    return [Finding(_NAME, Severity.WARNING, f"everybody on this machine can read {path}", f"chmod o-rwx {path}")]
