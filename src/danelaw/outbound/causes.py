"""Which cause a failure is of, and who demanded the protection: the words notices are made from, found where it fails.

Pure: values in, values out. What is told here is stored with each try, so that a notice days later needs no guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.dnsdata import DNSSECStatus
from danelaw.dsn import Cause, Demander
from danelaw.replies.classifier import shipped_file
from danelaw.requiretls import ENCRYPTION_NEEDED, SUPPORT_REQUIRED
from danelaw.smtp import EnhancedStatusCode
from danelaw.tlspolicy import (
    DANECheck,
    Failure,
    FingerprintCheck,
    RefusalKind,
    SenderDemand,
    StartTLSOutcome,
    STSCheck,
    TLSUse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from danelaw.dnsdata import Answer
    from danelaw.outbound.destination import HostPlan, Survey
    from danelaw.replies import BounceClass
    from danelaw.smtp import Reply
    from danelaw.tlspolicy import Handshake, Judgement

_BY_STATUS = {
    (5, 1, 2): Cause.NO_DOMAIN,
    (5, 1, 10): Cause.NULL_MX,
    (5, 4, 4): Cause.NO_SERVER,
}
# RFC 8460 §4.3.1, §4.3.2.
_BY_RESULT_TYPE = {
    "tlsa-invalid": Cause.WRONG_KEY,
    "certificate-expired": Cause.EXPIRED,
    "certificate-host-mismatch": Cause.WRONG_NAME,
    "certificate-not-trusted": Cause.UNTRUSTED,
    "dnssec-invalid": Cause.BOGUS_DNS,
}
_BY_CLASS = {
    "bad-mailbox": Cause.BAD_MAILBOX,
    "inactive-mailbox": Cause.CLOSED_MAILBOX,
    "bad-domain": Cause.NULL_MX,
    "bad-sender": Cause.BAD_SENDER,
    "quota": Cause.QUOTA,
    "spam-block": Cause.SPAM,
    "reputation-block": Cause.REPUTATION,
    "policy": Cause.POLICY,
    "authentication": Cause.AUTHENTICATION,
    "rate-limited": Cause.RATE,
    "greylisted": Cause.GREYLISTED,
    "tls-required": Cause.TLS_WANTED,
    "message-too-large": Cause.TOO_LARGE,
    "content": Cause.CONTENT,
    "routing": Cause.ROUTING,
    "network": Cause.TROUBLE,
    "service-trouble": Cause.TROUBLE,
    "protocol": Cause.PROTOCOL,
    "other-temporary": Cause.LATER,
    "other-permanent": Cause.REFUSED,
}
_DEMANDERS = {
    SenderDemand.ENCRYPTED: Demander.ENCRYPTED,
    SenderDemand.VERIFIED: Demander.VERIFIED,
    SenderDemand.DANE: Demander.DANE,
    SenderDemand.REQUIRETLS: Demander.REQUIRETLS,
    SenderDemand.REQUIRETLS_DANE: Demander.REQUIRETLS,
}
_NO_REQUIRETLS = EnhancedStatusCode(*SUPPORT_REQUIRED)
_NOT_ENCRYPTED = EnhancedStatusCode(*ENCRYPTION_NEEDED)


def of_survey(survey: Survey) -> Cause:
    """Why no host of a destination could be tried at all."""
    if survey.undeliverable is not None:
        return _BY_STATUS.get(survey.undeliverable.status, Cause.OTHER)
    return _of_answers(survey.destination.mx.answers)


def _of_answers(answers: Iterable[Answer]) -> Cause:
    bogus = any(answer.status is DNSSECStatus.BOGUS for answer in answers)
    return Cause.BOGUS_DNS if bogus else Cause.DNS_FAILED


def of_judgement(judgement: Judgement, plan: HostPlan | None, handshake: Handshake | None) -> Cause:
    """Why a host got no clearance; `handshake` None where nobody connected."""
    match judgement.failure:
        case Failure.LOOKUP:
            return _of_answers(plan.records.answers) if plan is not None else Cause.DNS_FAILED
        case Failure.NO_TLS:
            failed = handshake is not None and handshake.starttls is StartTLSOutcome.FAILED
            return Cause.BROKEN_TLS if failed else Cause.NO_TLS
        case Failure.TRY_CLEAR:
            return Cause.BROKEN_TLS
        case Failure.NO_REQUIRETLS:
            return Cause.NO_REQUIRETLS
        case Failure.UNREACHABLE:
            return Cause.NO_CONNECTION
        case Failure.NOT_VERIFIED:
            return _unverified(judgement, plan, handshake)
    return Cause.OTHER


def _unverified(judgement: Judgement, plan: HostPlan | None, handshake: Handshake | None) -> Cause:
    checks = plan.requirement.checks if plan is not None else ()
    if any(isinstance(check, STSCheck) and not check.listed for check in checks):
        return Cause.NOT_LISTED
    if handshake is None:
        return Cause.DEMAND_UNMET
    if judgement.found in _BY_RESULT_TYPE:
        return _BY_RESULT_TYPE[judgement.found]
    if any(isinstance(check, FingerprintCheck) for check in checks):
        return Cause.NOT_PINNED
    if handshake.version in ("SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"):
        return Cause.OLD_TLS
    return Cause.UNTRUSTED


def of_class(bounce_class: BounceClass) -> Cause:
    """The cause a reply's bounce class stands for; `OTHER` where the operator has words of the own for it."""
    known = shipped_file().classes.get(bounce_class.name)
    if known is None or known.notice != bounce_class.notice:
        return Cause.OTHER
    return _BY_CLASS.get(bounce_class.name, Cause.OTHER)


def of_lack(reply: Reply) -> Cause:
    """Why a message could not be sent over a connection that was open and cleared."""
    if reply.enhanced == _NO_REQUIRETLS:
        return Cause.NO_REQUIRETLS
    return Cause.DEMAND_UNMET if reply.enhanced == _NOT_ENCRYPTED else Cause.OTHER


def demander_of(survey: Survey, plan: HostPlan | None) -> Demander:
    """Who demanded the protection of a host, `NOBODY` where TLS was only used if offered."""
    if survey.demand in _DEMANDERS:
        return _DEMANDERS[survey.demand]
    if plan is None:
        return Demander.UNKNOWN if survey.error is not None else Demander.NOBODY
    wanted = plan.requirement
    if wanted.tls is not TLSUse.MANDATORY:
        return Demander.NOBODY
    if survey.groups.demand is not None and survey.groups.demand.owner in wanted.demanded_by:
        return Demander.GROUP
    if survey.override.override is not None:
        return Demander.OVERRIDE
    if wanted.refusal is not None and wanted.refusal.kind is RefusalKind.LOOKUP:
        return Demander.UNKNOWN
    dane = any(isinstance(check, DANECheck) for check in wanted.checks)
    sts = any(isinstance(check, STSCheck) for check in wanted.checks)
    if dane and sts:
        return Demander.TLSA_AND_STS
    if sts:
        return Demander.STS
    return Demander.TLSA if dane else Demander.TLSA_UNUSABLE


WAIVED = "waived"
"""In place of a `Demander`: the sender said `TLS-Required: No`."""


def wish_of(survey: Survey) -> str:
    """Whose wish made a delivery other than the destination's own records would: empty for nearly all."""
    if survey.demand is not SenderDemand.NONE:
        return _DEMANDERS[survey.demand].value if survey.demand in _DEMANDERS else WAIVED
    if survey.groups.demand is not None:
        return Demander.GROUP.value
    return "" if survey.override.override is None else Demander.OVERRIDE.value
