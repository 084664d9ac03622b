"""The metrics of reports: DMARC, TLS, and mail that comes back or is complained about."""

from __future__ import annotations

from danelaw.telemetry.instruments import Counter


class ReportingMetrics:
    """Part of `danelaw.telemetry.metrics.Metrics`."""

    def _reporting(self) -> None:
        """Reports of ours and of others about mail and TLS, and what comes back."""
        self.dmarc_report_messages = Counter(
            "danelaw_dmarc_report_messages",
            "Messages from domains that ask for DMARC reports; `result` is counted, or dropped for want of room.",
            "result",
        )
        self.dmarc_reports = Counter(
            "danelaw_dmarc_reports",
            "DMARC reports; `kind` is aggregate or failure, `result` is sent, refused (nobody may be sent it), "
            "given-up, suppressed (by the rate), received, duplicate, discarded (by the policy) or unreadable.",
            "kind",
            "result",
        )
        self.tls_report_sessions = Counter(
            "danelaw_tls_report_sessions",
            "Sessions by policy for TLS reports of ours; `result` is counted, or dropped for want of room.",
            "result",
        )
        self.tls_reports_sent = Counter(
            "danelaw_tls_reports_sent",
            "TLS reports of ours by destination; `way` is mail, https, or nobody (no domain asked for it), `result` is "
            "sent, refused (a destination we do not use), failed (it is tried again), given-up or unwanted.",
            "way",
            "result",
        )
        self.feedback = Counter(
            "danelaw_feedback",
            "Mail to the addresses of `[reports] feedback`; `kind` is arf (a complaint), dsn, bounce (another mail "
            "that came back) or unknown, `result` is received, discarded (by the policy) or unreadable.",
            "kind",
            "result",
        )
