"""What failed replies mean here, and what follows from them: class, retry, words for the sender, suspensions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from danelaw.replies import Action, Classifier, Response, Responses, SpokenReply, shipped
from danelaw.routing import mx_site

if TYPE_CHECKING:
    from danelaw.queue import RoutingKey
    from danelaw.replies import BounceClass
    from danelaw.smtp import Reply
    from danelaw.telemetry import Log, Metrics

Suspend = Callable[[str, float, str, str], None]


class Meaning(NamedTuple):
    """What a failed reply means for one recipient. `hold` keeps the message for the postmaster."""

    bounce_class: BounceClass
    again: bool
    hold: bool


@dataclass(slots=True, kw_only=True)
class Answers:
    """Classifies failed replies and acts on them. `suspend` takes filter, seconds, reason and who."""

    log: Log
    metrics: Metrics
    classifier: Classifier = field(default_factory=shipped)
    responses: Responses = field(default_factory=lambda: Responses(()))
    site_of: Callable[[str], str] = mx_site
    ticks: Callable[[], float] = time.monotonic
    suspend: Suspend | None = None

    def heard(self, reply: Reply, host: str, key: RoutingKey) -> Meaning:
        """A host refused something with this reply, for mail of this queue. To be called once for each reply."""
        spoken, site = SpokenReply.of(reply), self.site_of(host) if host else ""
        found = self.classifier.classify(spoken, site)
        one = found.bounce_class
        response = self.responses.heard(found, spoken, site, key.next_hop, self.ticks())
        if response is not None and response.action is Action.SUSPEND:
            self._suspend(response, reply, one.name, site, key)
        hold = response is not None and response.action is Action.HOLD
        return Meaning(one, one.treatment.again(reply.code), hold)

    def _suspend(self, response: Response, reply: Reply, name: str, site: str, key: RoutingKey) -> None:
        if self.suspend is None:
            return
        chosen = f'site:"{site}"' if response.of == "site" and site else f'host:"{key.next_hop}"'
        self.suspend(chosen, response.time, f"{name}: {str(reply)[:200]}", response.place)
