"""Does a presented chain match the TLSA records of a host? (RFC 7672 §3)"""

from __future__ import annotations

from collections.abc import Sequence

from danelaw.address import Domain
from danelaw.dane.anchor import verify_anchor
from danelaw.dane.matching import presented, selected
from danelaw.dane.record import CertificateUsage, MatchingType, Selector, TLSARecord, fingerprint
from danelaw.dane.result import DANEResult, RecordVerdict
from danelaw.dane.usable import passed_over, strongest_digests, unusable_because
from danelaw.pkix.certificate import read_certificate
from danelaw.pkix.der import DERError
from danelaw.pkix.result import PKIXFailure

MAX_ANCHORS = 16
"""DANE-TA records tried per handshake: each may cost a path of signatures, and the peer chose how many there are."""

_TLSA_INVALID = "tlsa-invalid"  # RFC 8460 §4.3.2.1: none of the records was found to be valid


def verify(
    records: Sequence[TLSARecord],
    chain: Sequence[bytes],
    reference_identifiers: Sequence[Domain],
    now: float,
) -> DANEResult:
    """Judge a presented chain (DER, leaf first) at `now` (POSIX seconds).

    Any usable record that matches authenticates the server. `reference_identifiers` count for DANE-TA only.
    Names, dates and usages mean nothing to DANE-EE (RFC 7672 §3.1.1). Never raises for what
    the peer presented or published.
    """
    return _Verification(tuple(records), tuple(chain), tuple(reference_identifiers), now).result()


class _Verification:
    """One call of `verify`: DANE-EE first, since it costs a hash, then DANE-TA."""

    def __init__(
        self, records: tuple[TLSARecord, ...], chain: tuple[bytes, ...], names: tuple[Domain, ...], now: float
    ) -> None:
        self.records = records
        self.chain = chain
        self.names = names
        self.now = now
        self.verdicts: dict[int, RecordVerdict] = {}
        self.matched: int | None = None
        self.depth: int | None = None
        self.failures: list[tuple[str, PKIXFailure | None]] = []

    def result(self) -> DANEResult:
        usable = self._sort_out()
        if not self.chain:
            return self._refused("the server shows no certificate", "validation-failure")
        for usage, judge in ((CertificateUsage.DANE_EE, self._end_entity), (CertificateUsage.DANE_TA, self._anchor)):
            for tried, index in enumerate(i for i in usable if self.records[i].usage == usage):
                if self.matched is not None:
                    reason = f"not needed: record {self.matched + 1} matches"
                    self._note(index, reason)
                elif usage == CertificateUsage.DANE_TA and tried >= MAX_ANCHORS:
                    self._note(index, f"not tried: more than {MAX_ANCHORS} records name a CA")
                else:
                    judge(index)
        if self.matched is None:
            return self._refused(*self._failure(usable))
        return DANEResult(True, self.records[self.matched], self._ordered(), self._success(), depth=self.depth)

    def _sort_out(self) -> list[int]:
        """Indexes of the records to try; the others get their verdict."""
        problems = {index: unusable_because(record) for index, record in enumerate(self.records)}
        strongest = strongest_digests([self.records[i] for i, problem in problems.items() if problem is None])
        to_try = []
        for index, problem in problems.items():
            record = self.records[index]
            if problem is not None:
                self.verdicts[index] = RecordVerdict(record, False, False, f"unusable: {problem}")
            elif (passed := passed_over(record, strongest)) is not None:
                self._note(index, passed)
            else:
                to_try.append(index)
        return to_try

    def _end_entity(self, index: int) -> None:
        record = self.records[index]
        what = "certificate" if record.selector == Selector.CERT else "key"
        try:
            shown = presented(selected(self.chain[0], record.selector), record.matching_type)
        except DERError as error:
            self._note(index, f"the server's certificate cannot be read: {error.reason}")
            return
        if shown == record.association:
            self._match(index, 0, f"server's {what} is the one in signed DNS")
            return
        self._note(index, f"{what} {fingerprint(shown)} shown, {record.fingerprint} published")

    def _anchor(self, index: int) -> None:
        outcome = verify_anchor(self.records[index], self.chain, self.names, self.now)
        if outcome.ok:
            self._match(index, outcome.depth, outcome.reason)
            return
        if outcome.found:
            self.failures.append((outcome.reason, outcome.failure))
        self._note(index, outcome.reason)

    def _note(self, index: int, reason: str) -> None:
        self.verdicts[index] = RecordVerdict(self.records[index], True, False, reason)

    def _match(self, index: int, depth: int | None, reason: str) -> None:
        self.matched, self.depth = index, depth
        self.verdicts[index] = RecordVerdict(self.records[index], True, True, f"matches: {reason}")

    def _ordered(self) -> tuple[RecordVerdict, ...]:
        return tuple(self.verdicts[index] for index in range(len(self.records)))

    def _refused(self, reason: str, tlsrpt: str) -> DANEResult:
        for index in range(len(self.records)):
            if index not in self.verdicts:
                self._note(index, reason)
        return DANEResult(False, None, self._ordered(), reason, tlsrpt)

    def _success(self) -> str:
        """Why the server is believed; what looks wrong but does not count is said too."""
        assert self.matched is not None
        record = self.records[self.matched]
        what = "certificate" if record.selector == Selector.CERT else "key"
        if record.usage == CertificateUsage.DANE_TA:
            words = "issued by the CA in DNS, name matches"
        elif (dated := self._dated()) is not None:
            words = f"{dated}, but {record.parameters} trusts the {what}"
        elif len(self.records) > 1:
            return f"{what} is TLSA {self.matched + 1} of {len(self.records)} ({record})"
        else:
            return f"server's {what} is the one in signed DNS"
        return words

    def _dated(self) -> str | None:
        try:
            leaf = read_certificate(self.chain[0])
        except DERError:
            return None
        if leaf.not_after is not None and self.now > leaf.not_after:
            return "certificate expired"
        if leaf.not_before is not None and self.now < leaf.not_before:
            return "certificate not yet valid"
        return None

    def _failure(self, usable: list[int]) -> tuple[str, str]:
        """The most telling reason: an anchor that was found but did not do, else what is shown and published."""
        if not usable:
            return "no TLSA record is usable for mail", _TLSA_INVALID
        if self.failures:
            reason, failure = self.failures[0]
            return reason, failure.tlsrpt if failure is not None else "validation-failure"
        if len(usable) == 1:
            return self.verdicts[usable[0]].reason, _TLSA_INVALID
        try:
            key = fingerprint(presented(selected(self.chain[0], Selector.SPKI), MatchingType.SHA2_256))
        except DERError as error:
            return f"the server's certificate cannot be read: {error.reason}", _TLSA_INVALID
        return f"key {key} shown, which matches none of {len(usable)} TLSA records", _TLSA_INVALID
