"""One authoritative name server asked without recursion, to see whether it answers at all. Never used in delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from danelaw.dnsdata import Question
from danelaw.dnssec import Response
from danelaw.resolver.fetch import parse
from danelaw.resolver.transport import ExchangeFailed, tcp, udp
from danelaw.resolver.wire import Belongs, Query

TRIES = 3
"""Datagrams get lost: one silence proves nothing."""
_PAYLOAD = 1232
_RCODE = 0x0F


@dataclass(frozen=True, slots=True)
class DirectReply:
    """What came back. `rcode` is None without any reply in `tries` tries; then `reason` says why in words."""

    rcode: int | None
    tries: int
    reason: str = ""


async def ask_directly(
    server: tuple[str, int], question: Question, new_id: Callable[[], int], *, tries: int = TRIES, seconds: float = 1.2
) -> DirectReply:
    """Ask by UDP up to `tries` times, waiting `seconds` each time; `new_id` gives a fresh message id below 65536.

    The content is not looked at: a truncated reply is one too. Never raises for what the server does.
    """
    reason = f"no answer in {seconds:g} s"
    for number in range(1, tries + 1):
        query = Query.build(question, new_id(), payload=_PAYLOAD, checking_disabled=True, recursive=False)
        try:
            async with asyncio.timeout(seconds):
                wire = await udp(server, query)
        except TimeoutError:
            continue
        except ExchangeFailed as error:
            return DirectReply(None, number, str(error))
        return DirectReply(wire[3] & _RCODE, number)
    return DirectReply(None, tries, reason)


async def response_of(
    server: tuple[str, int], question: Question, new_id: Callable[[], int], *, tries: int = TRIES, seconds: float = 1.2
) -> Response:
    """The whole response, by UDP and where that is truncated by TCP, for a validator. Never raises for what the server
    does.
    """
    failure = f"no answer in {tries} tries"
    for _ in range(tries):
        query = Query.build(question, new_id(), payload=_PAYLOAD, checking_disabled=True, recursive=False)
        try:
            async with asyncio.timeout(seconds):
                wire = await udp(server, query)
                if query.belongs(wire) is Belongs.TRUNCATED:
                    wire = await tcp(server, query)
        except TimeoutError:
            continue
        except ExchangeFailed as error:
            return Response.failed(question, str(error))
        return parse(question, wire)
    return Response.failed(question, failure)
