"""Deliveries that a policy gives to a carrier of its own, made when it first asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from danelaw import policy
from danelaw.carriers import Addressee, Maildir, Parcel, Pipe, Post, Template
from danelaw.net.fetch import verifying_context
from danelaw.outbound.by_carrier import end_of
from danelaw.outbound.steps import Carried

if TYPE_CHECKING:
    from danelaw.carriers import Carrier
    from danelaw.outbound.steps import PendingDelivery
    from danelaw.pkix import Roots

MOST = 200
"""Carriers kept ready; a policy that makes a new one for every message closes the oldest."""


class PolicyCarriers:
    """Carriers by what a policy says of them."""

    def __init__(
        self,
        hostname: str,
        addresses: Callable[[str], Awaitable[Sequence[str]]],
        roots: Roots | None,
        clock: Callable[[], float],
    ) -> None:
        """`addresses` finds services, `clock` gives POSIX seconds."""
        self._hostname = hostname
        self._addresses = addresses
        self._roots = roots
        self._clock = clock
        self._ready: dict[policy.Carrier, Carrier] = {}

    async def carry(self, wanted: policy.Carrier, pending: PendingDelivery) -> Carried:
        """What became of each recipient. Raises `danelaw.carriers.CarrierDown`, `TemplateError`, `SpoolError`."""
        carrier = self._ready.get(wanted)
        if carrier is None:
            while len(self._ready) >= MOST:
                await self._ready.pop(next(iter(self._ready))).close()
            carrier = self._ready[wanted] = self._made(wanted)
        message = pending.message
        if message.body_file is None:
            content = b"".join(pending.octets())
        else:
            content = await asyncio.to_thread(lambda: b"".join(pending.octets()))
        parcel = Parcel(
            id=message.id_text,
            reverse_path=message.reverse_path,
            addressees=tuple(Addressee(one.number, one.forward_path) for one in message.recipients),
            size=len(content),
            content=content,
            received_at=message.received_at,
            expires=message.expires,
            tried=True,
        )
        ends = await carrier.carry(parcel)
        made = {
            one.number: end_of(one, ends[one.number], carrier.name) for one in message.recipients if one.number in ends
        }
        return Carried(carrier.name, made)

    def _made(self, wanted: policy.Carrier) -> Carrier:
        match wanted:
            case policy.Maildir(path):
                return Maildir("maildir", Template(path), self._hostname)
            case policy.Pipe(argv, seconds):
                return Pipe("pipe", [Template(text) for text in argv], seconds=seconds)
            case policy.HTTPPost(url, token, seconds):
                secure = url.startswith("https:") and self._roots is not None
                context = verifying_context(self._roots) if secure and self._roots is not None else None
                return Post("http", url, self._addresses, context, self._clock, token=token, seconds=seconds)

    async def close(self) -> None:
        """Nothing more is carried."""
        for carrier in self._ready.values():
            await carrier.close()
        self._ready.clear()
