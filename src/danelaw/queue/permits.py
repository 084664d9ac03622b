"""Permits: who may use a limited thing now. One ledger knows all uses, so no limit is ever exceeded.

A delivery that is subject to limits needs a permit of each of its keys, all or none: the ledger never lets anybody
hold some while waiting for others, so nobody can block anybody for ever. A key is refused when its suspension lasts,
when as many uses are under way as it allows, or when its rate is used up. A refusal names the first exhausted key and,
where time alone will help, when; otherwise the key is free again when somebody releases it. Nobody polls.

Adaptive keys allow fewer at once than their ceiling while the other side shows that it is too much: the window is
halved once per round of grants, and grows by one with each round of good answers. After a suspension one use probes.

The ledger is arithmetic only: times are seconds on the monotonic clock and arguments. Who waits for what is known to
`danelaw.queue.broker`, which serves a process or, in a supervisor, all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from danelaw.errors import DanelawError
from danelaw.queue.rates import Bucket, Rate

_PRUNE_EVERY = 4096


class PermitKey(NamedTuple):
    """What is counted: `rule` is the limit's name, `kind` what of it, `subject` which of several it counts apart."""

    rule: str
    kind: str = ""
    subject: tuple[str, ...] = ()

    def to_text(self) -> str:
        """For people: `google`, or `per-domain example.org`."""
        return " ".join((self.rule, *(part for part in self.subject if part)))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a key allows: uses at once and per time, None for any number. `adaptive` lets answers lower the first."""

    concurrency: int | None = None
    rate: Rate | None = None
    adaptive: bool = False


class Granted(NamedTuple):
    """All permits are held, to be used not before `at`. `serial` orders the grants."""

    serial: int
    at: float = 0.0


class Refused(NamedTuple):
    """Nothing is held. `key` is the first that had no room; `retry_at` when asking again makes sense, None for once
    somebody releases it.
    """

    key: PermitKey
    retry_at: float | None


class PermitNotHeld(DanelawError):
    """A permit was released by somebody who does not hold it."""


@dataclass(slots=True)
class _Account:
    """What is known of one key. `window` None stands for the whole ceiling."""

    in_use: int = 0
    bucket: Bucket | None = None
    window: float | None = None
    halved_after: int = 0
    suspended_until: float = 0.0
    probing: bool = False

    def allowed(self, ceiling: Ceiling) -> float:
        """How many at once."""
        if self.probing:
            return 1
        if ceiling.concurrency is None:
            return math.inf
        return ceiling.concurrency if self.window is None else max(1, min(ceiling.concurrency, int(self.window)))

    def forgettable(self, now: float) -> bool:
        """Nothing in use and nothing to remember."""
        return (
            not self.in_use
            and self.window is None
            and not self.probing
            and self.suspended_until <= now
            and (self.bucket is None or self.bucket.full(now))
        )


class PermitLedger:
    """All permits. `ceiling` says what a key allows at the moment it is asked about."""

    def __init__(self, ceiling: Callable[[PermitKey], Ceiling]) -> None:
        self._ceiling = ceiling
        self._accounts: dict[PermitKey, _Account] = {}
        self._holdings: dict[int, dict[PermitKey, int]] = {}
        self._serial = 0

    def acquire(self, holder: int, keys: Sequence[PermitKey], now: float, ahead: float = 0.0) -> Granted | Refused:
        """A permit of each key (each named once), or none; of a rate up to `ahead` seconds before its time comes."""
        accounts = []
        at = now
        for key in keys:
            account = self._account(key)
            ceiling = self._ceiling(key)
            if account.suspended_until > now:
                return Refused(key, account.suspended_until)
            if account.in_use >= account.allowed(ceiling):
                return Refused(key, None)
            if ceiling.rate is not None:
                account.bucket = account.bucket or Bucket()
                if (wait := account.bucket.wait(ceiling.rate, now)) > ahead:
                    return Refused(key, now + wait)
                at = max(at, now + wait)
            accounts.append((key, account, ceiling))
        self._serial += 1
        held = self._holdings.setdefault(holder, {})
        for key, account, ceiling in accounts:
            account.in_use += 1
            held[key] = held.get(key, 0) + 1
            if account.bucket is not None and ceiling.rate is not None:
                account.bucket.take(ceiling.rate, at)
        if self._serial % _PRUNE_EVERY == 0:
            self._prune(now)
        return Granted(self._serial, at)

    def release(self, holder: int, keys: Iterable[PermitKey], now: float) -> tuple[PermitKey, ...]:
        """Give permits back; returns the keys whose waiters may be woken. Raises `PermitNotHeld`."""
        held = self._holdings.get(holder, {})
        wanted = tuple(keys)
        for key in wanted:
            if key not in held or wanted.count(key) > held[key]:
                raise PermitNotHeld(f"holder {holder} has no permit of {key.to_text()}")
        for key in wanted:
            held[key] -= 1
            if not held[key]:
                del held[key]
            self._accounts[key].in_use -= 1
        if not held:
            self._holdings.pop(holder, None)
        return tuple(key for key in wanted if self.free(key, now))

    def forget(self, holder: int, now: float) -> tuple[PermitKey, ...]:
        """A holder died: everything it held is given back. Returns the keys whose waiters may be woken."""
        held = self._holdings.pop(holder, {})
        for key, count in held.items():
            self._accounts[key].in_use -= count
        return tuple(key for key in held if self.free(key, now))

    def free(self, key: PermitKey, now: float, ahead: float = 0.0) -> bool:
        """True when one more permit of this key alone would be granted."""
        account = self._accounts.get(key)
        if account is None:
            return True
        ceiling = self._ceiling(key)
        if account.suspended_until > now or account.in_use >= account.allowed(ceiling):
            return False
        return ceiling.rate is None or account.bucket is None or account.bucket.wait(ceiling.rate, now) <= ahead

    def room_at(self, key: PermitKey, now: float) -> float | None:
        """When time alone gives this key room again; None when only a release can, or it has room now."""
        account = self._accounts.get(key)
        if account is None or account.in_use >= account.allowed(self._ceiling(key)):
            return None
        if account.suspended_until > now:
            return account.suspended_until
        rate = self._ceiling(key).rate
        wait = account.bucket.wait(rate, now) if rate is not None and account.bucket is not None else 0.0
        return now + wait if wait else None

    def in_use(self, key: PermitKey) -> int:
        """How many permits of a key are held."""
        account = self._accounts.get(key)
        return account.in_use if account is not None else 0

    def allowed(self, key: PermitKey) -> float:
        """How many of a key may be held at once now; infinity for any number."""
        return self._accounts.get(key, _NOTHING).allowed(self._ceiling(key))

    def answered(self, keys: Iterable[PermitKey], serial: int, *, good: bool) -> tuple[PermitKey, ...]:
        """What the other side did with a use granted as `serial`: took it well, or was slow or said it is too much.

        Returns the keys that may have more room now.
        """
        wider = []
        for key in keys:
            account = self._accounts.get(key)
            if account is None:
                continue
            if good and account.probing and serial > account.halved_after:
                account.probing = False
                wider.append(key)
            if self._ceiling(key).adaptive and self._adapt(key, account, serial, good):
                wider.append(key)
        return tuple(dict.fromkeys(wider))

    def _adapt(self, key: PermitKey, account: _Account, serial: int, good: bool) -> bool:
        most = self._ceiling(key).concurrency
        if most is None:
            return False
        if not good:
            # Uses granted before the last halving say nothing new.
            if serial > account.halved_after:
                account.window = max(1.0, min(account.window or most, most) / 2)
                account.halved_after = self._serial
            return False
        if account.window is None:
            return False
        account.window += 1 / account.window
        if account.window >= most:
            account.window = None
        return True

    def narrow(self, key: PermitKey) -> bool:
        """True while answers have lowered what the key allows, so that good ones must be told too."""
        account = self._accounts.get(key)
        return account is not None and (account.window is not None or account.probing)

    def used(self) -> list[tuple[PermitKey, int, float]]:
        """What must outlive the process that keeps this ledger: keys with when their rate is whole again (0 without
        one) and their window (0 for the whole ceiling).
        """
        return [
            (key, account.bucket.full_at if account.bucket is not None else 0, account.window or 0.0)
            for key, account in self._accounts.items()
        ]

    def hold(self, holder: int, keys: Iterable[PermitKey]) -> int:
        """Permits that were granted elsewhere, whatever there is room for; gives their serial."""
        self._serial += 1
        held = self._holdings.setdefault(holder, {})
        for key in keys:
            self._account(key).in_use += 1
            held[key] = held.get(key, 0) + 1
        return self._serial

    def restore(self, key: PermitKey, full_at: int, window: float) -> None:
        """One key as `used` told of it."""
        account = self._account(key)
        account.window = window or None
        if full_at:
            account.bucket = Bucket(full_at)

    def suspend(self, key: PermitKey, until: float) -> None:
        """Grant nothing of this key until then; afterwards one use probes before others follow."""
        account = self._account(key)
        account.suspended_until, account.probing, account.halved_after = until, True, self._serial

    def resume(self, key: PermitKey) -> None:
        """End a suspension now, without a probe."""
        account = self._accounts.get(key)
        if account is not None:
            account.suspended_until, account.probing = 0.0, False

    def _account(self, key: PermitKey) -> _Account:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account()
        return account

    def _prune(self, now: float) -> None:
        for key in [key for key, account in self._accounts.items() if account.forgettable(now)]:
            del self._accounts[key]


_NOTHING = _Account()
