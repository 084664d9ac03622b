"""How other servers protect mail, for scripts: the survey and the judge of deliveries, as in `danelaw check`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.outbound.checkup import Checkup
from danelaw.outbound.probe import probe
from danelaw.outbound.transmission import Patience
from danelaw.policy import LibraryError, TLSProbe
from danelaw.routing import NextHop
from danelaw.scripting.driving import in_task
from danelaw.scripting.library.call import library_call
from danelaw.tlspolicy import SenderDemand, StartTLSOutcome

if TYPE_CHECKING:
    from danelaw.outbound.destination import Surveyor
    from danelaw.outbound.opening import Door
    from danelaw.outbound.probe import Probed
    from danelaw.pkix import Roots

SECONDS = 30.0
_AT_ONCE = 4
_PATIENCE = Patience(connect=5.0, handshake=10.0, greeting=15.0, command=10.0)
_WITHOUT = frozenset({StartTLSOutcome.NOT_OFFERED, StartTLSOutcome.HELO_ONLY, StartTLSOutcome.NOT_TRIED})


class MailHostProbe:
    """`policy.library.TLS`. At most four domains at once; a server has less patience than a delivery would have."""

    def __init__(
        self, surveyor: Surveyor, door: Door, roots: Roots, clock: Callable[[], float], seconds: float = SECONDS
    ) -> None:
        self._surveyor = surveyor
        self._door = replace(door, patience=_PATIENCE)
        self._roots = roots
        self._clock = clock
        self._seconds = seconds
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @library_call("tls.probe")
    async def probe(self, domain: str) -> tuple[TLSProbe, ...]:
        """Every address of every host; no MAIL is sent."""
        try:
            next_hop = NextHop.from_text(domain)
        except DanelawError as error:
            raise LibraryError(error.reason, advice=error.advice) from None
        await in_task()
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                survey = await self._surveyor.survey(next_hop, SenderDemand.NONE, self._clock())
                if survey.error is not None:
                    raise LibraryError(f"{domain} cannot be looked up: {survey.error}")
                checkup = Checkup(domain, survey, await probe(survey, self._door, self._roots, self._clock))
        except TimeoutError:
            raise LibraryError(f"the servers of {domain} were not all seen within {self._seconds:g} s") from None
        return tuple(_seen(checkup, one) for one in checkup.probes)


def _seen(checkup: Checkup, probed: Probed) -> TLSProbe:
    handshake = probed.handshake
    return TLSProbe(
        host=probed.plan.host.ascii,
        address=probed.address or "",
        level=checkup.level_of(probed),
        protection=probed.protection.value if probed.protection is not None else "not known",
        offered=handshake is not None and handshake.starttls not in _WITHOUT,
        version=(handshake.version or "") if handshake is not None else "",
        reason=checkup.reason_of(probed),
    )
