"""The answer of `danelaw check`: one level for a domain, and why, from a survey and its probes (FIELD rule 12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from danelaw import dane
from danelaw.dane import RecordVerdict
from danelaw.outbound.destination import Survey
from danelaw.outbound.nameservers import ZoneReport
from danelaw.outbound.probe import Probed, Unreached
from danelaw.tlspolicy import Protection

LEVELS = ("dane", "mta-sts", "pkix", "host-dane", "encrypted", "clear", "waits", "no-mail", "unknown")
_VERIFIED = frozenset({"dane", "mta-sts", "pkix"})
# A firewall drops or rejects; both look like the far end unless unrelated servers are tried too.
_MAYBE_BLOCKED = frozenset({Unreached.SILENT, Unreached.REFUSED})
_EXIT = {"host-dane": 20, "encrypted": 20, "clear": 30, "waits": 40, "no-mail": 50, "unknown": 60}


@dataclass(frozen=True, slots=True)
class Checkup:
    """A survey with its probes. `blocked` says in words why our own network could not test, None when it could.
    `name_servers`: whether the zones' own servers answer TLSA questions; counts for no level.

    An address nobody answers at is skipped by deliveries, so it does not count; but when nothing could be
    tested for a reason of our own (no route, port blocked), the level is `unknown` and not `waits`.
    """

    domain: str
    survey: Survey
    probes: tuple[Probed, ...]
    blocked: str | None = None
    name_servers: tuple[ZoneReport, ...] = ()

    @property
    def level(self) -> str:
        """The weakest level at which a host would take the mail now, or `waits`, `no-mail`, `unknown`."""
        if self.survey.undeliverable is not None:
            return "no-mail"
        if self.survey.error is not None:
            return "waits"
        weakest = self.weakest
        if weakest is not None:
            return weakest.level
        return "unknown" if any(self.level_of(one) == "unknown" for one in self.probes) else "waits"

    @property
    def weakest(self) -> Protection | None:
        """The weakest protection over all addresses that would take the mail, None when none would."""
        found = [one.protection for one in self.probes if one.takes_mail and one.protection is not None]
        return min(found, default=None)

    def level_of(self, probed: Probed) -> str:
        """The level of one address: what mail would get there, `waits` when it is skipped, `unknown` when untested."""
        if probed.protection is not None:
            return probed.protection.level
        return "unknown" if probed.unreached is Unreached.NO_ROUTE or self._blocked(probed) else "waits"

    def reason_of(self, probed: Probed) -> str:
        """One sentence for an address; where our own network is in the way, what could not be tested."""
        if self.level_of(probed) != "unknown":
            return probed.reason
        words = self.blocked if self._blocked(probed) else f"not tested: {probed.reason}"
        return f"{words}; DNS: {probed.plan.requirement.reason}"

    def _blocked(self, probed: Probed) -> bool:
        return self.blocked is not None and probed.unreached in _MAYBE_BLOCKED

    @property
    def skipped(self) -> tuple[Probed, ...]:
        """Addresses a delivery would pass over now."""
        return tuple(one for one in self.probes if self.level_of(one) == "waits")

    @property
    def exit_status(self) -> int:
        """0 verified on all, 10 on some, 20 encrypted only, 30 clear text, 40 waits, 50 no mail, 60 cannot tell."""
        if self.level in _VERIFIED:
            return 10 if self.skipped else 0
        return _EXIT[self.level]

    @property
    def reason(self) -> str:
        """One sentence for the whole domain where there is one."""
        if self.survey.undeliverable is not None:
            return self.survey.undeliverable.reason
        if self.survey.error is not None:
            return self.survey.error
        if self.level == "unknown":
            return self.blocked or next(
                f"not tested: {one.reason}" for one in self.probes if self.level_of(one) == "unknown"
            )
        if self.level == "waits":
            return self.probes[0].reason if self.probes else "no host to try"
        return ""

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/check.md (docs/decision-table.md is about what leads to it)."""
        mx = self.survey.destination.mx
        return {
            "domain": self.domain,
            "demand": self.survey.demand.word,
            "level": self.level,
            "reason": self.reason,
            "mx": {
                "status": mx.status,
                "names": [] if self.level == "no-mail" else [host.name.ascii for host in mx.hosts],
                "implicit": mx.implicit,
            },
            "trust_groups": [
                {"name": one.group.name, "send": one.group.send.word, "reason": one.membership.reason}
                for one in self.survey.groups.member_of
            ],
            "hosts": [self._host(one) for one in self.probes],
            "name_servers": [zone.to_json() for zone in self.name_servers],
        }

    def _host(self, one: Probed) -> dict[str, Any]:
        records = one.plan.records
        return {
            "name": one.plan.host.ascii,
            "preference": one.plan.preference,
            "address": one.address,
            "level": self.level_of(one),
            "tls": one.handshake.version if one.handshake is not None else None,
            "tlsa_base": records.tlsa_base.ascii if records.tlsa_base is not None else None,
            "tlsa": [_record(verdict, shown=was_shown(one)) for verdict in verdicts(one)],
            "reason": self.reason_of(one),
        }


def was_shown(probed: Probed) -> bool:
    """Whether a chain was compared with the records."""
    return probed.judgement is not None and bool(probed.judgement.records)


def verdicts(probed: Probed) -> Sequence[RecordVerdict]:
    """What became of each TLSA record; without a chain, only whether it is usable."""
    if probed.judgement is not None and probed.judgement.records:
        return probed.judgement.records
    return dane.usable(probed.plan.records.records)


def _record(verdict: RecordVerdict, *, shown: bool) -> dict[str, Any]:
    reason = verdict.reason
    if not shown and verdict.usable:
        reason = "not compared: the server showed no certificate"
    return {
        "record": verdict.record.to_text(),
        "usable": verdict.usable,
        "matched": verdict.matched,
        "reason": reason,
    }


def untaken(probes: Iterable[Probed]) -> tuple[str, ...]:
    """The addresses that took no connection, when no address at all did: then it may be our own network."""
    tried = [one for one in probes if one.plan.requirement.refusal is None]
    if any(one.unreached is None or one.unreached is Unreached.BROKEN for one in tried):
        return ()
    return tuple(one.address for one in tried if one.unreached in _MAYBE_BLOCKED and one.address is not None)
