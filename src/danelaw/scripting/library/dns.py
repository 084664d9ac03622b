"""DNS for scripts: the gateway's own validating resolver and its cache."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Any, TypeVar

import dns.exception
import dns.name
import dns.rdatatype

from danelaw.address import Domain
from danelaw.clientname import look_up_client_name
from danelaw.dnsdata import Answer, Question
from danelaw.dnslist import DNSList, Inquiry, ListStatus, look_up
from danelaw.errors import DanelawError
from danelaw.policy import DNSAnswer, LibraryError
from danelaw.scripting.driving import in_task
from danelaw.scripting.library.call import library_call

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from danelaw.resolver import Resolver

T = TypeVar("T")
SECONDS = 8.0


class ResolverDNS:
    """`policy.library.DNS` over the resolver."""

    def __init__(self, resolver: Resolver, seconds: float = SECONDS) -> None:
        self._resolver = resolver
        self._seconds = seconds

    @library_call("dns.lookup")
    async def lookup(self, name: str, type: str) -> DNSAnswer:
        """Records of any type, from the cache without waiting where they are there."""
        return await self._lookup(name, type)

    @library_call("dns.addresses")
    async def addresses(self, name: str) -> tuple[str, ...]:
        """IPv6 and IPv4 addresses of a host."""
        found = [await self._lookup(name, kind) for kind in ("AAAA", "A")]
        return tuple(record for answer in found for record in answer.records)

    @library_call("dns.names")
    async def names(self, address: str) -> tuple[str, ...]:
        """The names of an address that lead back to it."""
        found = await self._within(self._resolver.run(look_up_client_name(_address(address))))
        if found.result.value == "temperror":
            raise LibraryError(f"DNS does not say now what {address} is called")
        return tuple(name.ascii for name in found.names)

    @library_call("dns.listed")
    async def listed(self, subject: str, zone: str) -> tuple[str, ...]:
        """Return addresses of a DNS list."""
        try:
            about: Any = ipaddress.ip_address(subject)
        except ValueError:
            about = _domain(subject)
        inquiry = Inquiry(DNSList(_domain(zone)), about)
        (found,) = await self._within(self._resolver.run(look_up([inquiry])))
        if found.status is ListStatus.LISTED:
            return found.codes
        if found.status is ListStatus.NOT_LISTED:
            return ()
        raise LibraryError(f"{zone} does not say whether {subject} is listed: {found.reason}")

    async def _lookup(self, name: str, type: str) -> DNSAnswer:
        question = _question(name, type)
        answer = self._resolver.cached(question)
        if answer is None:
            answer = await self._within(self._resolver.ask(question))
        return _answer(name, type, answer)

    async def _within(self, asked: Awaitable[T]) -> T:
        await in_task()
        try:
            async with asyncio.timeout(self._seconds):
                return await asked
        except TimeoutError:
            raise LibraryError(f"no answer of DNS within {self._seconds:g} s") from None


def _question(name: str, type: str) -> Question:
    try:
        return Question(dns.name.from_text(name), dns.rdatatype.from_text(type))
    except (dns.exception.DNSException, ValueError) as error:
        raise LibraryError(f"{name[:80]!r} {type[:20]!r} is no question for DNS: {error}") from None


def _answer(name: str, type: str, answer: Answer) -> DNSAnswer:
    if answer.failed:
        raise LibraryError(f"DNS fails for {name} {type}: {answer.reason or answer.status.value}")
    status: Any = answer.status.value
    return DNSAnswer(name, type, status, not answer.nxdomain, tuple(record.to_text() for record in answer.records))


def _address(text: str) -> Any:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise LibraryError(f"{text[:60]!r} is no IP address") from None


def _domain(text: str) -> Domain:
    try:
        return Domain.from_text(text)
    except DanelawError as error:
        raise LibraryError(error.reason) from None
