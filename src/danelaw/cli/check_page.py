"""What `danelaw check` prints for people."""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import TYPE_CHECKING

from cryptography import x509

from danelaw.cli.keys_page import headline, rows
from danelaw.cli.output import LEVEL_SYMBOLS, Output, Symbol, absolute, duration, fingerprint
from danelaw.outbound.checkup import Checkup, verdicts, was_shown
from danelaw.outbound.nameservers import TLSAAnswers, ZoneReport
from danelaw.outbound.probe import Probed, Unreached
from danelaw.tlspolicy import Protection, SenderDemand, StartTLSOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from danelaw.keydiscovery import KeyReport
    from danelaw.routing import MXResult

_EXITS = {
    0: "all",
    10: "some",
    20: "encrypted only",
    30: "clear",
    40: "waits",
    50: "no mail here",
    60: "cannot tell",
}
_WEAK = {
    "mta-sts": "mail is verified by MTA-STS",
    "pkix": "a public CA or a pinned key vouches, by your setting",
    "host-dane": "DANE proves a host whose name was not signed",
    "encrypted": "mail is encrypted only, who answers is not checked",
    "clear": "mail goes in clear text",
}
_DNS = {
    "secure": "signed, chain of signatures valid",
    "insecure": "not signed, so the names of the servers could be forged",
    "bogus": "signatures do not verify",
    "indeterminate": "cannot be looked up",
    "static": "no MX look-up: the server is named by your setting",
}


def show(out: Output, checkup: Checkup, now: float, seconds: float, keys: Sequence[KeyReport] = ()) -> None:
    """Print a checkup: the answer first, the next command last; `seconds` is how long it took, `keys` what was found of
    an address.
    """
    level = checkup.level
    symbol = Symbol.ENCRYPTED if checkup.exit_status == 10 else LEVEL_SYMBOLS[level]
    out.headline(symbol, f"{checkup.domain}: {_answer(checkup)}   no mail sent, {duration(seconds)}")
    out.line()
    _circumstances(out, checkup, now)
    if checkup.probes:
        out.line()
        _servers(out, checkup)
        for probed in checkup.probes:
            _mismatch(out, checkup, probed, now)
    if keys:
        out.line()
        out.line(f"  End to end: {headline(keys)[1]}")
        rows(out, keys)
    out.line()
    _consequences(out, checkup)
    status = checkup.exit_status
    others = " · ".join(f"{code} {words}" for code, words in _EXITS.items() if code != status)
    mine = {0: "verified on all", 10: "verified on some"}.get(status, _EXITS[status])
    out.paragraph(f"exit {status} {mine}   ({others})", indent=0)
    out.next(_next(checkup))


def _answer(checkup: Checkup) -> str:
    level, weakest = checkup.level, checkup.weakest
    if level == "no-mail":
        return f"takes no mail: {checkup.reason}."
    if level == "unknown":
        return f"cannot tell how mail gets through: {checkup.reason}."
    if level == "waits" or weakest is None:
        return f"mail WAITS, nothing is sent: {checkup.reason}."
    better = any(one.takes_mail and one.protection != weakest for one in checkup.probes)
    if better:
        names = sorted({one.plan.host.ascii for one in checkup.probes if one.takes_mail and one.protection == weakest})
        at = names[0] if len(names) == 1 else f"{len(names)} of its servers"
        return f"as strong as its weakest server: at {at} {_WEAK[level]}, and an attacker can block the others."
    if level == "host-dane":
        return (
            "mail gets through, encrypted to a server that proves its name; "
            "but the MX is not signed, so an attacker could have named another."
        )
    if level == "encrypted":
        return "mail gets through, encrypted only: who answers is not checked."
    if level == "clear":
        return "mail gets through in clear text: anybody on the way can read it."
    skipped = len({probed.plan.host for probed in checkup.skipped})
    hosts = len({probed.plan.host for probed in checkup.probes})
    but = f", but {skipped} of {hosts} servers would be skipped" if skipped else ""
    return f"mail gets through, verified by {weakest.value}{but}."


def _circumstances(out: Output, checkup: Checkup, now: float) -> None:
    """DNS, MTA-STS, overrides: what led to the demand."""
    found = checkup.survey
    mx = found.destination.mx
    valid = (
        f"   MX valid {duration(mx.expires - now)} more" if mx.answers and mx.error is None and mx.expires > now else ""
    )
    _row(out, "DNS", f"{_DNS.get(mx.status, mx.status)}{_mx_words(mx)}{valid}")
    if found.sts_asked:
        policy = found.sts.policy
        words = f"{policy.mode.value}, {', '.join(policy.mx[:4])}, id {found.sts.id}" if policy is not None else ""
        decided = all(probed.plan.requirement.earns is Protection.DANE for probed in checkup.probes) and checkup.probes
        if policy is not None and decided:
            words += "   not needed: DANE applies"
        _row(out, "MTA-STS", words or found.sts.note.removeprefix("no MTA-STS policy: "))
    if found.demand is not SenderDemand.NONE:
        _row(out, "sender", f"{found.demand.value}, as asked for with --demand {found.demand.word}")
    for one in found.groups.member_of:
        demands = found.groups.demand is not None and one.group.name in found.groups.demand.names
        what = f"demands {one.group.send.value}: member" if demands else "has it as a member"
        _row(out, "group", f'trust group "{one.group.name}" {what}, {one.membership.reason}')
    override = found.override
    _row(out, "you", override.why if override.override is not None else "no override for this destination")


def _row(out: Output, head: str, words: str) -> None:
    out.paragraph(f"{head:<10}{words}", hang=10)


def _mx_words(mx: MXResult) -> str:
    if mx.error is not None:
        return f": {mx.error}"
    if mx.implicit:
        return "; no MX, so the domain is its own server"
    return ""


def _servers(out: Output, checkup: Checkup) -> None:
    shown, last = [], None
    for probed in checkup.probes:
        host = probed.plan.host
        label = "" if host == last else f"{probed.plan.preference:>3} {host}"
        last = host
        shown.append(
            (
                LEVEL_SYMBOLS[checkup.level_of(probed)],
                (
                    label,
                    probed.address or "",
                    _protection(checkup, probed),
                    _version(probed),
                    checkup.reason_of(probed),
                ),
            )
        )
    out.table(shown)


def _protection(checkup: Checkup, probed: Probed) -> str:
    level = checkup.level_of(probed)
    if level == "unknown":
        return "not tested"
    if level == "waits" or probed.protection is None:
        return "would skip"
    return probed.protection.value


def _version(probed: Probed) -> str:
    version = probed.handshake.version if probed.handshake is not None else None
    return version.replace("TLSv", "TLS ") if version else ""


def _mismatch(out: Output, checkup: Checkup, probed: Probed, now: float) -> None:
    """Published and shown side by side, where the certificate is the trouble; never advice to publish what is shown."""
    records = verdicts(probed)
    if probed.takes_mail or not records:
        return
    handshake = probed.handshake
    if handshake is None or not was_shown(probed):
        return
    out.line()
    out.line(f"  {probed.plan.host} {probed.address}")
    for verdict in records:
        shown = f"{verdict.record.parameters}  {fingerprint(verdict.record.association.hex())}"
        why = f"   {verdict.reason}" if verdict.reason != probed.reason else ""
        out.paragraph(f"published   {shown}{why}", indent=4, hang=12)
    out.paragraph(f"shown       {_certificate(handshake.chain[0], now)}", indent=4, hang=12)
    if _another_key(probed):
        likely = "the certificate was renewed and the record was not. An attacker looks the same."
        out.paragraph(f"likely      {likely}", indent=4, hang=12)


def _another_key(probed: Probed) -> bool:
    """The key or CA is not the published one, rather than right with a wrong name or date (RFC 8460 §4.3.2.1)."""
    judgement = probed.judgement
    return judgement is not None and any(result.result_type == "tlsa-invalid" for result in judgement.tlsrpt)


def _certificate(der: bytes, now: float) -> str:
    """The presented certificate in a few words."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        issued = certificate.not_valid_before_utc.astimezone(UTC).timestamp()
        from danelaw.dane import association

        return f"3 1 1  {fingerprint(association(der, 1, 1).hex())}   issued {absolute(issued, now)}"
    except Exception:  # the peer chose these bytes
        return f"3 0 1  {fingerprint(hashlib.sha256(der).hexdigest())}   a certificate that cannot be read"


def _consequences(out: Output, checkup: Checkup) -> None:
    """What it means for mail, in one sentence or two."""
    level = checkup.level
    if checkup.exit_status == 10:
        good = sorted({probed.plan.host.ascii for probed in checkup.probes if probed.takes_mail})
        verb = "is" if len(good) == 1 else "are"
        out.paragraph(f"If {', '.join(good)} {verb} down, mail WAITS (never goes unverified).")
    if level == "waits":
        out.paragraph(
            "Mail waits and is tried again; it is returned to the sender when its lifetime ends (usually 5 days)."
        )
    if level == "unknown" and any(probed.unreached is Unreached.NO_ROUTE for probed in checkup.probes):
        out.paragraph("This machine has no way to the servers' addresses; what DNS publishes is judged above.")
    for zone in checkup.name_servers:
        out.paragraph(name_server_words(zone))
    if any(_stripped(probed) for probed in checkup.probes):
        out.paragraph("A server without STARTTLS and an attacker who removes it look the same from here.")


def name_server_words(zone: ZoneReport) -> str:
    """One sentence about the name servers of a zone; only those that were heard are judged."""
    if zone.error is not None or not zone.servers:
        return f"Name servers of {zone.zone}: not asked ({zone.error or 'none has a name'})."
    by_answer: dict[TLSAAnswers, list[str]] = {}
    for server in zone.servers:
        by_answer.setdefault(server.tlsa, []).append(server.name.removesuffix(f".{zone.zone}"))
    fine, silent = by_answer.get(TLSAAnswers.ANSWERS, []), by_answer.get(TLSAAnswers.SILENT, [])
    refusing, unheard = by_answer.get(TLSAAnswers.REFUSES, []), by_answer.get(TLSAAnswers.NOT_ASKED, [])
    if len(unheard) == len(zone.servers):
        return f"Name servers: not asked ({', '.join(unheard)} cannot be reached from here)."
    parts = [f"{', '.join(fine)} {_verb(fine, 'answer')} TLSA"] if fine else []
    if silent:
        tries = max(server.tries for server in zone.servers if server.tlsa is TLSAAnswers.SILENT)
        parts.append(f"{', '.join(silent)} {_verb(silent, 'do', 'does')} not answer TLSA queries ({tries} tries)")
    parts += [f"{name} {_reason(zone, name)}" for name in refusing]
    if unheard:
        parts.append(f"{', '.join(unheard)} not asked (not reached from here)")
    delays = ": expect occasional delays" if silent or refusing else ""
    if not fine and delays:
        delays = ": mail that needs these records waits, unless something between here and there drops such queries"
    return f"Name servers: {'; '.join(parts)}{delays}."


def _verb(subjects: list[str], plural: str, singular: str = "") -> str:
    return plural if len(subjects) > 1 else singular or f"{plural}s"


def _reason(zone: ZoneReport, short: str) -> str:
    names = (short, f"{short}.{zone.zone}")
    return next(server.reason for server in zone.servers if server.name in names)


def _stripped(probed: Probed) -> bool:
    handshake = probed.handshake
    return handshake is not None and handshake.starttls in (StartTLSOutcome.NOT_OFFERED, StartTLSOutcome.HELO_ONLY)


def _next(checkup: Checkup) -> str:
    mismatched = next((one for one in checkup.probes if not one.takes_mail and was_shown(one)), None)
    if mismatched is not None:
        return f"on the server {mismatched.plan.host} itself: danelaw tlsa {mismatched.plan.host} cert.pem"
    name = checkup.survey.next_hop.domain
    groups = checkup.survey.groups
    if groups.error is not None and groups.belongings:
        return f"danelaw trust check {groups.belongings[-1].group.name} {name}"
    if checkup.survey.error is not None:
        return f"danelaw dns {name} MX"
    lookup = next((one for one in checkup.probes if one.plan.records.error is not None), None)
    if lookup is not None:
        failed = next((answer for answer in lookup.plan.records.answers if answer.failed), None)
        return f"danelaw dns {failed.question}" if failed is not None else f"danelaw dns {lookup.plan.host} A"
    if checkup.level == "encrypted" and name is not None:
        return f"danelaw override add {name} verify --because TICKET   (if you know that its certificate is good)"
    if checkup.level == "waits" and groups.demand is not None:
        return f"danelaw trust show {groups.demand.names[0]}"
    if checkup.level in ("waits", "unknown"):
        return "danelaw doctor"
    return f"danelaw dns {name} MX" if name is not None else "danelaw --help"
