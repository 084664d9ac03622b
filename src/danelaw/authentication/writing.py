"""Verdicts as an Authentication-Results field (RFC 8601 §2, RFC 8617 §10, RFC 9989 §9.1)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from danelaw.arc import ARCOutcome, ChainStatus
from danelaw.authres import AuthenticationResults, MethodResult, Property, UnwritableField
from danelaw.dkim import DKIMVerdict
from danelaw.dmarc import DMARCEvaluation, DMARCResult
from danelaw.dnsdata import DNSSECStatus
from danelaw.spf import Evaluation

_LONGEST_REASON = 300
_PLAIN = re.compile(r"[!-~]*\Z").match
_NO_DNS = "DNS gave no usable answer"  # the whole story names our resolvers, which is nobody's business
_LONGEST_VALUE = 320


def authentication_results(
    authserv_id: str,
    spf: Evaluation,
    helo: Evaluation,
    signatures: Sequence[DKIMVerdict],
    arc: ARCOutcome,
    dmarc: DMARCEvaluation,
    *,
    mail_from: str,
) -> AuthenticationResults:
    """The field. Comments say what signatures of DNS prove about the answers a result rests on."""
    results = (
        _mail_from(spf, mail_from),
        _method("spf", helo.result.value, (_property("smtp", "helo", helo.domain),), dnssec=helo.dnssec),
        *_signatures(signatures),
        *_chain(arc),
        _policy(dmarc),
    )
    return AuthenticationResults(authserv_id, tuple(_writable(method) for method in results))


def _mail_from(spf: Evaluation, mail_from: str) -> MethodResult:
    """RFC 8601 §2.7.2: the address, or its domain alone where it is not plain ASCII."""
    plain = "@" in mail_from and mail_from.isascii() and mail_from.isprintable()
    value = spf.sender if plain else spf.domain
    return _method("spf", spf.result.value, (_property("smtp", "mailfrom", value),), spf.reason, spf.dnssec)


def _signatures(signatures: Sequence[DKIMVerdict]) -> Iterator[MethodResult]:
    if not signatures:
        yield MethodResult("dkim", "none")
    for verdict in signatures:
        properties = tuple(_of_signature(verdict))
        yield _method("dkim", verdict.result.value, properties, verdict.reason, verdict.dnssec)


def _of_signature(verdict: DKIMVerdict) -> Iterator[Property]:
    """RFC 8601 §2.7.1; header.b tells several signatures of one domain apart (RFC 6008 §4)."""
    if verdict.domain:
        yield _property("header", "d", verdict.domain)
    signature = verdict.signature
    if signature is not None and signature.identity:
        yield _property("header", "i", signature.identity)
    if verdict.selector:
        yield _property("header", "s", verdict.selector)
    if signature is not None:
        yield _property("header", "a", signature.algorithm)
        yield _property("header", "b", base64.b64encode(signature.signature[:6]).decode("ascii"))


def _chain(arc: ARCOutcome) -> Iterator[MethodResult]:
    """RFC 8617 §10: oldest-pass belongs to a pass."""
    if arc.status is not ChainStatus.NONE:
        oldest = () if arc.oldest_pass is None else (Property("header", "oldest-pass", str(arc.oldest_pass)),)
        yield _method("arc", arc.status.value, oldest, arc.reason)


def _policy(dmarc: DMARCEvaluation) -> MethodResult:
    """header.from is the Author Domain, policy.dmarc what is left of its policy after t=y (RFC 9989 §9.1)."""
    properties = [_property("header", "from", dmarc.domain)] if dmarc.domain else []
    if dmarc.applied is not None and dmarc.result in (DMARCResult.PASS, DMARCResult.FAIL):
        properties.append(Property("policy", "dmarc", dmarc.applied.value))
    return _method("dmarc", dmarc.result.value, tuple(properties), dmarc.reason, dmarc.dnssec)


def _method(
    name: str, result: str, properties: tuple[Property, ...], reason: str = "", dnssec: DNSSECStatus | None = None
) -> MethodResult:
    comment = f"DNSSEC: {dnssec.value}" if dnssec is not None else ""
    if result == "temperror":
        reason = _NO_DNS
    return MethodResult(name, result, _plain(reason)[:_LONGEST_REASON], properties, comment)


def _property(ptype: str, name: str, value: str) -> Property:
    return Property(ptype, name, value[:_LONGEST_VALUE])


def _plain(text: str) -> str:
    """Reasons quote strangers: what is not printable US-ASCII becomes a question mark."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in text)


def _writable(method: MethodResult) -> MethodResult:
    """The result without the properties that no field can hold; method and result always can."""
    if all(_PLAIN(one.value) for one in method.properties):
        return method
    return replace(method, properties=tuple(one for one in method.properties if _fits(one)))


def _fits(one: Property) -> bool:
    try:
        AuthenticationResults("x", (MethodResult("x", "none", properties=(one,)),)).to_bytes()
    except UnwritableField:
        return False
    return True
