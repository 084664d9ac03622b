"""DNS from a page of text, with a DNSSEC status per name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.DNAME
import dns.rrset
import dns.zonefile

from danelaw.dnsdata import Answer, ChainLink, DNSSECStatus, Question

_STRENGTH = {
    DNSSECStatus.SECURE: 3,
    DNSSECStatus.INSECURE: 2,
    DNSSECStatus.INDETERMINATE: 1,
    DNSSECStatus.BOGUS: 0,
}
_MAX_ALIASES = 8
_ROOT = dns.name.root
_EDE_DNSSEC_BOGUS = 6  # RFC 8914 §4.7
_EDE_NO_REACHABLE_AUTHORITY = 22  # RFC 8914 §4.23


@dataclass(frozen=True, slots=True)
class _Failure:
    status: DNSSECStatus
    rcode: dns.rcode.Rcode
    ede: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Found:
    """One step of RFC 1034 §4.3.2: the RRsets at a name (after wildcard expansion), or nothing."""

    exists: bool
    rrsets: dict[dns.rdatatype.RdataType, dns.rrset.RRset]
    status: DNSSECStatus


class FakeDNS:
    """Answers questions from zone-file text.

    `secure` and `insecure` hold records in zone-file form, one a line, names absolute (a missing final dot
    is forgiven), TTL and class optional (default `ttl`, IN). `outside` is the status of names below no
    record; `now` is the time (POSIX seconds) from which `Answer.expires` counts.
    Raises `dns.exception.DNSException` for text that is no zone file.

    `asked` lists every question in order, `batches` the batches as `run_lookup` was given them.
    """

    def __init__(
        self,
        secure: str = "",
        insecure: str = "",
        *,
        outside: DNSSECStatus = DNSSECStatus.INSECURE,
        now: float = 1_790_000_000.0,
        ttl: int = 3600,
    ) -> None:
        self.outside = outside
        self.now = now
        self.ttl = ttl
        self.asked: list[Question] = []
        self.batches: list[tuple[Question, ...]] = []
        self._names: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]] = {}
        self._status: dict[dns.name.Name, DNSSECStatus] = {}
        self._nodes: set[dns.name.Name] = set()
        self._failures: dict[tuple[dns.name.Name, dns.rdatatype.RdataType | None], _Failure] = {}
        self._failed_trees: dict[dns.name.Name, _Failure] = {}
        self.add(secure, DNSSECStatus.SECURE)
        self.add(insecure, DNSSECStatus.INSECURE)

    def add(self, text: str, status: DNSSECStatus = DNSSECStatus.SECURE) -> FakeDNS:
        """Add records; their owner names take `status`. Returns itself."""
        lines = "\n".join(line.strip() for line in text.splitlines())
        rrsets = dns.zonefile.read_rrsets(lines, rdclass=None, default_ttl=self.ttl, origin=_ROOT, relativize=False)
        for rrset in rrsets:
            types = self._names.setdefault(rrset.name, {})
            if rrset.rdtype in types:
                types[rrset.rdtype].update(rrset)  # type: ignore[no-untyped-call]
            else:
                types[rrset.rdtype] = rrset
            self._status[rrset.name] = status
            self._nodes.update(_ancestors(rrset.name))
        return self

    def mark(self, name: str, status: DNSSECStatus) -> FakeDNS:
        """Give a name, and all below it that have no status of their own, a status. Returns itself."""
        self._status[dns.name.from_text(name)] = status
        return self

    def remove(self, what: str) -> FakeDNS:
        """Forget the records of `"name"` or `"name TYPE"`, and a failure set for it. Returns itself."""
        name, rdtype = _name_and_type(what)
        self._failures.pop((name, rdtype), None)
        self._failed_trees.pop(name, None)
        if rdtype is None:
            self._names.pop(name, None)
        else:
            self._names.get(name, {}).pop(rdtype, None)
        if not self._names.get(name):
            self._names.pop(name, None)
            self._status.pop(name, None)
        self._nodes = {node for owner in self._names for node in _ancestors(owner)}
        return self

    def fail(
        self,
        what: str,
        how: DNSSECStatus | dns.rcode.Rcode = DNSSECStatus.INDETERMINATE,
        *,
        below: bool = False,
        ede: int | None = None,
        reason: str = "",
    ) -> FakeDNS:
        """Make `"name"` (every type) or `"name TYPE"` fail; with `below`, everything under it too.

        `how` is BOGUS, INDETERMINATE (a time-out) or an rcode such as SERVFAIL. Returns itself.
        """
        name, rdtype = _name_and_type(what)
        if isinstance(how, DNSSECStatus):
            if how not in (DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE):
                raise ValueError(f"{how.value} is not a failure; use mark()")
            bogus = how is DNSSECStatus.BOGUS
            code = ede if ede is not None else (_EDE_DNSSEC_BOGUS if bogus else _EDE_NO_REACHABLE_AUTHORITY)
            words = reason or ("signature does not verify" if bogus else "no answer in time")
            failure = _Failure(how, dns.rcode.SERVFAIL, code, words)
        else:
            words = reason or f"name server answered {dns.rcode.to_text(how)}"
            failure = _Failure(DNSSECStatus.INDETERMINATE, how, ede, words)
        if below:
            self._failed_trees[name] = failure
        self._failures[(name, rdtype)] = failure
        return self

    def answer(self, question: Question) -> Answer:
        """The answer to one question, aliases followed."""
        self.asked.append(question)
        name, status = question.name, DNSSECStatus.SECURE
        aliases: list[dns.name.Name] = []
        lowest_ttl = self.ttl
        while len(aliases) <= _MAX_ALIASES:
            failure = self._failure(name, question.rdtype)
            if failure is not None:
                return self._failed(question, name, tuple(aliases), failure)
            found = self._find(name)
            status = min(status, found.status, key=_STRENGTH.__getitem__)
            rrset = found.rrsets.get(question.rdtype)
            if rrset is not None:
                lowest_ttl = min(lowest_ttl, rrset.ttl)
                return self._answer(question, name, tuple(aliases), status, found, rrset, lowest_ttl)
            target, ttl, alias_status = self._alias(name, found)
            if target is None:
                return self._answer(question, name, tuple(aliases), status, found, None, lowest_ttl)
            status = min(status, alias_status, key=_STRENGTH.__getitem__)
            lowest_ttl = min(lowest_ttl, ttl)
            aliases.append(name)
            name = target
        loop = _Failure(DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL, None, "alias chain is too long or a loop")
        return self._failed(question, name, tuple(aliases), loop)

    def declares(self, name: dns.name.Name) -> bool:
        """Whether anything was said about a name, or a name above it other than the root."""
        said = self._status.keys() | self._failed_trees.keys() | {known for known, _ in self._failures}
        return any(node in said for node in _ancestors(name) if node != _ROOT)

    def answer_batch(self, questions: tuple[Question, ...]) -> tuple[Answer, ...]:
        """The answers to a batch, in its order."""
        self.batches.append(questions)
        return tuple(self.answer(question) for question in questions)

    def _alias(self, name: dns.name.Name, found: _Found) -> tuple[dns.name.Name | None, int, DNSSECStatus]:
        """Where a CNAME here or a DNAME above leads."""
        cname = found.rrsets.get(dns.rdatatype.CNAME)
        if cname is not None:
            rdata = cname[0]
            assert isinstance(rdata, dns.rdtypes.ANY.CNAME.CNAME)
            return rdata.target, cname.ttl, found.status
        for ancestor in list(_ancestors(name))[1:]:
            dname = self._names.get(ancestor, {}).get(dns.rdatatype.DNAME)
            if dname is not None:
                redirect = dname[0]
                assert isinstance(redirect, dns.rdtypes.ANY.DNAME.DNAME)
                target = name.relativize(ancestor).derelativize(redirect.target)
                return target, dname.ttl, self._status_of(ancestor)
        return None, self.ttl, DNSSECStatus.SECURE

    def _find(self, name: dns.name.Name) -> _Found:
        status = self._status_of(name)
        if name in self._nodes:
            return _Found(True, self._names.get(name, {}), status)
        encloser = next((node for node in _ancestors(name) if node in self._nodes), _ROOT)
        wild = dns.name.Name((b"*", *encloser.labels))
        if wild in self._names:
            owned = {rdtype: _renamed(rrset, name) for rdtype, rrset in self._names[wild].items()}
            return _Found(True, owned, self._status_of(wild))
        return _Found(False, {}, status)

    def _status_of(self, name: dns.name.Name) -> DNSSECStatus:
        return next((self._status[node] for node in _ancestors(name) if node in self._status), self.outside)

    def _failure(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> _Failure | None:
        exact = self._failures.get((name, rdtype)) or self._failures.get((name, None))
        if exact is not None:
            return exact
        return next((self._failed_trees[node] for node in _ancestors(name) if node in self._failed_trees), None)

    def _answer(
        self,
        question: Question,
        name: dns.name.Name,
        aliases: tuple[dns.name.Name, ...],
        status: DNSSECStatus,
        found: _Found,
        rrset: dns.rrset.RRset | None,
        ttl: int,
    ) -> Answer:
        text = "found" if rrset is not None else ("no such record" if found.exists else "no such name")
        return Answer(
            question=question,
            rcode=dns.rcode.NOERROR if found.exists else dns.rcode.NXDOMAIN,
            status=status,
            canonical_name=name,
            rrset=rrset,
            aliases=aliases,
            expires=self.now + ttl,
            reason="" if rrset is not None else text,
            chain=(ChainLink(name, text, status),),
        )

    def _failed(
        self, question: Question, name: dns.name.Name, aliases: tuple[dns.name.Name, ...], failure: _Failure
    ) -> Answer:
        return Answer(
            question=question,
            rcode=failure.rcode,
            status=failure.status,
            canonical_name=name,
            aliases=aliases,
            expires=self.now + 1,
            ede=failure.ede,
            reason=failure.reason,
            chain=(ChainLink(name, failure.reason, failure.status),),
        )


def _ancestors(name: dns.name.Name) -> Iterator[dns.name.Name]:
    """The name itself, then every name above it up to the root."""
    while True:
        yield name
        if name == _ROOT:
            return
        name = name.parent()


def _renamed(rrset: dns.rrset.RRset, name: dns.name.Name) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, rrset.ttl, list(rrset))


def _name_and_type(what: str) -> tuple[dns.name.Name, dns.rdatatype.RdataType | None]:
    name, _, rdtype = what.strip().partition(" ")
    return dns.name.from_text(name), dns.rdatatype.from_text(rdtype.strip()) if rdtype.strip() else None
