"""Adoption: which recipient domains can be reached securely, over many domains, and what would change that.

`Extraction` finds domains and their weights in lists, mail logs and CSV. `DomainFacts` is what a survey found out
about one domain, in a form that is stored and written; `Summary` adds them up, one at a time, by domains and by
recipients; `Providers` says who carries the mail and what one of them could change for all its customers;
`Comparison` what changed since an earlier survey. `table`, `page` and `sentences` put it into CSV, HTML and words.
`traffic` is the arithmetic of `danelaw stats`: own mail by protection, day after day.

Shares count only domains that take mail. The level of a domain is that of its weakest host that would take the mail.

Public names: `Extraction`, `Entry`, `Form`, `InvalidLine`, `ExtractionError`, `detect`, `domain_of`, `delimiter_of`,
`column_of`, `rows_of`, `Row`, `DomainFacts`, `HostFacts`, `UnreadableFacts`, `Summary`, `Weighed`, `percent`,
`Provider`, `Providers`, `Step`, `Comparison`, `NoSurvey`, `KINDS`, `NO_MAIL`, `words_for`, `wants_reports`.
"""

from danelaw.adoption.change import Comparison, NoSurvey
from danelaw.adoption.columns import Row, column_of, delimiter_of, rows_of
from danelaw.adoption.extraction import Entry, Extraction, ExtractionError, Form, InvalidLine, detect, domain_of
from danelaw.adoption.facts import DomainFacts, HostFacts, UnreadableFacts, offered, oldest
from danelaw.adoption.providers import Provider, Providers, Step
from danelaw.adoption.summary import SCHEMA, Summary, Weighed, percent
from danelaw.adoption.tlsrpt import wants_reports
from danelaw.adoption.words import KINDS, NO_MAIL, words_for

__all__ = [
    "KINDS",
    "NO_MAIL",
    "SCHEMA",
    "Comparison",
    "DomainFacts",
    "Entry",
    "Extraction",
    "ExtractionError",
    "Form",
    "HostFacts",
    "InvalidLine",
    "NoSurvey",
    "Provider",
    "Providers",
    "Row",
    "Step",
    "Summary",
    "UnreadableFacts",
    "Weighed",
    "column_of",
    "delimiter_of",
    "detect",
    "domain_of",
    "offered",
    "oldest",
    "percent",
    "rows_of",
    "wants_reports",
    "words_for",
]
