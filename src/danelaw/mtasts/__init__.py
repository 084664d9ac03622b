"""MTA-STS: "DANE light", for domains without DNSSEC (RFC 8461).

A domain announces a policy in a TXT record, `_mta-sts.<domain>`, and serves it over HTTPS from `mta-sts.<domain>`.
The policy lists the MX hosts that are real and asks senders to insist on a public certificate for them (mode
`enforce`), to report only (`testing`), or to forget about it (`none`). Trust begins with first use: what was
fetched once holds until its `max_age` ends, however much an attacker suppresses DNS or HTTPS later.

    discovery = yield from discover(domain)             # STSDiscovery: found, absent, invalid, look-up failed
    decision = decide(discovery, cached, now)           # STSDecision: use cached, refresh, fetch, none; in words
    outcome = after_fetch(decision, body, now)          # or after_failure(decision, result_type, reason, now)
    outcome.cached, outcome.failure                     # to be remembered for the next decide()
    policy.matches(mx_host)                             # `*.` stands for exactly one label

The fetch itself is `danelaw.net.fetch`; remembering is `danelaw.state`. MTA-STS never weakens DANE: where a host has
usable TLSA records and the MX is signed, the policy is not asked (RFC 8461 §2).

Where the text of RFC 8461 leaves a choice: a `max_age` above a year counts as a year; empty lines in a policy are
ignored (the grammar lists a bare line end among the fields); of several TXT records those that do not begin with
`v=STSv1;` are no MTA-STS records.

Public names: `STSRecord`, `RecordError`, `STSPolicy`, `PolicyMode`, `PolicyError`, `CachedPolicy`, `FetchFailure`,
`discover`, `STSDiscovery`, `Announcement`, `policy_host`, `policy_url`, `decide`, `STSDecision`, `STSAction`,
`after_fetch`, `after_failure`, `FetchOutcome`, `MAX_POLICY_SIZE`, `REFRESH_AFTER`, `RETRY_AFTER`.
"""

from danelaw.mtasts.cache import CachedPolicy, FetchFailure
from danelaw.mtasts.decision import (
    REFRESH_AFTER,
    RETRY_AFTER,
    FetchOutcome,
    STSAction,
    STSDecision,
    after_failure,
    after_fetch,
    decide,
)
from danelaw.mtasts.discovery import Announcement, STSDiscovery, discover, policy_host, policy_url
from danelaw.mtasts.policy import MAX_POLICY_SIZE, PolicyError, PolicyMode, STSPolicy
from danelaw.mtasts.record import RecordError, STSRecord

__all__ = [
    "MAX_POLICY_SIZE",
    "REFRESH_AFTER",
    "RETRY_AFTER",
    "Announcement",
    "CachedPolicy",
    "FetchFailure",
    "FetchOutcome",
    "PolicyError",
    "PolicyMode",
    "RecordError",
    "STSAction",
    "STSDecision",
    "STSDiscovery",
    "STSPolicy",
    "STSRecord",
    "after_failure",
    "after_fetch",
    "decide",
    "discover",
    "policy_host",
    "policy_url",
]
