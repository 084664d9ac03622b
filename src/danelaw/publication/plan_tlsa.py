"""The TLSA records of our MX hosts against those in DNS: of the key in use, of keys to come, and what is left over.

During a change both keys' records stand beside each other; a record of neither goes once two TTLs have passed (RFC 7671
§8.1). A record of another kind that the certificates satisfy, such as that of their CA, is as good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.dane import TLSARecord, TLSAState, lookup_host, usable, verify
from danelaw.dnsdata import DNSSECStatus, Lookup
from danelaw.publication.record import PlannedRecord, State
from danelaw.publication.wanted import OwnHost


@dataclass(frozen=True, slots=True)
class _At:
    """The owner name of a host's records, and what is published there."""

    owner: str
    published: tuple[TLSARecord, ...]

    def record(self, rdata: str, state: State, reason: str) -> PlannedRecord:
        now = tuple(one.to_text() for one in self.published)
        return PlannedRecord("TLSA", self.owner, "TLSA", rdata, state, reason, now)


def plan_tlsa(host: OwnHost, now: float, port: int = 25) -> Lookup[tuple[PlannedRecord, ...]]:
    """The records of one host; `now` in POSIX seconds, for certificates whose dates count."""
    found = yield from lookup_host(host.name, port)
    at = _At(f"_{port}._tcp.{host.name.ascii}.", found.records)
    if host.current is None:
        return (at.record("", State.OPTIONAL, f"no certificate is configured that {host.name} would show"),)
    wanted = host.current.to_text()
    if found.error is not None:
        return (at.record(wanted, State.UNKNOWN, found.error),)
    if found.address_status is DNSSECStatus.INSECURE and found.tlsa_state is TLSAState.ABSENT:
        words = f"the zone of {host.name} is not signed: sign it, then publish this"
        return (at.record(wanted, State.UNSIGNED, words),)
    planned = [_current(host, host.current, at, now)]
    for following in host.following:
        if following in found.records:
            words, state = "of the next key: switch to it when you like", State.PRESENT
        else:
            words, state = "of the next key: publish it two TTLs before you switch", State.MISSING
        planned.append(at.record(following.to_text(), state, words))
    return (*planned, *_left_over(host, host.current, at, now))


def _current(host: OwnHost, current: TLSARecord, at: _At, now: float) -> PlannedRecord:
    text = current.to_text()
    if current in at.published:
        return at.record(text, State.PRESENT, "of the key in use")
    other = next((one for one in at.published if _satisfied(one, host, now)), None)
    if other is not None:
        return at.record(text, State.OPTIONAL, f"mail gets through by the record {other}")
    if at.published:
        return at.record(
            text, State.MISSING, "of the key in use; no published record allows it: mail from senders with DANE WAITS"
        )
    return at.record(text, State.MISSING, "of the key in use: without it no sender can verify the server by DANE")


def _left_over(host: OwnHost, current: TLSARecord, at: _At, now: float) -> Iterator[PlannedRecord]:
    for verdict in usable(at.published):
        one = verdict.record
        if one == current or one in host.following or _satisfied(one, host, now):
            continue
        why = "of a key that is neither in use nor to come" if verdict.usable else verdict.reason
        yield at.record("", State.STALE, f"{one} is {why}: take it out, two TTLs after the last change")


def _satisfied(record: TLSARecord, host: OwnHost, now: float) -> bool:
    return bool(host.chain) and verify((record,), host.chain, (host.name,), now).ok
