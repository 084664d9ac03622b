"""What the gateway says about itself: events, numbers, and an HTTP port to read them.

Events: a `Log` is made once by `open_log(…)` and handed to the rooms that need it;
`log.event("delivered", id=…, to=…, protection=…)` costs a few microseconds, because lines are joined and
written with one system call per turn of the event loop; what is logged for every message is a `log.row`, which costs a
third. Whatever a peer sent can stand in a field: control
characters, quotes and line separators are escaped, so nobody can forge a line.

Numbers: one `Metrics` value holds every metric there is, declared in one place with its meaning
(docs/metrics.md is made from it). Counting is an addition; the text form (OpenMetrics) is made when asked.

Several processes: each gives a `snapshot`, and `Sums` makes one `Metrics` of them.

HTTP: `HTTPServer` answers /metrics, /healthy and /ready; `ShortAnswerServer` is what such servers have in common.
"""

from danelaw.telemetry.http import HTTPServer, Probe
from danelaw.telemetry.instruments import Counter, Gauge, Histogram
from danelaw.telemetry.lines import Columns, Kind
from danelaw.telemetry.log import Log, open_log
from danelaw.telemetry.metrics import Metrics
from danelaw.telemetry.pulse import Pulse
from danelaw.telemetry.short import ShortAnswerServer
from danelaw.telemetry.sinks import DescriptorSink, FileSink, MemorySink, Sink, SyslogSink
from danelaw.telemetry.sums import Snapshot, Sums, snapshot

__all__ = [
    "Columns",
    "Counter",
    "DescriptorSink",
    "FileSink",
    "Gauge",
    "HTTPServer",
    "Histogram",
    "Kind",
    "Log",
    "MemorySink",
    "Metrics",
    "Probe",
    "Pulse",
    "ShortAnswerServer",
    "Sink",
    "Snapshot",
    "Sums",
    "SyslogSink",
    "open_log",
    "snapshot",
]
