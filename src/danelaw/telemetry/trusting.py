"""The metrics of trust groups; a part of `Metrics`. The label `group` has the names in the configuration."""

from __future__ import annotations

from danelaw.telemetry.instruments import Counter, Gauge


class TrustMetrics:
    """What is counted of trust groups."""

    def _trusting(self) -> None:
        self.trust_messages = Counter(
            "danelaw_trust_messages",
            "Mail from outside by what it is to a trust `group`; `result` is member, breach, undecided (DNS failed for "
            "what it must show), unknown (DNS could not say whether it is from a member) or non-member.",
            "group",
            "result",
        )
        self.trust_members = Gauge(
            "danelaw_trust_members",
            "Members of a trust `group` whose servers are looked at, by `standing`: kept, broken, left, or new before "
            "the first look.",
            "group",
            "standing",
        )
        self.trust_changes = Counter(
            "danelaw_trust_changes",
            "Members of a trust `group` whose standing changed; `standing` is kept, broken or left.",
            "group",
            "standing",
        )
