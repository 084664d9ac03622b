"""Which MTA-STS policy applies to a policy domain at this moment (RFC 8461 §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.address import Domain
    from danelaw.mtasts import STSPolicy


@dataclass(frozen=True, slots=True)
class STSState:
    """`policy` is the valid, unexpired policy, None when there is none; `expires` its end in POSIX seconds.

    `from_cache` says that this look relied on memory; `note` says in words how it was found; `id` is the
    policy's id. `error` is an RFC 8460 §4.3.2.1 result type when discovery or fetching failed and no policy is
    known (mail then goes opportunistically, and the failure is counted). `unknown` says that DNS or the network
    hid whether there is a policy, and none is remembered. `wait` asks to defer (setting for a failed TXT look-up
    without a cached policy).
    """

    domain: Domain | None = None
    policy: STSPolicy | None = None
    from_cache: bool = False
    note: str = "no MTA-STS policy"
    id: str = ""
    expires: float = float("inf")
    error: str | None = None
    unknown: bool = False
    wait: bool = False
    fresh_until: float = float("inf")


NO_STS = STSState()
