"""From the From field to Author Domains, or to the reason why there is none (RFC 9989 §4.4, §5.3.1)."""

from __future__ import annotations

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.message import Authors, Defect

# Two readers may see different authors, and no rule says who is right: then no domain can stand behind the message.
# The ambiguous defects that are left out have one reading by RFC 5322 (a source route, an @ in a display name).
_UNREADABLE = frozenset(
    {
        Defect.HEADER_TOO_LONG,
        Defect.TOO_MANY_FIELDS,
        Defect.NO_EMPTY_LINE,
        Defect.NO_ADDRESS,
        Defect.NO_DOMAIN,
        Defect.TEXT_AFTER_ADDRESS,
        Defect.ADDRESSES_WITHOUT_COMMA,
        Defect.ANGLE_NOT_CLOSED,
        Defect.ANGLE_TWICE,
        Defect.TOO_MANY_ADDRESSES,
        Defect.FIELD_TOO_LONG,
        Defect.NO_FROM,
        Defect.SEVERAL_FROM,
        Defect.COMMENT_NOT_CLOSED,
        Defect.QUOTE_NOT_CLOSED,
        Defect.CONTROL,
        Defect.LINE_END_IN_FIELD,
    }
)


def author_domains(authors: Authors) -> tuple[tuple[Domain, ...], str]:
    """The Author Domains in A-labels, and why the message has no proper author ("" when it has)."""
    domains: list[Domain] = []
    fault = next((defect.value for defect in authors.defects if defect in _UNREADABLE), "")
    for text in authors.domains:
        try:
            domains.append(Domain.from_text(text))
        except DomainError:
            fault = fault or f"the author's domain {text[:60]!r} is no domain name"
    if not domains and not fault:
        fault = "the From field names no domain"
    return tuple(dict.fromkeys(domains)), fault
