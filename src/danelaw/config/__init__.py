"""The configuration: one TOML file, read into one frozen value.

`load(path)` and `loads(text)` give a `Config` or raise one `ConfigError` that lists every problem with file,
line, key, what is wrong and what would be right. Unknown keys are errors. Durations are written "4h" or
"1d12h" and become `timedelta`; sizes "50M" become bytes; socket addresses "[::]:25" become `SocketAddress`;
next hops stay text in the form `routing.NextHop` reads.

The value is plain data and the same for every room that takes it; nothing here opens sockets or files other
than the configuration itself. Secrets do not belong into it: certificates are named by path.

`effective(config, domain)` says which route, domain and override apply to a destination and why.
`json_schema()` and `reference()` give the published schema and docs/configuration.md.
"""

from danelaw.address import SocketAddress
from danelaw.config.authenticating import Authentication, AuthorPolicy
from danelaw.config.filtering import Filter, Filtering
from danelaw.config.load import find, load, loads
from danelaw.config.model import Config
from danelaw.config.operating import HTTP, Control, Doctor, History, Lab, Log, Server, Spool
from danelaw.config.problems import ConfigError, Problem
from danelaw.config.receiving import Certificate, Limits, Listen, RecipientDomain, Relay
from danelaw.config.sending import MTASTS, TLS, Delivery, NegativeAnchor, Override, Queue, Resolver, Route
from danelaw.config.submitting import Submission
from danelaw.config.values import format_duration, format_size, parse_duration, parse_size

__all__ = [
    "HTTP",
    "MTASTS",
    "TLS",
    "Authentication",
    "AuthorPolicy",
    "Certificate",
    "Config",
    "ConfigError",
    "Control",
    "Delivery",
    "Doctor",
    "Filter",
    "Filtering",
    "History",
    "Lab",
    "Limits",
    "Listen",
    "Log",
    "NegativeAnchor",
    "Override",
    "Problem",
    "Queue",
    "RecipientDomain",
    "Relay",
    "Resolver",
    "Route",
    "Server",
    "SocketAddress",
    "Spool",
    "Submission",
    "find",
    "format_duration",
    "format_size",
    "load",
    "loads",
    "parse_duration",
    "parse_size",
]
