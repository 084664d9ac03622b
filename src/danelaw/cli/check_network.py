"""Is it them or us? Whether nobody answers `danelaw check` because this network lets no port 25 out."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.address import Domain
    from danelaw.outbound.probe import Probed
    from danelaw.resolver import Resolver

Routes = Mapping[tuple[str, int], tuple[str, int]]
_PORT = 25
_WORDS = "not tested: this network blocks port 25 (unrelated mail servers do not answer either)"


async def blocked(
    probes: Sequence[Probed], unrelated: Sequence[Domain], resolver: Resolver, routes: Routes
) -> str | None:
    """The words for it when no server of the destination took a connection and no unrelated one does either.

    `unrelated` are mail servers of others ([doctor] port25_hosts); `routes` redirects (address, 25) for a lab. None
    when the destination was reached, is on our own network, or nobody else can be found to compare with.
    """
    from danelaw.dnsdata import Question
    from danelaw.doctor.network import greeting
    from danelaw.outbound.checkup import untaken

    if not any(_abroad(address, routes) for address in untaken(probes)):
        return None
    answers = await asyncio.gather(*(resolver.ask(Question.from_text(host.ascii, "A")) for host in unrelated))
    elsewhere = [record.to_text() for answer in answers for record in answer.records[:1]]
    greetings = await asyncio.gather(*(greeting(*routes.get((one, _PORT), (one, _PORT))) for one in elsewhere))
    return _WORDS if greetings and not any(greetings) else None


def _abroad(address: str, routes: Routes) -> bool:
    """A server on our own network proves nothing about the way out; a routed one is where its route leads."""
    return (address, _PORT) in routes or ipaddress.ip_address(address).is_global
