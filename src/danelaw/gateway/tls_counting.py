"""Sessions on their way to TLS reports: counted in memory, written in batches beside the mail (RFC 8460 §4.2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from danelaw.authentication import is_listed
from danelaw.errors import DanelawError
from danelaw.state import ReportsDatabase, TLSGatheringStore
from danelaw.state.reports_database import FILE_NAME
from danelaw.state.tls_gathering import DAY, TLSKey
from danelaw.tlsreport import failure_detail, reported_policy

if TYPE_CHECKING:
    from danelaw.address import Domain
    from danelaw.config import Config
    from danelaw.dane import TLSARecord
    from danelaw.dkim import SigningKey
    from danelaw.mtasts import STSPolicy
    from danelaw.queue import QueuedMessage
    from danelaw.telemetry import Log, Metrics
    from danelaw.tlspolicy import Handshake, Judgement

KIND = "tls-report"
"""What stands in place of the client's EHLO name in the queue, for reports of ours."""
_MOST_PENDING = 20_000


class _Failed(NamedTuple):
    """How a session failed; addresses and names of its two ends."""

    result_type: str
    reason: str
    host: str
    sending: str = ""
    helo: str = ""
    receiving: str = ""


_Policy: TypeAlias = "tuple[int, str, Domain, tuple[TLSARecord, ...] | STSPolicy | None]"
_Key: TypeAlias = "tuple[_Policy, _Failed | None]"


class TLSCounting:
    """Is told of every new connection that was judged; costs it an addition to a dictionary, and messages that go over
    a kept connection nothing.
    """

    def __init__(self, config: Config, log: Log, metrics: Metrics, key: SigningKey) -> None:
        """`key` signs what is sent."""
        self._never = config.reports.never
        self._most = config.reports.max_records
        self._log = log
        self._metrics = metrics
        self._counted: Counter[_Key] = Counter()
        self.key = key
        self.path = config.spool.directory / FILE_NAME

    def __call__(self, judgement: Judgement, handshake: Handshake | None, message: QueuedMessage, now: float) -> None:
        """One session; one that carries a report of ours is not counted (RFC 8460 §3)."""
        if not judgement.tlsrpt or (message.client_helo == KIND and not message.client_address):
            return
        begin = int(now) // DAY * DAY
        for result in judgement.tlsrpt:
            if self._never and is_listed(result.policy_domain.ascii, self._never):
                continue
            policy = (begin, result.policy_type, result.policy_domain, result.policy)
            if result.result_type is None:
                self._add((policy, None))
            elif handshake is None:
                self._add((policy, _Failed(result.result_type, result.reason, judgement.host.ascii)))
            else:
                ends = handshake.local, handshake.helo, handshake.address
                self._add((policy, _Failed(result.result_type, result.reason, judgement.host.ascii, *ends)))

    def _add(self, key: _Key, count: int = 1) -> None:
        if key not in self._counted and len(self._counted) >= _MOST_PENDING:
            # Whoever makes failures all different must not fill our memory: what they have in common is counted.
            failed = key[1]
            key = (key[0], None if failed is None else _Failed(failed.result_type, "", failed.host))
            if key not in self._counted and len(self._counted) >= 2 * _MOST_PENDING:
                self._metrics.tls_report_sessions.add("dropped", by=count)
                return
        self._counted[key] += count

    async def flush(self) -> None:
        """Write what was counted since the last time, in a thread."""
        counted, self._counted = self._counted, Counter()
        if not counted:
            return
        try:
            await asyncio.to_thread(self._write, counted)
        except DanelawError as error:
            for key, count in counted.items():
                self._add(key, count)  # within the same bounds, however long the file cannot be written
            self._log.error(KIND, reason=error.reason, advice=error.advice)

    def close(self) -> None:
        """Write the rest."""
        counted, self._counted = self._counted, Counter()
        if counted:
            try:
                self._write(counted)
            except DanelawError as error:
                self._log.error(KIND, reason=error.reason, advice=error.advice)

    def _write(self, counted: Counter[_Key]) -> None:
        keys: Counter[TLSKey] = Counter()
        for ((begin, policy_type, domain, policy), failed), count in counted.items():
            detail = None
            if failed is not None:
                detail = failure_detail(
                    failed.result_type, failed.reason, sending=failed.sending, host=failed.host, helo=failed.helo,
                    receiving=failed.receiving,
                )  # fmt: skip
            keys[TLSKey(begin, reported_policy(policy_type, domain, policy), detail)] += count
        database = ReportsDatabase(self.path)
        try:
            dropped = TLSGatheringStore(database, most=self._most).gather(keys)
        finally:
            database.close()
        self._metrics.tls_report_sessions.add("counted", by=keys.total() - dropped)
        if dropped:
            self._metrics.tls_report_sessions.add("dropped", by=dropped)
