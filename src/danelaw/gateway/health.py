"""What a running gateway suffers from now, as findings for `danelaw doctor`.

Some faults can only be seen from inside: a commit that failed, a clock that jumped, results that wait for the disk,
descriptors that run out, a name server that stopped answering an hour ago.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from danelaw.doctor.finding import Finding, Severity
from danelaw.gateway.policies import hooks
from danelaw.spool import SpoolFull
from danelaw.spool.attempts import failing_hosts

if TYPE_CHECKING:
    from danelaw.gateway.gateway import Gateway
    from danelaw.resolver import ProbeReport

_REMEMBERED = 86_400.0
_RIGHT_AGAIN = 60.0
_FEW_LEFT = 0.9
_MOST_HOSTS = 5
_FAILURES = 3
_UNSETTLED = 100


class _Jump(NamedTuple):
    at: float
    seconds: float


class ClockRecord:
    """The jumps of the clock within a day, by the monotonic clock, which has none."""

    def __init__(self) -> None:
        self._jumps: deque[_Jump] = deque(maxlen=64)

    def jumped(self, seconds: float, monotonic: float) -> None:
        """The clock stepped by so much."""
        self._jumps.append(_Jump(monotonic, seconds))

    def findings(self, monotonic: float, patience: float) -> list[Finding]:
        """`patience`: seconds for which no mail is returned because of the last jump ahead."""
        jumps = [jump for jump in self._jumps if monotonic - jump.at < _REMEMBERED]
        if not jumps:
            return []
        off = sum(jump.seconds for jump in jumps)
        last = jumps[-1]
        what = f"the clock jumped by {last.seconds:+.0f} s {_ago(monotonic - last.at)}"
        if len(jumps) > 1 and abs(off) < _RIGHT_AGAIN:
            return [Finding("gateway-clock", Severity.NOTE, f"{what}, back to where it was", "keep it right (chrony)")]
        if patience > 0:
            what += f"; no mail is returned for {patience / 60:.0f} minutes"
        return [
            Finding(
                "gateway-clock",
                Severity.ERROR if patience > 0 else Severity.WARNING,
                f"{what}; signatures and certificates are judged by it",
                "compare it with another machine's (timedatectl), start synchronisation (chrony, systemd-timesyncd)",
            )
        ]


async def findings(gateway: Gateway) -> list[Finding]:
    """Everything, worst first; one finding that all is well when there is nothing else above a note."""
    monotonic = asyncio.get_running_loop().time()
    found = [
        *_spool(gateway),
        *gateway.clock_record.findings(monotonic, gateway.parts.engine.lifetimes.patience_left(monotonic)),
        *_resolver(gateway.resolver_report, gateway.clock()),
        *_files(gateway),
        *_policy(gateway),
        *_hosts(gateway),
    ]
    if not any(one.severity in (Severity.ERROR, Severity.WARNING) for one in found):
        busy = f"{len(gateway.parts.intake.sessions)} clients, {gateway.deliveries} deliveries under way"
        found.append(Finding("gateway", Severity.OK, f"it runs and takes mail; {busy}"))
    return sorted(found, key=lambda one: list(Severity).index(one.severity), reverse=True)


def _spool(gateway: Gateway) -> list[Finding]:
    found = []
    shards = gateway.parts.shards.open.values()
    refusal = next((why for shard in shards if (why := shard.spool.refusal()) is not None), None)
    if refusal is not None:
        reply = "452" if isinstance(refusal, SpoolFull) else "451"
        what = f"no mail is taken (clients get {reply}): {refusal.reason}"
        fix = refusal.advice or "look at the disk and the system's log; the gateway resumes by itself"
        found.append(Finding("gateway-spool", Severity.ERROR, what, fix))
    waiting = sum(shard.engine.unsettled for shard in shards)
    if waiting >= _UNSETTLED or (waiting and refusal is not None):
        what = f"the outcome of {waiting} messages is not on disk yet; a crash now would repeat them"
        found.append(
            Finding("gateway-unsettled", Severity.WARNING, what, "mend the disk; what was delivered is written then")
        )
    return found


def _resolver(report: ProbeReport | None, now: float) -> list[Finding]:
    if report is None or report.usable:
        return []
    why = report.findings[0].what if report.findings else "no name server is fit"
    since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(report.at))
    fix = report.findings[0].fix if report.findings else "danelaw doctor"
    return [Finding("gateway-resolver", Severity.ERROR, f"mail waits, as of {since}: {why}", fix)]


def _files(gateway: Gateway) -> list[Finding]:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        used = len(os.listdir("/proc/self/fd"))
    except OSError as error:
        used = allowed
        why = f"the open files cannot even be counted ({error.strerror})"
    else:
        why = f"{used} of {allowed} files are open"
    if allowed == resource.RLIM_INFINITY or used < _FEW_LEFT * allowed:
        return []
    sessions = len(gateway.parts.intake.sessions)
    return [
        Finding(
            "gateway-files",
            Severity.ERROR,
            f"{why}, {sessions} of them clients: further clients are refused with 421",
            "raise LimitNOFILE in the service unit, or lower [limits] connections",
        )
    ]


def _policy(gateway: Gateway) -> list[Finding]:
    """Versions that cannot be used, and hooks that are left alone since they fail."""
    scripts = gateway.parts.scripts
    if scripts is None:
        return []
    found = []
    if not scripts.versions.active.is_usable:
        what = "no version of the policy can be used: all mail is deferred"
        found.append(Finding("gateway-policy", Severity.ERROR, what, "danelaw policy status"))
    troubles = {} if scripts.following is None else scripts.following.troubles
    for version, reason in troubles.items():
        what = f"version {version} of the policy cannot be used: {reason}"
        found.append(Finding("gateway-policy", Severity.WARNING, what, "danelaw policy status"))
    for hook in hooks(gateway):
        if hook["resting"]:
            what = f"the hook {hook['hook']} is left alone for a while since it fails: {hook['last_failure']}"
            fix = "mend it: danelaw policy check, stage, promote; or danelaw policy rollback"
            found.append(Finding("gateway-hook", Severity.WARNING, what, fix))
    return found


def _hosts(gateway: Gateway) -> list[Finding]:
    """Next hops that fail: no fault of this machine, but what a postmaster looks for first."""
    hosts = []
    try:
        for shard in gateway.parts.shards.open.values():
            hosts += failing_hosts(shard.spool.reader, _FAILURES, _MOST_HOSTS)
    except sqlite3.Error as error:
        fix = "look at the disk and the system's log"
        return [Finding("gateway-spool", Severity.ERROR, f"the spool cannot be read: {error}", fix)]
    return [
        Finding(
            "gateway-host",
            Severity.NOTE,
            f"{host.name} failed {host.failures} times since "
            f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(host.failing_since or 0.0))}: {host.reason}",
            f"danelaw explain {host.name}",
        )
        for host in {one.name: one for one in hosts}.values()
    ]


def _ago(seconds: float) -> str:
    return "just now" if seconds < 90 else f"{seconds / 60:.0f} minutes ago"
