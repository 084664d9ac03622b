"""What one signature is worth, given the hashes over the message and the answer for its key (RFC 6376 §6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from danelaw.dkim.bodyhash import BodyDigest
from danelaw.dkim.keys import FittingKey, KeySearch, find_keys, identity_allowed
from danelaw.dkim.publickey import SMALLEST_RSA
from danelaw.dkim.result import DKIMResult
from danelaw.dkim.signature import DKIMSignature
from danelaw.dkim.verdict import DKIMVerdict
from danelaw.dnsdata import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings:
    """Local rules.

    `most_signatures` are tried per message and `most_keys` records per signature (RFC 6376 §8.4). `smallest_rsa` in
    bits cannot make keys below 1024 count unless it is set below, which RFC 8301 §3.2 forbids outside of tests.
    `drift` is how far clocks may differ for t= and x=. `partial_body` lets a pass authenticate although octets follow
    what l= covers, `testing` although the key says t=y. `service` is what keys must be for by their s=.
    """

    most_signatures: int = 10
    most_keys: int = 4
    smallest_rsa: int = SMALLEST_RSA
    drift: timedelta = timedelta(minutes=5)
    partial_body: bool = False
    testing: bool = False
    service: str = "email"


DEFAULT_SETTINGS = VerifySettings()


def judge(
    signature: DKIMSignature,
    header_digest: bytes,
    body: BodyDigest,
    answer: Answer,
    now: float,
    settings: VerifySettings = DEFAULT_SETTINGS,
) -> DKIMVerdict:
    """The verdict on a signature; `now` in POSIX seconds is when the message arrived (RFC 6376 §3.5, x=)."""
    search = find_keys(
        answer,
        signature.algorithm,
        smallest_rsa=settings.smallest_rsa,
        most=settings.most_keys,
        service=settings.service,
    )
    if not search.keys:
        return _verdict(signature, search, search.result, search.reason)
    result, reason = _body(signature, body)
    if result is not None:
        return _verdict(signature, search, result, reason, search.keys[0])
    match = next((fit for fit in search.keys if fit.key.verifies(signature.signature, header_digest)), None)
    if match is None:
        reason = "the signature does not fit: a signed header field was changed, or another key made it"
        return _verdict(signature, search, DKIMResult.FAIL, reason, search.keys[0])
    if not identity_allowed(signature, match.record):
        reason = f"i= is at {signature.identity_domain}, and the key allows only {signature.domain} (t=s)"
        return _verdict(signature, search, DKIMResult.PERMERROR, reason, match)
    late = _time(signature, now, settings)
    if late:
        return _verdict(signature, search, DKIMResult.POLICY, late, match)
    beyond = body.octets - signature.length if signature.length is not None else 0
    doubts = _doubts(beyond, match, settings)
    reason = f"it verifies, but {' and '.join(doubts)}" if doubts else "it verifies"
    return _verdict(signature, search, DKIMResult.PASS, reason, match, beyond, doubts)


def _body(signature: DKIMSignature, body: BodyDigest) -> tuple[DKIMResult | None, str]:
    if body.digest is None:
        return (
            DKIMResult.PERMERROR,
            f"l= covers {signature.length} octets of the body, and it has only {body.octets}",
        )
    if body.digest != signature.body_hash:
        return DKIMResult.FAIL, "the body is not the one that was signed (bh= differs)"
    return None, ""


def _time(signature: DKIMSignature, now: float, settings: VerifySettings) -> str:
    """Why the signature does not hold at `now`, empty when it does (RFC 6376 §3.5 on t= and x=)."""
    drift = settings.drift.total_seconds()
    if signature.expiration is not None and now > signature.expiration + drift:
        return f"it expired {int(now) - signature.expiration} seconds ago (x=)"
    if signature.timestamp is not None and now < signature.timestamp - drift:
        return f"it claims to be made {signature.timestamp - int(now)} seconds in the future (t=)"
    return ""


def _doubts(beyond: int, match: FittingKey, settings: VerifySettings) -> tuple[str, ...]:
    doubts = []
    if beyond and not settings.partial_body:
        doubts.append(f"{beyond} octets of the body stand behind what is signed (l=)")
    if match.record.testing and not settings.testing:
        doubts.append("the domain only tests DKIM (t=y of its key)")
    return tuple(doubts)


def _verdict(
    signature: DKIMSignature,
    search: KeySearch,
    result: DKIMResult,
    reason: str,
    match: FittingKey | None = None,
    beyond: int = 0,
    doubts: tuple[str, ...] = (),
) -> DKIMVerdict:
    return DKIMVerdict(
        result,
        reason,
        domain=signature.domain.ascii,
        selector=signature.selector,
        signature=signature,
        key_bits=match.key.bits if match is not None else None,
        testing=match.record.testing if match is not None else False,
        dnssec=search.dnssec,
        unsigned_octets=beyond,
        doubts=doubts,
    )
