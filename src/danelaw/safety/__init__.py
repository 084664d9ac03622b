"""The safety API: "how safe is this address?", for webmails and other programs, before a mail is sent.

The level is that of the *weakest* server that could take the mail, since an attacker can block the others. Each server
is judged by the best that is known of it: a probe (only where configured), our last delivery to it, or what DNS and
settings demand of it. `guaranteed` is what an attacker on the path cannot take away. Keys for end-to-end encryption are
looked for too (`danelaw.keydiscovery`).

    service = SafetyService(means, bounds)                   # means: the network, as functions
    answer = await service.answer(Subject.from_text("anna@example.org"), 2.0)
    web = SafetyWeb(service, terms)                          # HTTP, tokens, rates
    await web.start("127.0.0.1", 8027)

`facts` and `enquiry` are pure; `openapi` describes what is answered, and a test holds answers against it.

Public names: `SafetyService`, `Means`, `Bounds`, `TooBusy`, `SafetyWeb`, `Terms`, `Subject`, `Enquiry`,
`EnquiryError`, `DomainFacts`, `HostFact`, `described`, `ProbeLimits`, `Tokens`, `TokenFileError`, `line_of`, `within`,
`TOKEN_PREFIX`, `document_text`.
"""

from danelaw.safety.enquiry import Enquiry, EnquiryError, Subject
from danelaw.safety.facts import DomainFacts, HostFact, described
from danelaw.safety.openapi import document_text
from danelaw.safety.probe_limits import ProbeLimits
from danelaw.safety.service import Bounds, Means, SafetyService, TooBusy
from danelaw.safety.tokens import TOKEN_PREFIX, TokenFileError, Tokens, line_of, within
from danelaw.safety.web import SafetyWeb, Terms

__all__ = [
    "TOKEN_PREFIX",
    "Bounds",
    "DomainFacts",
    "Enquiry",
    "EnquiryError",
    "HostFact",
    "Means",
    "ProbeLimits",
    "SafetyService",
    "SafetyWeb",
    "Subject",
    "Terms",
    "TokenFileError",
    "Tokens",
    "TooBusy",
    "described",
    "document_text",
    "line_of",
    "within",
]
