"""The basis of a decision: what was known about a destination before anybody connected, as octets to be kept.

It holds what `requirement` was asked with (next hop, demand, MTA-STS policy, override), what each DNS question was
taken to say, and by digest the responses that show it. Deliveries to a destination share one basis while its answers
last, so it is stored once per destination and time to live.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dns.name
import dns.rcode
import dns.rdatatype

from danelaw.address import Domain
from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.errors import DanelawError
from danelaw.mtasts import STSPolicy
from danelaw.receipt.form import FormError, canonical, read_object, time_in
from danelaw.routing import Destination, NextHop
from danelaw.tlspolicy import NO_STS, GroupDemand, Override, OverrideRequireTLS, SenderDemand, STSState

FORM = "danelaw/basis/1"
MOST_OCTETS = 1 << 20
_MOST_ANSWERS = 1024


@dataclass(frozen=True, slots=True)
class Said:
    """What one question was taken to say: `status`, `rcode`, words for a failure, SHA-256 digests of what shows it."""

    status: DNSSECStatus
    rcode: dns.rcode.Rcode
    reason: str
    responses: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Basis:
    """A basis as it was read. `made_at` is POSIX seconds; `responses` are all digests, in the order of first use.
    `group` is what trust groups demand, `wait` why it could not be known, in words.
    """

    version: str
    made_at: float
    next_hop: NextHop
    demand: SenderDemand
    answers: Mapping[Question, Said]
    responses: tuple[bytes, ...]
    sts: STSState
    override: Override | None
    group: GroupDemand | None = None
    wait: str = ""


def basis_octets(
    destination: Destination,
    demand: SenderDemand,
    sts: STSState,
    override: Override | None,
    made_at: float,
    version: str,
    *,
    group: GroupDemand | None = None,
    wait: str = "",
    beside: Iterable[bytes] = (),
) -> bytes:
    """Write a basis. `made_at` in POSIX seconds, `version` that of danelaw. `group` is what trust groups demand, `wait`
    why mail has to wait for that, `beside` are responses that tell. They are only in it where there are any.
    """
    numbers: dict[bytes, int] = {}
    asked: dict[Question, Answer] = {}
    for answer in destination.answers:
        asked.setdefault(answer.question, answer)
    answers = [
        {
            "name": question.name.to_text(),
            "type": dns.rdatatype.to_text(question.rdtype),
            "status": answer.status.value,
            "rcode": int(answer.rcode),
            "reason": answer.reason if answer.failed else "",
            "responses": [
                numbers.setdefault(digest, len(numbers))
                for digest in dict.fromkeys(hashlib.sha256(wire).digest() for wire in answer.evidence)
            ],
        }
        for question, answer in asked.items()
    ]
    for wire in beside:
        numbers.setdefault(hashlib.sha256(wire).digest(), len(numbers))
    sometimes = {"group": None if group is None else _of_group(group), "wait": wait}
    return canonical(
        {name: value for name, value in sometimes.items() if value}
        | {
            "form": FORM,
            "version": version,
            "made_at": round(made_at, 3),
            "next_hop": destination.mx.next_hop.to_text(),
            "demand": demand.word,
            "answers": answers,
            "responses": [digest.hex() for digest in numbers],
            "mta_sts": None if sts is NO_STS else _of_sts(sts),
            "override": None if override is None else _of_override(override),
        }
    )


def _of_group(group: GroupDemand) -> dict[str, Any]:
    return {"demand": group.demand.word, "names": list(group.names), "returns": group.returns}


def _of_sts(sts: STSState) -> dict[str, Any]:
    return {
        "domain": None if sts.domain is None else sts.domain.ascii,
        "policy": None if sts.policy is None else sts.policy.to_text(),
        "fetched": None if sts.policy is None else sts.expires - sts.policy.max_age,
        "from_cache": sts.from_cache,
        "note": sts.note,
        "id": sts.id,
        "error": sts.error,
        "unknown": sts.unknown,
        "wait": sts.wait,
    }


def _of_override(override: Override) -> dict[str, Any]:
    found: dict[str, Any] = {
        "destination": override.destination,
        "tls": override.tls.value,
        "fingerprints": list(override.fingerprints),
        "because": override.because,
        "expires": override.expires,
        "source": override.source,
    }
    if override.requiretls is not OverrideRequireTLS.EXTENSION:
        found["requiretls"] = override.requiretls.value
    return found


def read_basis(octets: bytes) -> Basis:
    """Read a basis. Raises `FormError`."""
    fields = read_object(octets, MOST_OCTETS, FORM)
    try:
        answers = fields.members("answers", _MOST_ANSWERS)
        responses = tuple(fields.digests("responses"))
        return Basis(
            version=fields.text("version"),
            made_at=fields.number("made_at"),
            next_hop=NextHop.from_text(fields.text("next_hop")),
            demand=SenderDemand.from_word(fields.text("demand")),
            answers=_read_answers(answers, responses),
            responses=responses,
            sts=_read_sts(fields.inner_or_none("mta_sts")),
            override=_read_override(fields.inner_or_none("override")),
            group=_read_group(fields.inner("group")) if "group" in fields.values else None,
            wait=fields.text("wait") if "wait" in fields.values else "",
        )
    except DanelawError as error:
        raise FormError(f"the basis of a decision cannot be read: {error.reason}") from None
    except Exception as error:  # values of any kind, which the DNS library takes in many ways
        raise FormError(f"the basis of a decision cannot be read: {error}") from None


def _read_answers(answers: list[Any], responses: tuple[bytes, ...]) -> dict[Question, Said]:
    found: dict[Question, Said] = {}
    for item in answers:
        question = Question(dns.name.from_text(item["name"]), dns.rdatatype.from_text(item["type"]))
        if question in found:
            raise FormError(f"the question {question} is answered twice")
        numbers = [int(number) for number in item["responses"]]
        if not all(0 <= number < len(responses) for number in numbers):
            raise FormError(f"the answer to {question} names a response that is not listed")
        found[question] = Said(
            DNSSECStatus(item["status"]),
            dns.rcode.Rcode(item["rcode"]),
            str(item["reason"]),
            tuple(responses[number] for number in numbers),
        )
    return found


def _read_sts(item: Mapping[str, Any] | None) -> STSState:
    if item is None:
        return NO_STS
    policy = None if item["policy"] is None else STSPolicy.from_text(str(item["policy"]))
    return STSState(
        domain=None if item["domain"] is None else Domain.from_text(str(item["domain"])),
        policy=policy,
        from_cache=bool(item["from_cache"]),
        note=str(item["note"]),
        id=str(item["id"]),
        expires=math.inf if policy is None else time_in(item["fetched"], "when a policy was fetched") + policy.max_age,
        error=None if item["error"] is None else str(item["error"]),
        unknown=bool(item["unknown"]),
        wait=bool(item["wait"]),
    )


def _read_group(item: Mapping[str, Any]) -> GroupDemand:
    names = tuple(str(name) for name in item["names"])
    return GroupDemand(SenderDemand.from_word(str(item["demand"])), names, bool(item["returns"]))


def _read_override(item: Mapping[str, Any] | None) -> Override | None:
    if item is None:
        return None
    return Override.of(
        str(item["destination"]),
        str(item["tls"]),
        fingerprints=[str(one) for one in item["fingerprints"]],
        because=str(item["because"]),
        expires=None if item["expires"] is None else float(item["expires"]),
        source=str(item["source"]),
        requiretls=str(item.get("requiretls", OverrideRequireTLS.EXTENSION.value)),
    )
