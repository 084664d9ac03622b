"""Other people's filter engines: rspamd, clamd, spamd, and any milter, asked over one interface.

A `Filter` is an engine at one or more servers. `examine(specimen)` gives a `FilterResult`, always: the verdict with its
evidence, or `Verdict.FAILED` with the reason once every server failed or the time is over. It raises nothing for what
a server does. Every answer is limited in size; a message goes out in pieces and is never held twice.

    rspamd   HTTP POST /checkv2, envelope in header fields, JSON back with score, symbols, action, edits
    clamd    zINSTREAM: pieces with their length, then `stream: NAME FOUND`, `OK` or an ERROR
    spamd    SYMBOLS SPAMC/1.5, or CHECK, HEADERS, PROCESS: score and threshold in a `Spam:` field
    milter   the whole SMTP session step by step (`danelaw.milter`); `MilterFilter` keeps one conversation per client

Servers are tried in the order given, each within its share of the time. A `Breaker` per server counts failures: after
some in a row the server is left alone for a while, then one message tries it again. What a failure means for mail
(accept, refuse, defer) and what a verdict does is not decided by engines: `combined` weighs all results by the
operator's rules and gives one `Judgement`.

Public names: `Filter`, `MilterFilter`, `Engine`, `Rspamd`, `Clamd`, `Spamd`; `Specimen`, `Octets`; `FilterResult`,
`Verdict`; `Breaker`, `BreakerState`; `ServerAddress`; `Rule`, `Thresholds`, `Action`, `Judgement`, `combined`;
`RemoveField`, `ReplaceHeader`, `FilterEdit`, `edited_content_header`, `new_body`; `Milter`, `Servers`, `Party`,
`MilterSession`; `FilterError`.
"""

from danelaw.filters.breaker import Breaker, BreakerState
from danelaw.filters.clamd import Clamd
from danelaw.filters.editing import edited_content_header, new_body
from danelaw.filters.engine import Engine
from danelaw.filters.filter import Filter, Servers
from danelaw.filters.judgement import Action, Judgement, Rule, Thresholds, combined
from danelaw.filters.milter_talk import Party, Refused
from danelaw.filters.milters import Milter, MilterFilter, MilterSession
from danelaw.filters.result import FilterEdit, FilterError, FilterResult, RemoveField, ReplaceHeader, Verdict
from danelaw.filters.rspamd import Rspamd
from danelaw.filters.spamd import Spamd
from danelaw.filters.specimen import Octets, Specimen
from danelaw.filters.stream import ServerAddress

__all__ = [
    "Action",
    "Breaker",
    "BreakerState",
    "Clamd",
    "Engine",
    "Filter",
    "FilterEdit",
    "FilterError",
    "FilterResult",
    "Judgement",
    "Milter",
    "MilterFilter",
    "MilterSession",
    "Octets",
    "Party",
    "Refused",
    "RemoveField",
    "ReplaceHeader",
    "Rspamd",
    "Rule",
    "ServerAddress",
    "Servers",
    "Spamd",
    "Specimen",
    "Thresholds",
    "Verdict",
    "combined",
    "edited_content_header",
    "new_body",
]
