"""What somebody runs, as far as DNS should know of it: from the configuration, for `plans`."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.dane import TLSARecord
from danelaw.dkim import DKIMKeyRecord
from danelaw.mtasts import PolicyMode


@dataclass(frozen=True, slots=True)
class OwnHost:
    """An MX host. `current` is the TLSA record of the key it shows, None where it shows none; `chain` its certificates
    in DER; `following` are the records of keys to come.
    """

    name: Domain
    current: TLSARecord | None
    chain: tuple[bytes, ...] = ()
    following: tuple[TLSARecord, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A DKIM key that signs for a domain."""

    domain: Domain
    selector: str
    record: DKIMKeyRecord


@dataclass(frozen=True, slots=True)
class Wanted:
    """`domains` have their mail at `hosts`; `sender`'s addresses send. `tls_rua` are the URIs at which TLS reports come
    in, `dmarc_rua` the address for DMARC reports, None where they are not wanted. `mode` and `max_age` are
    of the MTA-STS policy; `now` in POSIX seconds.
    """

    hosts: tuple[OwnHost, ...]
    domains: tuple[Domain, ...]
    sender: Domain
    tls_rua: tuple[str, ...]
    dmarc_rua: str | None
    keys: tuple[OwnKey, ...]
    mode: PolicyMode
    max_age: int
    now: float
