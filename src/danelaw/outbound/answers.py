"""What failed replies mean here, and what follows: class, retry, words for the sender, and what responses call for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from danelaw.replies import Action, Classifier, Response, Responses, SpokenReply, shipped
from danelaw.routing import mx_site

if TYPE_CHECKING:
    from danelaw.outbound.local_addresses import LocalAddresses
    from danelaw.queue import RoutingKey
    from danelaw.replies import BounceClass
    from danelaw.smtp import Reply
    from danelaw.telemetry import Log, Metrics

Suspend = Callable[[str, float, str, str], None]
Slow = Callable[[Response, str, "RoutingKey", str], None]


class Meaning(NamedTuple):
    """What a failed reply means for one recipient. `hold` keeps the message for the postmaster; `wait` is the shortest
    pause before the next try.
    """

    bounce_class: BounceClass
    again: bool
    hold: bool
    wait: float = 0.0


@dataclass(slots=True, kw_only=True)
class Answers:
    """Classifies failed replies and acts on them. `suspend` takes filter, seconds, reason and who; `slow` takes the
    response, the site, the queue and the reason.
    """

    log: Log
    metrics: Metrics
    classifier: Classifier = field(default_factory=shipped)
    responses: Responses = field(default_factory=lambda: Responses(()))
    site_of: Callable[[str], str] = mx_site
    ticks: Callable[[], float] = time.monotonic
    suspend: Suspend | None = None
    slow: Slow | None = None
    addresses: LocalAddresses | None = None

    def heard(self, reply: Reply, host: str, key: RoutingKey, local: str = "") -> Meaning:
        """A host refused something with this reply, for mail of this queue, sent from our address `local`. To be called
        once for each reply.
        """
        spoken, site = SpokenReply.of(reply), self.site_of(host) if host else ""
        found = self.classifier.classify(spoken, site)
        one = found.bounce_class
        response = self.responses.heard(found, spoken, site, key.next_hop, self.ticks())
        again = one.treatment.again(reply.code)
        if response is None:
            return Meaning(one, again, False, one.wait)
        because = f"{one.name}: {str(reply)[:200]}"
        moved = False
        match response.action:
            case Action.SUSPEND:
                self._suspend(response, because, site, key)
            case Action.SLOW_DOWN:
                if self.slow is not None:
                    self.slow(response, site, key, because)
            case Action.OTHER_ADDRESS:
                moved = self._move(response, because, site, key, local)
        self.metrics.responses.add(response.action.value)
        # What was refused because of our address is for the next one to try, and soon.
        return Meaning(one, again or moved, response.action is Action.HOLD, 0.0 if moved else one.wait)

    def _suspend(self, response: Response, because: str, site: str, key: RoutingKey) -> None:
        if self.suspend is None:
            return
        chosen = f'site:"{site}"' if response.of == "site" and site else f'host:"{key.next_hop}"'
        self.suspend(chosen, response.time, because, response.place)

    def _move(self, response: Response, because: str, site: str, key: RoutingKey, local: str) -> bool:
        """Whether there is another address of ours to send from."""
        of, name = ("site", site) if response.of == "site" and site else ("domain", key.next_hop)
        if self.addresses is None or not self.addresses.leave(local, of, name, response.time, because):
            self.log.warning("no-other-address", address=local or None, site=site, reason=because)
            return False
        self.log.event(
            "other-address",
            address=local,
            **{of: name},
            seconds=round(response.time),
            reason=because,
            who=response.place,
        )
        return True
