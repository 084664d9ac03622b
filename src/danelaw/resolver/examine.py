"""The probe itself: asks each upstream what validation will need and compares (RFC 8027 §3, RFC 4035 §3.2)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.RRSIG import RRSIG

from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.dnssec import Response, Validator
from danelaw.resolver import findings
from danelaw.resolver.fetch import Fetcher
from danelaw.resolver.probe import Finding, ProbeReport, Severity
from danelaw.resolver.race import Attempt
from danelaw.resolver.settings import ResolverMode, ResolverSettings
from danelaw.resolver.transport import Transport
from danelaw.resolver.upstream import Upstream

_UDP_TRIES = 2


class Examination:
    """One probe of every upstream at time `now` (POSIX seconds)."""

    def __init__(self, settings: ResolverSettings, fetcher: Fetcher, now: float) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._now = now
        self._zone = settings.probe_zone
        label = f"danelaw-probe-{secrets.token_hex(6)}".encode()
        self._absent = Question(dns.name.Name((label, *self._zone.labels)), dns.rdatatype.TLSA)

    async def run(self) -> ProbeReport:
        """Examine all upstreams at the same time."""
        results = await asyncio.gather(*(self._examine(upstream) for upstream in self._fetcher.upstreams))
        found: list[Finding] = []
        fit: list[str] = []
        unfit: list[str] = []
        for upstream, about in zip(self._fetcher.upstreams, results, strict=True):
            found.extend(about)
            bad = any(finding.severity is Severity.ERROR for finding in about)
            (unfit if bad else fit).append(upstream.name)
        if not fit:
            found.insert(0, findings.nothing_usable(len(unfit)))
        return ProbeReport(self._now, tuple(found), tuple(fit), tuple(unfit))

    async def _examine(self, upstream: Upstream) -> list[Finding]:
        soa = Question(self._zone, dns.rdatatype.SOA)
        udp, tcp = await asyncio.gather(
            self._ask(upstream, Transport.UDP, soa), self._ask(upstream, Transport.TCP, soa)
        )
        name = upstream.name
        if not _arrived(udp) and not _arrived(tcp):
            return [findings.silent(name, udp.failure)]
        found = list(_transport_findings(name, udp, tcp))
        best = udp.response if udp.usable else tcp.response or udp.response
        if best is None or best.message is None:
            return [*found, findings.refuses(name, tcp.failure or udp.failure)]
        if best.problem is not None:
            return [*found, findings.refuses(name, best.problem)]
        if _loud(found):
            return found
        found.extend(await self._about_absence(upstream))
        if self._settings.mode is ResolverMode.TRUST_AD:
            if not best.message.flags & dns.flags.AD:
                found.append(findings.no_ad(name, self._zone.to_text()))
            return found
        found.extend(self._about_signatures(name, best.message))
        if not _loud(found):
            found.extend(await self._about_chain(upstream, soa))
        return found

    def _about_signatures(self, server: str, message: dns.message.Message) -> Iterator[Finding]:
        zone = self._zone.to_text()
        signatures = list(_signatures(message))
        if not signatures:
            yield findings.rrsig_stripped(server, zone)
            return
        if not message.ednsflags & dns.flags.DO:
            yield findings.do_cleared(server)
        if not message.flags & dns.flags.CD:
            yield findings.cd_cleared(server)
        if all(signature.expiration < self._now for signature in signatures):
            yield findings.clock_ahead(server, zone, max(signature.expiration for signature in signatures))
        elif all(signature.inception > self._now for signature in signatures):
            yield findings.clock_behind(server, zone, min(signature.inception for signature in signatures))

    async def _about_absence(self, upstream: Upstream) -> list[Finding]:
        """A TLSA question for a random name: must come back as NXDOMAIN with its proof."""
        name, absent = upstream.name, self._absent.name.to_text()
        by_tcp = False
        attempt = await self._ask(upstream, Transport.UDP, self._absent)
        if not attempt.usable:
            by_tcp = not attempt.by_tcp
            why = attempt.failure
            attempt = await self._ask(upstream, Transport.TCP, self._absent)
        message = attempt.response.message if attempt.response is not None else None
        if message is None or not attempt.usable:
            return [findings.nxdomain_lost(name, attempt.failure, by_tcp=False)]
        if message.answer:
            return [findings.nxdomain_rewritten(name, absent)]
        found = [findings.nxdomain_lost(name, why, by_tcp=True)] if by_tcp else []
        if self._settings.mode is ResolverMode.VALIDATE and not _has_denial(message):
            found.append(findings.denial_stripped(name, absent))
        return found

    async def _about_chain(self, upstream: Upstream, question: Question) -> list[Finding]:
        answer = await self._validate(upstream, question)
        if answer.status is DNSSECStatus.SECURE:
            return []
        return [findings.not_proved(upstream.name, self._zone.to_text(), answer.status.value, answer.reason)]

    async def _validate(self, upstream: Upstream, question: Question) -> Answer:
        settings = self._settings
        steps = Validator(settings.anchors, limits=settings.limits).resolve(question, self._now)
        try:
            batch = next(steps)
            while True:
                batch = steps.send(tuple([await self._response(upstream, question) for question in batch]))
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer

    async def _response(self, upstream: Upstream, question: Question) -> Response:
        attempt = await self._ask(upstream, Transport.UDP, question)
        if not attempt.usable:
            attempt = await self._ask(upstream, Transport.TCP, question)
        return attempt.response or Response.failed(question, attempt.failure)

    async def _ask(self, upstream: Upstream, transport: Transport, question: Question) -> Attempt:
        """Ask once by TCP, or by UDP a second time when the first datagram may have been lost."""
        seconds = self._settings.timeouts.stagger * 2
        for _ in range(_UDP_TRIES if transport is Transport.UDP else 1):
            try:
                async with asyncio.timeout(seconds):
                    return await self._fetcher.attempt(question, upstream, transport)
            except TimeoutError:
                continue
        return Attempt(None, failure=f"no answer within {seconds:g} s over {transport.value}")


def _arrived(attempt: Attempt) -> bool:
    return attempt.response is not None or attempt.by_tcp


def _loud(found: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in found)


def _transport_findings(server: str, udp: Attempt, tcp: Attempt) -> Iterator[Finding]:
    if udp.edns_missing:
        tcp_message = tcp.response.message if tcp.response is not None else None
        yield findings.edns_stripped(server, also_tcp=tcp_message is None or tcp_message.edns < 0)
    elif not _arrived(udp):
        yield findings.no_udp(server, udp.failure)
    if not _arrived(tcp):
        yield findings.no_tcp(server, tcp.failure)


def _signatures(message: dns.message.Message) -> Iterator[RRSIG]:
    for rrset in message.answer:
        for rdata in rrset:
            if isinstance(rdata, RRSIG):
                yield rdata


def _has_denial(message: dns.message.Message) -> bool:
    """NSEC or NSEC3, and a signature, in the authority section (RFC 4035 §3.1.3)."""
    types = {rrset.rdtype for rrset in message.authority}
    return dns.rdatatype.RRSIG in types and bool(types & {dns.rdatatype.NSEC, dns.rdatatype.NSEC3})
