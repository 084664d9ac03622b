"""What came back for one raw question, and the RRsets in it with their signatures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.RRSIG import RRSIG

from danelaw.dnsdata import Question

_USABLE = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


@dataclass(frozen=True, slots=True)
class Response:
    """The outcome of one raw question sent with DO and CD.

    `wire` is the message as received and `message` its parsed form; both are None when nothing came back, and
    then `failure` says why in words. `ede` is an RFC 8914 code (the upstream's, or 22/23 for our own network).
    """

    question: Question
    wire: bytes | None
    message: dns.message.Message | None
    failure: str | None = None
    ede: int | None = None

    @classmethod
    def from_wire(cls, question: Question, wire: bytes) -> Response:
        """Parse the octets received for `question`; whatever is wrong with them becomes `failure`."""
        try:
            message = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError) as error:
            return cls(question, wire, None, f"the response cannot be parsed: {type(error).__name__}", None)
        if not message.flags & dns.flags.QR or not asks(message, question):
            return cls(question, wire, None, "the response does not belong to the question", None)
        if message.flags & dns.flags.TC:
            return cls(question, wire, None, "the response was truncated", None)
        return cls(question, wire, message, None, extended_error(message))

    @classmethod
    def failed(cls, question: Question, failure: str, ede: int | None = None) -> Response:
        """No usable response: `failure` in words, such as "no answer within 5 s"."""
        return cls(question, None, None, failure, ede)

    @property
    def rcode(self) -> dns.rcode.Rcode:
        """The response code; SERVFAIL when there is no message."""
        return dns.rcode.SERVFAIL if self.message is None else self.message.rcode()

    @property
    def problem(self) -> str | None:
        """Why nothing can be read from this response, or None when it can (NOERROR or NXDOMAIN)."""
        if self.failure is not None:
            return self.failure
        if self.message is None:
            return "no response"
        if self.rcode not in _USABLE:
            return f"the resolver answered {dns.rcode.to_text(self.rcode)}"
        return None


@dataclass(frozen=True, slots=True)
class SignedRRset:
    """An RRset and the RRSIG records found for it, not yet verified."""

    rrset: dns.rrset.RRset
    signatures: tuple[RRSIG, ...] = ()

    @property
    def signers(self) -> tuple[dns.name.Name, ...]:
        """Distinct signer names that can be the zone of this RRset, in order of appearance (RFC 4035 §5.3.1)."""
        owner = self.rrset.name
        names = dict.fromkeys(signature.signer for signature in self.signatures)
        if self.rrset.rdtype == dns.rdatatype.DS:
            return tuple(name for name in names if owner.is_subdomain(name) and owner != name)
        return tuple(name for name in names if owner.is_subdomain(name))


class Section:
    """One section of a message, by owner and type; signatures are kept with what they cover."""

    __slots__ = ("_rrsets", "orphans")

    def __init__(self, rrsets: Iterable[dns.rrset.RRset]) -> None:
        data: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {}
        signatures: dict[tuple[dns.name.Name, int], list[RRSIG]] = {}
        for rrset in rrsets:
            if rrset.rdclass != dns.rdataclass.IN:
                continue
            if rrset.rdtype == dns.rdatatype.RRSIG:
                found = signatures.setdefault((rrset.name, int(rrset.covers)), [])
                found.extend(rdata for rdata in rrset if isinstance(rdata, RRSIG))
            else:
                data.setdefault((rrset.name, int(rrset.rdtype)), rrset)
        self.orphans = tuple(key for key in signatures if key not in data)
        """Owner and covered type of signatures that came without what they cover."""
        self._rrsets = {key: SignedRRset(rrset, tuple(signatures.get(key, ()))) for key, rrset in data.items()}

    def get(self, name: dns.name.Name, rdtype: int) -> SignedRRset | None:
        """The RRset of that owner and type."""
        return self._rrsets.get((name, int(rdtype)))

    def of_type(self, *rdtypes: int) -> tuple[SignedRRset, ...]:
        """All RRsets of these types, in order of appearance."""
        return tuple(signed for (_, rdtype), signed in self._rrsets.items() if rdtype in rdtypes)

    def __iter__(self) -> Iterator[SignedRRset]:
        return iter(self._rrsets.values())


def asks(message: dns.message.Message, question: Question) -> bool:
    """True when the message's question section holds exactly `question`, class IN."""
    if len(message.question) != 1:
        return False
    asked = message.question[0]
    return (asked.name, asked.rdtype, asked.rdclass) == (question.name, question.rdtype, dns.rdataclass.IN)


def extended_error(message: dns.message.Message) -> int | None:
    """The first RFC 8914 code in the message."""
    for option in message.options:
        if isinstance(option, dns.edns.EDEOption):
            return int(option.code)
    return None
