"""Every metric there is, in one place; docs/metrics.md is made from these declarations.

Label values are closed vocabularies of this program, never text from a peer: a label per destination would
let anybody grow our memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from danelaw import __version__
from danelaw.telemetry.instruments import Counter, Gauge, Histogram, Instrument
from danelaw.telemetry.reporting import ReportingMetrics
from danelaw.telemetry.scripting import ScriptingMetrics
from danelaw.telemetry.trusting import TrustMetrics

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WAITS = (0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 172800.0, 432000.0)
_BATCHES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Metrics(ReportingMetrics, ScriptingMetrics, TrustMetrics):
    """The numbers of one gateway. Each attribute is an instrument; its `meaning` says what it counts.

    `refresh` is called before the numbers are shown, to read those that are kept elsewhere.
    """

    def __init__(self) -> None:
        self.refresh: Callable[[], None] = lambda: None
        self._receiving()
        self._scripting()
        self._examining()
        self._trusting()
        self._at_the_door()
        self._reporting()
        self._queueing()
        self._sending()
        self._asking()
        self._sharing()
        self._itself()

    def _receiving(self) -> None:
        self.inbound_connections = Counter(
            "danelaw_inbound_connections", "Client connections; `result` is accepted or refused.", "result"
        )
        self.inbound_open = Gauge("danelaw_inbound_open_connections", "Client connections open now.")
        self.inbound_handshakes = Counter(
            "danelaw_inbound_tls_handshakes",
            "TLS handshakes with clients; `result` is TLSv1.2, TLSv1.3, another version, or failed.",
            "result",
        )
        self.inbound_messages = Counter("danelaw_inbound_messages", "Messages accepted: on stable storage, then 250.")
        self.inbound_bytes = Counter("danelaw_inbound_bytes", "Octets of accepted messages.")
        self.inbound_refusals = Counter(
            "danelaw_inbound_refusals",
            "Refused commands; `stage` is connect, helo, auth, mail, rcpt, data or other, `class` is 4 or 5.",
            "stage",
            "class",
        )
        self.inbound_window = Gauge(
            "danelaw_inbound_window", "Messages that may be under way at once; it shrinks when answers come late."
        )

        self.inbound_pace = Gauge(
            "danelaw_inbound_pace",
            "Messages a second that may begin while deliveries lack the event loop's time; 0 when all may.",
        )
        self.inbound_lobby = Gauge(
            "danelaw_inbound_waiting_clients", "Clients whose greeting waits for an overload to end."
        )
        self.inbound_ceilings = Counter(
            "danelaw_inbound_ceilings",
            "Uses refused because of `[limits]`; `ceiling` is connections, messages, recipients, octets, handshakes, "
            "errors, refused for errors, open connections, progress, failed logins, messages of a user or recipients "
            "of a user, `scope` is client or total.",
            "ceiling",
            "scope",
        )

        self.inbound_logins = Counter(
            "danelaw_inbound_logins",
            "Logins of users; `mechanism` is plain, login or scram-sha-256, `result` is passed, failed, deferred or "
            "locked-out.",
            "mechanism",
            "result",
        )

    def _examining(self) -> None:
        """What steps find out between a client and the queue."""
        self.filter_requests = Counter(
            "danelaw_filter_requests",
            "Messages shown to a filter; `filter` is its configured name, `verdict` clean, tag, greylist, found, "
            "defer, hold, discard, too-large or failed.",
            "filter",
            "verdict",
        )
        self.filter_seconds = Counter("danelaw_filter_seconds", "Time spent waiting for a filter.", "filter")
        self.filter_breakers = Gauge(
            "danelaw_filter_servers_left_alone", "Servers of a filter that are not asked now since they fail.", "filter"
        )
        self.dns_lists = Counter(
            "danelaw_dns_list_lookups", "Look-ups in DNS lists; `result` is listed, not-listed or failed.", "result"
        )
        self.client_names = Counter(
            "danelaw_client_names",
            "Names of clients looked up; `kind` is reverse (`result` as in RFC 8601 §2.7.3) or helo (pass, mismatch, "
            "unresolvable, syntax, other-literal, own-name, temperror).",
            "kind",
            "result",
        )
        self.greylisted = Counter(
            "danelaw_greylist",
            "Recipients before greylisting; `result` is first or early (deferred), passed, known, allowed (the "
            "network), exempt, or failed.",
            "result",
        )
        self.recipients_verified = Counter(
            "danelaw_recipients_verified",
            "Recipients looked at; `source` is map, call-ahead or ldap, `result` is known, unknown or unsure.",
            "source",
            "result",
        )
        self.inbound_discarded = Counter(
            "danelaw_inbound_discarded", "Messages that a `step` ruled to go nowhere; their clients got 250.", "step"
        )
        self.authentication_results = Counter(
            "danelaw_authentication_results",
            "Messages by `method` (spf, dkim, arc, dmarc) and its `result` as in RFC 8601 §2.7.",
            "method",
            "result",
        )
        self.authentication_decisions = Counter(
            "danelaw_authentication_decisions",
            "What became of messages by where they come from: `action` is accept, quarantine, defer or refuse, `cause` "
            "is nothing, dmarc, author or spf.",
            "action",
            "cause",
        )
        self.inbound_step_failures = Counter(
            "danelaw_inbound_step_failures", "Faults of a `step` and its time-outs; the clients got 451.", "step"
        )

    def _at_the_door(self) -> None:
        """What is known of senders, and waits they are given."""
        self.look_alikes = Counter(
            "danelaw_look_alikes",
            "Facts about senders; `result` is same-shape, embedded, added-words, near, other-ending, address-in-name, "
            "or protected-name.",
            "result",
        )
        self.correspondents = Counter(
            "danelaw_correspondents", "Strangers' messages; `result` is first-time or known.", "result"
        )
        self.rewritten = Counter(
            "danelaw_srs",
            "Addresses by SRS; `result` is rewritten, not-rewritten (too long), led-back, refused (forged, expired).",
            "result",
        )
        self.tarpitted = Counter(
            "danelaw_tarpit",
            "Waits strangers were given; `result` is greeting, refusal, full (served at once), or early-talker.",
            "result",
        )

    def _queueing(self) -> None:
        self.queue_messages = Gauge("danelaw_queue_messages", "Messages in the queue by `state`.", "state")
        self.queue_oldest = Gauge("danelaw_queue_oldest_seconds", "Age of the oldest message that waits.")
        self.spool_commit_seconds = Histogram(
            "danelaw_spool_commit_seconds", "Time until a batch was on stable storage.", _SECONDS
        )
        self.spool_commit_messages = Histogram(
            "danelaw_spool_commit_messages", "Messages that shared one commit.", _BATCHES
        )
        self.spool_failures = Counter("danelaw_spool_failures", "Commits that failed; their clients got 451.")
        self.spool_log = Gauge(
            "danelaw_spool_log_bytes", "Size of the write-ahead log; copied back above 33 MB, 64 MB at most."
        )
        self.spool_free = Gauge("danelaw_spool_free_bytes", "Free space on the spool's disk.")
        self.quarantine_messages = Gauge("danelaw_quarantine_messages", "Messages of which a recipient is held.")
        self.quarantine_octets = Gauge("danelaw_quarantine_octets", "Octets of those messages.")
        self.quarantine_ended = Counter(
            "danelaw_quarantine_ended",
            "Held messages at the end of their time or over a limit; `act` is delete, release or return.",
            "act",
        )
        self.digests = Counter("danelaw_quarantine_digests", "Digests sent.")
        self.notices = Counter("danelaw_notices", "Delivery notices made; `action` is as in RFC 3464 §2.3.3.", "action")

    def _sending(self) -> None:
        self.outbound_connections = Counter(
            "danelaw_outbound_connections",
            "Connections to next hops; `result` is opened, reused, unreachable or tls-failed.",
            "result",
        )
        self.outbound_open = Gauge("danelaw_outbound_open_connections", "Connections to next hops open now.")
        self.outbound_recipients = Counter(
            "danelaw_outbound_recipients",
            "Recipients by `outcome` (delivered, waiting, returned) of a try and `protection` of its connection.",
            "outcome",
            "protection",
        )
        self.delivery_steps = Counter(
            "danelaw_delivery_steps",
            "Times a policy `step` was asked `when` (before, after) about a delivery, by `result` (nothing, directed, "
            "ended, amended, failed).",
            "step",
            "when",
            "result",
        )
        self.bounces = Counter(
            "danelaw_bounces",
            "Failed replies of next hops, for each recipient, by bounce `class` (`danelaw bounce list`).",
            "class",
        )
        self.responses = Counter(
            "danelaw_responses",
            "Responses to replies of next hops; `action` is suspend, slow-down, other-address or hold.",
            "action",
        )
        self.slow_downs = Gauge("danelaw_slow_downs", "Slow-downs of sites and next hops in force.")
        self.suspensions = Gauge("danelaw_suspensions", "Suspensions of queues in force, by command or by reply.")
        self.permit_seconds = Histogram(
            "danelaw_permit_seconds", "Time until the supervisor answered a worker that asked for permits.", _SECONDS
        )
        self.limited_queues = Gauge("danelaw_limited_queues", "Queues that a limit or a suspension keeps waiting now.")
        self.outbound_bytes = Counter("danelaw_outbound_bytes", "Octets of messages handed over.")
        self.outbound_tls_failures = Counter(
            "danelaw_outbound_tls_failures", "Hosts that failed their requirement; `type` as in RFC 8460 §4.3.", "type"
        )
        self.delivery_seconds = Histogram(
            "danelaw_delivery_seconds", "Time from acceptance to delivery of a recipient.", _WAITS
        )

    def _asking(self) -> None:
        self.resolver_answers = Counter(
            "danelaw_resolver_answers",
            "Questions answered; `status` is secure, insecure, bogus or indeterminate (RFC 4035 §4.3).",
            "status",
        )
        self.resolver_cached = Counter("danelaw_resolver_cache_hits", "Questions answered from the cache.")
        self.resolver_queries = Counter(
            "danelaw_resolver_queries", "Queries sent; `transport` is udp or tcp.", "transport"
        )
        self.resolver_seconds = Histogram("danelaw_resolver_seconds", "Time for one question and its proof.", _SECONDS)
        self.resolver_healthy = Gauge(
            "danelaw_resolver_healthy", "1 when the last probe of the resolver found no fault."
        )
        self.sts_fetches = Counter(
            "danelaw_mta_sts_fetches", "Fetches of MTA-STS policies; `result` as in RFC 8460 §4.3, or ok.", "result"
        )

    def _sharing(self) -> None:
        """Names of spaces and caches are those that policy declares, 200 of each at most."""
        self.shared_calls = Counter(
            "danelaw_shared_state_calls",
            "Calls of policy about shared state; `answer` is local (from what the process holds) or asked.",
            "space",
            "answer",
        )
        self.shared_refused = Counter(
            "danelaw_shared_state_refused",
            "Operations on shared state that were not done: full, of another kind.",
            "space",
        )
        self.shared_forgotten = Counter(
            "danelaw_shared_state_forgotten_keys", "Keys that had to make room for others.", "space"
        )
        self.shared_lost = Counter(
            "danelaw_shared_state_lost_adds", "What was added to leased counters and perhaps never told to the store."
        )
        self.shared_late = Counter(
            "danelaw_shared_state_late_answers", "Requests of workers to the store that were not answered in time."
        )
        self.shared_keys = Gauge("danelaw_shared_state_keys", "Keys of a space of shared state.", "space")
        self.shared_octets = Gauge("danelaw_shared_state_bytes", "Room that shared state takes, as it is accounted.")
        self.cache_lookups = Counter(
            "danelaw_cache_lookups",
            "Look-ups in caches of policy; `result` is hit, miss, stale (an old value while a new one is computed), "
            "joined (waited for another's computation), or failed, which is a miss too.",
            "cache",
            "result",
        )
        self.cache_evicted = Counter("danelaw_cache_evicted", "Values that had to make room for others.", "cache")
        self.cache_entries = Gauge("danelaw_cache_entries", "Values in a cache of policy.", "cache")
        self.cache_octets = Gauge("danelaw_cache_bytes", "About how much memory they take.", "cache")

    def _itself(self) -> None:
        self.loop_lag = Histogram(
            "danelaw_loop_lag_seconds", "How late the event loop turned, asked ten times a second.", _SECONDS
        )
        self.gc_pauses = Histogram(
            "danelaw_gc_pause_seconds", "How long the garbage collector held everything up.", _SECONDS
        )
        self.log_lost = Counter("danelaw_log_lost_lines", "Log lines that could not be written.")
        self.workers = Gauge("danelaw_workers", "Worker processes by `state`: starting, ready, retiring.", "state")
        self.worker_deaths = Counter(
            "danelaw_worker_deaths",
            "Worker processes that ended unasked; `cause` is stalled (killed by us), signal or exit.",
            "cause",
        )
        self.poison = Counter("danelaw_poison_messages", "Messages held because they ended a worker more than once.")
        self.certificate_expiry = Gauge(
            "danelaw_certificate_expiry_timestamp_seconds",
            "When a listener's certificate ends, by its first `name`.",
            "name",
        )
        self.overrides = Gauge("danelaw_overrides", "Overrides in force.")
        self.start_time = Gauge("danelaw_start_timestamp_seconds", "When the gateway started.")
        self.start_time.set(time.time())
        self.version = Gauge("danelaw_version", "Always 1; `version` is this program's.", "version")
        self.version.set(1, __version__)

    def instruments(self) -> Iterator[Instrument]:
        """Every instrument, in the order of declaration."""
        return (value for value in vars(self).values() if isinstance(value, Counter | Gauge | Histogram))

    def to_openmetrics(self) -> bytes:
        """The OpenMetrics text form of all numbers."""
        self.refresh()
        from prometheus_client.openmetrics.exposition import generate_latest
        from prometheus_client.process_collector import ProcessCollector
        from prometheus_client.registry import CollectorRegistry

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Export(self))
        ProcessCollector(registry=registry)
        text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
        return text


class _Export:
    """The shape prometheus_client asks of a collector."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for instrument in self._metrics.instruments():
            if isinstance(instrument, Histogram):
                histogram = HistogramMetricFamily(instrument.name, instrument.meaning)
                histogram.add_metric([], instrument.buckets(), sum_value=instrument.sum)
                yield histogram
                continue
            family = CounterMetricFamily if isinstance(instrument, Counter) else GaugeMetricFamily
            metric = family(instrument.name, instrument.meaning, labels=instrument.labels)
            for labels, value in instrument.samples():
                metric.add_metric(labels, value)
            yield metric


def reference() -> str:
    """docs/metrics.md."""
    rows = []
    for instrument in Metrics().instruments():
        name = instrument.name + ("_total" if isinstance(instrument, Counter) else "")
        labels = ", ".join(f"`{label}`" for label in instrument.labels) or "–"
        rows.append(f"| `{name}` | {instrument.kind} | {labels} | {instrument.meaning} |")
    return (
        "# Metrics\n\nServed as OpenMetrics text at `/metrics` when `[http]` has a `listen` address. "
        "This page is made from `danelaw.telemetry.metrics` by `make docs`.\n\n"
        "| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "Besides: the usual `process_…` metrics (CPU, memory, descriptors) of prometheus_client.\n"
    )
