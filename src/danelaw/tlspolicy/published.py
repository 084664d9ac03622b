"""What a destination publishes about one of its hosts, boiled down to what the decision looks at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import dns.rdatatype

from danelaw.address import Domain
from danelaw.dane import HostRecords, TLSARecord, TLSAState
from danelaw.mtasts import PolicyMode, STSPolicy
from danelaw.routing import Destination
from danelaw.tlspolicy.sts import STSState
from danelaw.tlspolicy.tlsrpt import TLSRPTResult

_ADDRESS_TYPES = (dns.rdatatype.A, dns.rdatatype.AAAA)


class STSPublished(Enum):
    """What MTA-STS says about a host; a policy of mode `none` counts as no policy."""

    NONE = "no policy"
    TESTING_LISTED = "testing, host listed"
    TESTING_UNLISTED = "testing, host not listed"
    ENFORCE_LISTED = "enforce, host listed"
    ENFORCE_UNLISTED = "enforce, host not listed"

    @property
    def enforced(self) -> bool:
        """Mode `enforce`."""
        return self in (STSPublished.ENFORCE_LISTED, STSPublished.ENFORCE_UNLISTED)

    @property
    def listed(self) -> bool:
        """The host matches a pattern of the policy."""
        return self in (STSPublished.TESTING_LISTED, STSPublished.ENFORCE_LISTED)


@dataclass(frozen=True, slots=True)
class Published:
    """The facts about one host.

    `domain` is the next-hop domain, None for an address literal. `secure_mx` as in `routing.MXResult.secure`.
    `tlsa`, `base` (TLSA base domain) and `records` come from `dane.lookup_host`; `names` are the reference
    identifiers of RFC 7672 §3.2.2. `pkix_names` are what `verify` may accept: the next-hop domain, its secure
    expansion, and the host name when an attacker could not have chosen it. `unreachable` says in words why there
    is no address to connect to; `tlsa_error` why it is unknown what the host publishes, `sts_unknown` why
    it is unknown whether there is an MTA-STS policy; `wait` why that forbids to go on. `reports` are failures of
    discovery for TLS reports; `sts_policy` is the policy behind `sts`, None where that is `NONE`.
    """

    host: Domain
    domain: Domain | None
    secure_mx: bool
    tlsa: TLSAState = TLSAState.ABSENT
    base: Domain | None = None
    records: tuple[TLSARecord, ...] = ()
    names: tuple[Domain, ...] = ()
    pkix_names: tuple[Domain, ...] = ()
    sts: STSPublished = STSPublished.NONE
    unreachable: str | None = None
    tlsa_error: str | None = None
    sts_unknown: str | None = None
    wait: str | None = None
    reports: tuple[TLSRPTResult, ...] = ()
    sts_policy: STSPolicy | None = None

    @property
    def authentic(self) -> bool:
        """True when an attacker cannot have chosen this host: signed MX, or listed in an enforced policy."""
        return self.secure_mx or self.sts is STSPublished.ENFORCE_LISTED


def published(destination: Destination, host: HostRecords, sts: STSState) -> Published:
    """Collect the facts about one host of a destination."""
    mx = destination.mx
    domain = mx.next_hop.domain
    unreachable, tlsa_error = _errors(host)
    sts_published = _sts(host.host, sts) if domain is not None else STSPublished.NONE
    authentic = mx.secure or sts_published is STSPublished.ENFORCE_LISTED
    own = () if domain is None else (domain, *mx.expansion)
    return Published(
        host=host.host,
        domain=domain,
        secure_mx=mx.secure,
        tlsa=host.tlsa_state,
        base=host.tlsa_base,
        records=host.records,
        names=_reference_identifiers(destination, host),
        pkix_names=tuple(dict.fromkeys((*own, host.host) if authentic and domain is not None else own)),
        sts=sts_published,
        unreachable=unreachable,
        tlsa_error=tlsa_error,
        sts_unknown=sts.note if sts.unknown and sts.policy is None else None,
        wait=sts.note if sts.wait and sts.policy is None else None,
        reports=_reports(host, sts),
        sts_policy=sts.policy if sts_published is not STSPublished.NONE else None,
    )


def _errors(host: HostRecords) -> tuple[str | None, str | None]:
    """Tell an unknown address from unknown TLSA records: only the second can be given in to."""
    if host.addresses:
        return None, host.error
    return host.error or f"{host.host} has no address", None


def _reference_identifiers(destination: Destination, host: HostRecords) -> tuple[Domain, ...]:
    """Names for DANE-TA (RFC 7672 §3.2.2), the TLSA base domain first."""
    mx = destination.mx
    base, domain = host.tlsa_base, mx.next_hop.domain
    if base is None or domain is None:
        return ()
    if mx.static or mx.implicit:
        # Without MX the host is the next-hop domain itself: the unexpanded name counts beside the base domain.
        return tuple(dict.fromkeys((base, host.host)))
    if not mx.secure:
        return (base,)
    return tuple(dict.fromkeys((base, domain, *mx.expansion)))


def _sts(host: Domain, sts: STSState) -> STSPublished:
    policy = sts.policy
    if policy is None or policy.mode is PolicyMode.NONE:
        return STSPublished.NONE
    listed = policy.matches(host)
    if policy.mode is PolicyMode.TESTING:
        return STSPublished.TESTING_LISTED if listed else STSPublished.TESTING_UNLISTED
    return STSPublished.ENFORCE_LISTED if listed else STSPublished.ENFORCE_UNLISTED


def _reports(host: HostRecords, sts: STSState) -> tuple[TLSRPTResult, ...]:
    """Failures that happened before any connection (RFC 8460 §4.3.2).

    A TLSA question that gets no valid answer is `dnssec-invalid`, bogus or not: §4.3.2.1 has what a recursive resolver
    tells, which is SERVFAIL for both. That a host's address cannot be had is no matter of TLS.
    """
    found: list[TLSRPTResult] = []
    base = host.tlsa_base or host.host
    if host.error is not None and any(
        answer.failed and answer.question.rdtype not in _ADDRESS_TYPES for answer in host.answers
    ):
        found.append(TLSRPTResult("tlsa", base, "dnssec-invalid", host.error))
    elif host.tlsa_state is TLSAState.UNUSABLE:
        found.append(TLSRPTResult("tlsa", base, "tlsa-invalid", "no TLSA record is usable for mail", host.records))
    if sts.error is not None and sts.domain is not None:
        found.append(TLSRPTResult("sts", sts.domain, sts.error, sts.note))
    return tuple(found)
