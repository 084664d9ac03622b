"""What `danelaw trust` prints: groups, members, what changed, and what a look found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from danelaw.cli.output import Output, Symbol, absolute, duration, moment
from danelaw.tlspolicy import SenderDemand
from danelaw.trustgroup import Breach, Observation, Standing

if TYPE_CHECKING:
    from danelaw.state.trust import Member, Told
    from danelaw.trustgroup import Membership, TrustGroup

Counts = Mapping[tuple[str, str], int]
_SYMBOLS = {
    Observation.KEPT: Symbol.VERIFIED,
    Observation.BROKEN: Symbol.STOPPED,
    Observation.UNKNOWN: Symbol.ENCRYPTED,
    Observation.LEFT: Symbol.NONE,
    None: Symbol.NONE,
}
_WORDS = {
    Observation.KEPT: "keeps it",
    Observation.BROKEN: "BREACH",
    Observation.UNKNOWN: "cannot tell",
    Observation.LEFT: "no member now",
}
_BREACH_WORDS = {
    Breach.REFUSE: "is refused",
    Breach.DEFER: "is put off (451)",
    Breach.HOLD: "is held",
    Breach.TAG: "is tagged",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found; `found` is None for a name that is no member, or of which that cannot be known."""

    membership: Membership
    found: Observation | None
    reason: str


def exit_status(looked: Sequence[Looked]) -> int:
    """0 all keep it, 40 some do not, 50 one is no member, 60 cannot tell."""
    if any(one.found is Observation.BROKEN for one in looked):
        return 40
    if any(one.membership.standing is Standing.NOT_MEMBER for one in looked):
        return 50
    return 0 if all(one.found is Observation.KEPT for one in looked) else 60


def show_groups(out: Output, groups: Sequence[TrustGroup], counts: Counts, now: float) -> None:
    """The table of `danelaw trust list`."""
    if not groups:
        out.line("There is no trust group: what destinations publish, and your overrides, are all there is.")
        out.next("docs/trust-groups.md says how to write a [[trust_group]]")
        return
    rows = []
    for group in groups:
        broken = counts.get((group.name, "broken"), 0)
        active = group.active(now)
        symbol = Symbol.NONE if not active else Symbol.STOPPED if broken else Symbol.VERIFIED
        cells = (group.name, _sending(group), _standing(group, counts, now), _who(group), group.receive.to_text())
        rows.append((symbol, cells))
    out.table(rows, heads=("GROUP", "TO THEM", "STANDING", "MEMBERS", "FROM THEM"))
    out.next(f"danelaw trust show {groups[0].name}")


def show_group(out: Output, group: TrustGroup, members: Sequence[Member], changes: Sequence[Told], now: float) -> None:
    """One group: the answer first, then what is demanded, who keeps it, and what changed."""
    broken = [one for one in members if one.record.standing is Observation.BROKEN]
    kept = sum(one.record.standing is Observation.KEPT for one in members)
    if not group.active(now):
        out.headline(Symbol.NONE, f"{group.name}: has ended; nothing is demanded any more.")
    elif broken:
        names = ", ".join(one.domain for one in broken[:3]) + (
            f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        )
        out.headline(Symbol.STOPPED, f"{group.name}: {names} {_do(broken)} not keep what the group demands.")
    elif kept:
        out.headline(
            Symbol.VERIFIED, f"{group.name}: {kept} of {len(members)} members seen keep what the group demands."
        )
    else:
        out.headline(Symbol.NONE, f"{group.name}: no member was looked at yet.")
    out.line()
    _about(out, group, now)
    if members:
        out.line()
        out.table([_member_row(one, now) for one in members], heads=("MEMBER", "STANDING", "SINCE", "CHECKED", "FOUND"))
    if changes:
        out.line()
        out.line("  What changed:")
        for told in changes:
            before = _WORDS[told.change.before] if told.change.before is not None else "new"
            words = f"{told.domain}: {before}, then {_WORDS[told.change.now]}: {told.change.reason}"
            out.paragraph(f"{absolute(told.change.at, now):<17} {words}", indent=2, hang=18)
    name = broken[0].domain if broken else members[0].domain if members else "DOMAIN"
    out.next(f"danelaw trust check {group.name} {name}")


def show_looked(out: Output, group: TrustGroup, looked: Sequence[Looked], seconds: float, *, left: int) -> None:
    """What `danelaw trust check` found."""
    status = exit_status(looked)
    broken = [one for one in looked if one.found is Observation.BROKEN]
    kept = sum(one.found is Observation.KEPT for one in looked)
    if broken:
        answer = f"{len(broken)} of {len(looked)} {_do(broken)} not keep what the group demands."
    elif status == 0:
        answer = f"{'all ' if kept > 1 else ''}{kept} keep{'' if kept > 1 else 's'} what the group demands."
    elif status == 50:
        none = sum(one.membership.standing is Standing.NOT_MEMBER for one in looked)
        answer = f"{none} of {len(looked)} {'is no member' if none == 1 else 'are no members'}."
    else:
        answer = f"{kept} of {len(looked)} keep what the group demands; of the others it cannot be told."
    symbol = {0: Symbol.VERIFIED, 40: Symbol.STOPPED}.get(status, Symbol.ENCRYPTED)
    out.headline(symbol, f"{group.name}: {answer}   no mail sent, {duration(seconds)}")
    out.line()
    out.table([_looked_row(one) for one in looked], heads=("DOMAIN", "STANDING", "FOUND"))
    if left:
        out.line(f"  {left} more members were not looked at; name them to do so.")
    others = {0: "all keep it", 40: "some do not", 50: "no member", 60: "cannot tell"}
    rest = " · ".join(f"{code} {words}" for code, words in others.items() if code != status)
    out.paragraph(f"exit {status} {others[status]}   ({rest})", indent=0)
    domain = broken[0].membership.domain if broken else looked[0].membership.domain
    out.next(f"danelaw check {domain}")


def group_fields(group: TrustGroup, counts: Counts, now: float) -> dict[str, Any]:
    """The documented JSON form of a group."""
    return {
        "name": group.name,
        "active": group.active(now),
        "expires": _time(group.expires),
        "members": len(group.members),
        "membership": group.scheme.to_text() if group.scheme is not None else None,
        "send": group.send.word or "none",
        "receive": {
            "tls": group.receive.tls,
            "dkim": group.receive.dkim,
            "dmarc": group.receive.dmarc,
            "signed_keys": group.receive.signed_keys,
        },
        "on_breach": {"send": "return" if group.returns else "wait", "receive": group.on_breach.value},
        "exempt": sorted(group.exempt),
        "header": group.header or None,
        "owner": group.owner,
        "comment": group.comment,
        "standing": {
            word: counts.get((group.name, word.replace("new", "")), 0) for word in ("kept", "broken", "left", "new")
        },
    }


def member_fields(member: Member) -> dict[str, Any]:
    """The documented JSON form of a member that is watched."""
    record = member.record
    return {
        "domain": member.domain,
        "standing": record.standing.value if record.standing is not None else "new",
        "since": _time(record.since or None),
        "checked": _time(record.checked or None),
        "next_look": _time(record.due or None),
        "found": record.reason,
        "doubts": record.doubts,
    }


def change_fields(told: Told) -> dict[str, Any]:
    """The documented JSON form of a change."""
    change = told.change
    return {
        "number": told.number,
        "domain": told.domain,
        "at": _time(change.at),
        "before": change.before.value if change.before is not None else "new",
        "now": change.now.value,
        "reason": change.reason,
    }


def looked_fields(one: Looked) -> dict[str, Any]:
    """The documented JSON form of one look."""
    return {
        "domain": one.membership.domain.ascii,
        "membership": one.membership.standing.value,
        "because": one.membership.reason,
        "master": one.membership.master.ascii if one.membership.master is not None else None,
        "standing": one.found.value if one.found is not None else None,
        "found": one.reason,
    }


def _about(out: Output, group: TrustGroup, now: float) -> None:
    rows = [
        ("members", _who(group)),
        ("to them", f"{_sending(group)}; where that cannot be had, mail {'is returned' if group.returns else 'waits'}"),
        ("from them", f"{group.receive.to_text()}; what does not show it {_BREACH_WORDS[group.on_breach]}"),
    ]
    if group.submission:
        rows.append(("users", "TLS, and a DKIM signature of the author's domain"))
    if group.header:
        rows.append(("field", f"{group.header} says what mail is; such fields from outside are removed"))
    if group.exempt:
        rows.append(("exempt", ", ".join(sorted(group.exempt))))
    if group.expires is not None:
        rows.append(("until", moment(group.expires, now)))
    if group.owner or group.comment:
        rows.append(("kept by", " · ".join(part for part in (group.owner, group.comment) if part)))
    for head, words in rows:
        out.paragraph(f"{head:<10} {words}", hang=11)


def _member_row(member: Member, now: float) -> tuple[Symbol, tuple[str, ...]]:
    record = member.record
    word = _WORDS[record.standing] if record.standing is not None else "new"
    if record.doubts and record.doubted is not None:
        word += f" ({record.doubts} look{'s' if record.doubts > 1 else ''}: {record.doubted.value})"
    since = absolute(record.since, now) if record.since else ""
    checked = absolute(record.checked, now) if record.checked else "not yet"
    return _SYMBOLS[record.standing], (member.domain, word, since, checked, record.reason)


def _looked_row(one: Looked) -> tuple[Symbol, tuple[str, ...]]:
    if one.found is None:
        word = "no member" if one.membership.standing is Standing.NOT_MEMBER else "cannot tell"
        return Symbol.NONE, (one.membership.domain.ascii, word, one.reason)
    reason = f"{one.reason}  (member: {one.membership.reason})"
    return _SYMBOLS[one.found], (one.membership.domain.ascii, _WORDS[one.found], reason)


def _who(group: TrustGroup) -> str:
    listed = f"{len(group.members)} listed" if group.members else ""
    by_dns = group.scheme.to_text() if group.scheme is not None else ""
    return " and ".join(part for part in (listed, by_dns) if part)


def _sending(group: TrustGroup) -> str:
    return "nothing" if group.send is SenderDemand.NONE else group.send.value


def _standing(group: TrustGroup, counts: Counts, now: float) -> str:
    if not group.active(now):
        return "has ended"
    words = {"broken": "in breach", "kept": "keep it", "": "not looked at yet", "left": "left"}
    found = [f"{count} {text}" for word, text in words.items() if (count := counts.get((group.name, word), 0))]
    return ", ".join(found) or "none seen yet"


def _do(some: Sequence[object]) -> str:
    return "does" if len(some) == 1 else "do"


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
