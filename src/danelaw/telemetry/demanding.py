"""What is counted of senders' demands: who asks for what, and what comes of it."""

from __future__ import annotations

from danelaw.telemetry.instruments import Counter


class DemandMetrics:
    """A part of `Metrics`."""

    def _demanding(self) -> None:
        self.demand_requests = Counter(
            "danelaw_demand_requests",
            "Recipients for whom senders demanded something; `by` is parameter (REQUIRETLS of MAIL), waiver "
            "(TLS-Required), field (Danelaw-Require) or address, `demand` is encrypted, verified, dane, requiretls, "
            "requiretls+dane, tls-required-no, or refused for requests that could not be read.",
            "by",
            "demand",
        )
        self.sender_demands = Counter(
            "danelaw_sender_demands",
            "What came of mail under a sender's demand: `demand` is encrypted, verified, dane, requiretls, "
            "requiretls+dane or tls-required-no, `outcome` delivered, delivered without the extension (an override let "
            "REQUIRETLS mail go on over verified TLS) or returned, per recipient, or waiting, per try.",
            "demand",
            "outcome",
        )

    def came_of(self, demand: str, outcome: str, *, by: int = 1) -> None:
        """Count what came of a sender's demand; nothing where there is none."""
        if demand:
            self.sender_demands.add(demand, outcome, by=by)
