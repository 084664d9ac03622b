"""The metrics of operators' scripts and rules. Names of hooks are theirs; `danelaw.scripting` bounds their number."""

from __future__ import annotations

from danelaw.telemetry.instruments import Counter, Gauge


class ScriptingMetrics:
    """Part of `danelaw.telemetry.metrics.Metrics`."""

    def _scripting(self) -> None:
        """What operators' hooks do, and what they count themselves."""
        self.policy_calls = Counter(
            "danelaw_policy_calls",
            "Calls of hooks; `hook` is the name of its function, `outcome` a verdict, none, failed or resting.",
            "hook",
            "outcome",
        )
        self.policy_seconds = Counter("danelaw_policy_seconds", "Time from the call of a hook to its verdict.", "hook")
        self.rule_matches = Counter("danelaw_rule_matches", "Recipients and messages a `[[rule]]` applied to.", "rule")
        self.policy_counter = Counter(
            "danelaw_policy_counter", "What scripts count; `name` is theirs, at most 200 of them.", "name"
        )
        self.policy_gauge = Gauge("danelaw_policy_gauge", "What scripts measure; `name` is theirs.", "name")
        self.policy_running = Gauge("danelaw_policy_running", "Calls of a hook that wait for something now.", "hook")
        self.policy_pending = Gauge(
            "danelaw_policy_pending", "Calls of a hook that wait for a turn, since too many wait already.", "hook"
        )
        self.policy_unusable = Gauge(
            "danelaw_policy_unusable", "Processes that can use no version of the policy and defer all mail."
        )
        self.policy_withdrawn = Counter(
            "danelaw_policy_withdrawn", "Staged versions that were withdrawn since their hooks failed too often."
        )
        self.shadow_steps = Counter("danelaw_policy_shadow_steps", "Steps at which a shadow was asked too.")
        self.shadow_differences = Counter(
            "danelaw_policy_shadow_differences",
            "Differences of shadows; `what` is verdict, recipients, sender, edit, handling, note or tag.",
            "what",
        )
        self.shadow_dropped = Counter(
            "danelaw_policy_shadow_dropped", "Connections a shadow did not follow, having no time for them."
        )
