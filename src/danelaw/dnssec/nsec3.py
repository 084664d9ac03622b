"""Absence proved by NSEC3 records (RFC 5155 §8, RFC 6840 §4, RFC 9276 §3.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import dns.name
import dns.rdatatype
from dns.edns import EDECode
from dns.rdtypes.ANY.NSEC3 import NSEC3

from danelaw.dnssec.denial import Cut, CutState, Proof, Proven, cut_by_types, leaves_zone, missing, refused_by_types
from danelaw.dnssec.limits import Budget
from danelaw.dnssec.verify import Verified

_SHA1 = 1
_SHA1_OCTETS = 20
_OPT_OUT = 0x01
_WILDCARD = dns.name.Name((b"*",))


def nsec3_hash(name: dns.name.Name, salt: bytes, iterations: int) -> bytes:
    """RFC 5155 §5 with SHA-1, the only algorithm there is."""
    digest = hashlib.sha1(name.to_digestable() + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        digest = hashlib.sha1(digest + salt, usedforsecurity=False).digest()
    return digest


@dataclass(frozen=True, slots=True)
class _Span:
    owner: bytes
    next: bytes
    opt_out: bool
    windows: tuple[tuple[int, bytes], ...]

    def covers(self, digest: bytes) -> bool:
        if self.owner < self.next:
            return self.owner < digest < self.next
        return digest > self.owner or digest < self.next


@dataclass(frozen=True, slots=True)
class _Encloser:
    """A proven closest encloser: the next closer name lies in `cover` (RFC 5155 §8.3)."""

    name: dns.name.Name
    next_closer: dns.name.Name
    cover: _Span


class NSEC3Proofs:
    """The verified NSEC3 records of one response and one zone."""

    def __init__(self, zone: dns.name.Name, verified: Iterable[Verified], budget: Budget) -> None:
        self.zone = zone
        self._budget = budget
        self._hashes: dict[dns.name.Name, bytes] = {}
        self._spans: list[_Span] = []
        self._salt = b""
        self._iterations = -1
        self.excessive: int | None = None
        for item in verified:
            for rdata in item.rrset:
                if isinstance(rdata, NSEC3):
                    self._take(item.rrset.name, rdata)

    @property
    def present(self) -> bool:
        """True when there is any record to reason with."""
        return bool(self._spans) or self.excessive is not None

    def _take(self, owner: dns.name.Name, rdata: NSEC3) -> None:
        """RFC 5155 §8.2: unknown algorithms and flags are ignored; all records share their parameters."""
        if rdata.algorithm != _SHA1 or rdata.flags & ~_OPT_OUT or len(rdata.next) != _SHA1_OCTETS:
            return
        digest = _digest_of(owner, self.zone)
        if digest is None:
            return
        if rdata.iterations > self._budget.limits.nsec3_iterations:
            self.excessive = rdata.iterations
            if rdata.iterations > self._budget.limits.nsec3_cut_iterations:
                return
        if self._iterations < 0:
            self._salt, self._iterations = rdata.salt, rdata.iterations
        if (rdata.salt, rdata.iterations) == (self._salt, self._iterations):
            self._spans.append(_Span(digest, rdata.next, bool(rdata.flags & _OPT_OUT), tuple(rdata.windows)))

    def _hash(self, name: dns.name.Name) -> bytes:
        digest = self._hashes.get(name)
        if digest is None:
            self._budget.hashing(self._iterations + 1)
            digest = self._hashes[name] = nsec3_hash(name, self._salt, self._iterations)
        return digest

    def _matching(self, name: dns.name.Name) -> _Span | None:
        if not self._spans or not name.is_subdomain(self.zone):
            return None
        digest = self._hash(name)
        return next((span for span in self._spans if span.owner == digest), None)

    def _covering(self, name: dns.name.Name) -> _Span | None:
        if not self._spans or not name.is_subdomain(self.zone):
            return None
        digest = self._hash(name)
        return next((span for span in self._spans if span.covers(digest)), None)

    def _encloser(self, name: dns.name.Name) -> _Encloser | Proof:
        """RFC 5155 §8.3, for a name that has no matching record."""
        next_closer = name
        while next_closer != self.zone and next_closer.is_subdomain(self.zone):
            candidate = next_closer.parent()
            span = self._matching(candidate)
            if span is not None:
                if leaves_zone(span.windows):
                    return missing(f"the closest encloser {candidate} of {name} leads out of {self.zone}")
                cover = self._covering(next_closer)
                if cover is None:
                    return missing(f"no NSEC3 record covers {next_closer}")
                return _Encloser(candidate, next_closer, cover)
            next_closer = candidate
        return missing(f"no NSEC3 record shows the closest encloser of {name}")

    def _too_costly(self) -> Proof | None:
        if self.excessive is None:
            return None
        limit = self._budget.limits.nsec3_iterations
        return Proof(
            Proven.INSECURE,
            f"{self.zone} uses {self.excessive} NSEC3 iterations, more than the {limit} that are checked",
            EDECode.UNSUPPORTED_NSEC3_ITERATIONS_VALUE,
        )

    def no_data(self, name: dns.name.Name, rdtype: int) -> Proof:
        """RFC 5155 §8.5-8.7; an opt-out span makes absence insecure (§9.2, also for empty non-terminals)."""
        if (costly := self._too_costly()) is not None:
            return costly
        span = self._matching(name)
        if span is not None:
            refusal = refused_by_types(span.windows, name, rdtype)
            return missing(refusal) if refusal else Proof(Proven.SECURE, f"NSEC3 of {name} lacks the type")
        encloser = self._encloser(name)
        if isinstance(encloser, Proof):
            return encloser
        wildcard = _wildcard_below(encloser.name)
        source = self._matching(wildcard) if wildcard is not None else None
        if source is not None and wildcard is not None:
            refusal = refused_by_types(source.windows, wildcard, rdtype)
            return missing(refusal) if refusal else _by_span(encloser, f"NSEC3 of {wildcard} lacks the type")
        if encloser.cover.opt_out:
            return _by_span(encloser, "")
        return missing(f"{name} does not exist by NSEC3, yet the answer says it does")

    def name_error(self, name: dns.name.Name) -> Proof:
        """RFC 5155 §8.4."""
        if (costly := self._too_costly()) is not None:
            return costly
        if self._matching(name) is not None:
            return missing(f"{name} exists by its own NSEC3 record")
        encloser = self._encloser(name)
        if isinstance(encloser, Proof):
            return encloser
        wildcard = _wildcard_below(encloser.name)
        if wildcard is not None and self._covering(wildcard) is None:
            return missing(f"no NSEC3 record proves that {wildcard} does not exist")
        return _by_span(encloser, f"NSEC3 covers {encloser.next_closer} and the wildcard of {encloser.name}")

    def no_closer_match(self, name: dns.name.Name, closest_encloser: dns.name.Name) -> Proof:
        """RFC 5155 §8.8: the next closer name is covered."""
        if (costly := self._too_costly()) is not None:
            return costly
        next_closer = dns.name.Name(name.labels[len(name) - len(closest_encloser) - 1 :])
        cover = self._covering(next_closer)
        if cover is None:
            return missing(f"no NSEC3 record covers {next_closer}, needed for the wildcard")
        return _by_span(
            _Encloser(closest_encloser, next_closer, cover), f"NSEC3 shows the wildcard *.{closest_encloser} applies"
        )

    def cut(self, name: dns.name.Name) -> Cut:
        """RFC 5155 §8.6 and §8.9.

        Few excessive iterations are still worth it here: otherwise whoever strips the signatures from an answer
        could have it accepted as insecure anywhere in such a zone.
        """
        if not self._spans and (costly := self._too_costly()) is not None:
            return Cut(CutState.UNSIGNED, costly.text, costly.ede)
        span = self._matching(name)
        if span is not None:
            return cut_by_types(span.windows, name)
        encloser = self._encloser(name)
        if isinstance(encloser, Proof):
            return Cut(CutState.NOT, encloser.text, encloser.ede)
        if encloser.cover.opt_out:
            return Cut(CutState.UNSIGNED, f"{name} lies in an opt-out span of {self.zone}: no DS, no proof of more")
        return Cut(CutState.NO_NAME, f"{name} does not exist by NSEC3")


def _by_span(encloser: _Encloser, text: str) -> Proof:
    if encloser.cover.opt_out:
        return Proof(Proven.INSECURE, f"{encloser.next_closer} lies in an opt-out span, which proves little")
    return Proof(Proven.SECURE, text)


def _digest_of(owner: dns.name.Name, zone: dns.name.Name) -> bytes | None:
    """The hash in the first label of an NSEC3 owner directly below its zone (RFC 5155 §3)."""
    if len(owner) != len(zone) + 1:
        return None
    try:
        digest = base64.b32hexdecode(owner.labels[0].upper())
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == _SHA1_OCTETS else None


def _wildcard_below(name: dns.name.Name) -> dns.name.Name | None:
    try:
        return _WILDCARD.concatenate(name)
    except dns.name.NameTooLong:
        return None
