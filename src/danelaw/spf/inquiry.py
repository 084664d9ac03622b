"""One evaluation under way: what is known, what was asked, what is left of the limits (RFC 7208 §4.6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.spf.limits import Limits
from danelaw.spf.macro import MacroString, fit
from danelaw.spf.record import mask_of
from danelaw.spf.request import Request, absolute_name, ascii_domain
from danelaw.spf.result import SPFResult, Step


class Stop(Exception):
    """Ends the whole evaluation, however deep in includes (RFC 7208 §5.2: errors are returned upwards)."""

    def __init__(self, result: SPFResult, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


class Inquiry:
    """The state all terms of one evaluation share."""

    __slots__ = (
        "_validated",
        "_values",
        "address",
        "address_type",
        "client",
        "limits",
        "now",
        "receiver",
        "request",
        "terms",
        "trace",
        "version",
        "void_lookups",
    )

    def __init__(self, request: Request, receiver: str, now: float, limits: Limits) -> None:
        self.request = request
        self.receiver = receiver
        self.now = now
        self.limits = limits
        self.trace: list[Step] = []
        self.terms = 0
        self.void_lookups = 0
        self.client = str(request.ip)
        self.address = int(request.ip)
        self.version = request.ip.version
        self.address_type = dns.rdatatype.A if self.version == 4 else dns.rdatatype.AAAA
        self._values: dict[str, str] | None = None
        self._validated: tuple[dns.name.Name, ...] | None = None

    def count_term(self) -> None:
        """One more term that causes DNS look-ups. Raises `Stop` past the limit."""
        self.terms += 1
        if self.terms > self.limits.terms:
            raise Stop(SPFResult.PERMERROR, f"more than {self.limits.terms} terms cause DNS look-ups")

    def count_void(self, heard: Sequence[Answer]) -> None:
        """One more term that did not match and was answered with nothing. Raises `Stop` past the limit.

        A term that matches is not counted: the order of an RRset is arbitrary and must not decide (RFC 7208 §4.6.4).
        """
        if any(not answer.failed and not answer.records for answer in heard):
            self.void_lookups += 1
            if self.void_lookups > self.limits.void_lookups:
                raise Stop(
                    SPFResult.PERMERROR, f"more than {self.limits.void_lookups} terms ask for what does not exist"
                )

    def matches_nothing(self, spec: MacroString | None) -> bool:
        """True for a term whose macros name a local-part that no DNS label can carry (RFC 8616 §4)."""
        return spec is not None and spec.names_sender and not self.request.localpart.isascii()

    def target(self, spec: MacroString | None, domain: str, heard: list[Answer]) -> Lookup[str]:
        """The target-name of a term (RFC 7208 §4.8): expanded, or `domain` when there is no domain-spec."""
        if spec is None:
            return domain
        if spec.constant:
            return fit(spec.expand({}))
        if "p" in spec.letters and self._validated is None:
            self.count_term()  # RFC 7208 §4.6.4: the PTR query of the macro is included in the limit
        return fit((yield from self.expand(spec, domain, heard)))

    def expand(self, text: MacroString, domain: str, heard: list[Answer]) -> Lookup[str]:
        """A macro-string with the values of this evaluation; `domain` is whose record it stands in."""
        if self._values is None:
            self._values = self._fixed_values()
        values = self._values
        values["d"] = domain
        if "p" in text.letters:
            names = yield from self.validated_names(heard)
            values["p"] = _name_for_macro(names, absolute_name(domain))
        return text.expand(values)

    def validated_names(self, heard: list[Answer]) -> Lookup[tuple[dns.name.Name, ...]]:
        """The client's names that lead back to its address (RFC 7208 §5.5), asked once per evaluation.

        Errors count as absence here, bogus answers too: reverse zones are the client's own, and one that breaks them
        must not turn a fail into a temperror (§4.6.4 gives the same reason for its limit).
        """
        if self._validated is None:
            reverse = absolute_name(self.request.ip.reverse_pointer)
            assert reverse is not None
            (answer,) = yield (Question(reverse, dns.rdatatype.PTR),)
            heard.append(answer)
            targets = [rdata.target for rdata in answer.records if isinstance(rdata, PTR)][: self.limits.names]
            self._validated = ()
            if targets:
                answers = yield tuple(Question(name, self.address_type) for name in targets)
                heard.extend(answers)
                self._validated = tuple(name for name, found in zip(targets, answers, strict=True) if self.holds(found))
        return self._validated

    def holds(self, answer: Answer, ipv4_prefix: int = 32, ipv6_prefix: int = 128) -> bool:
        """True when one of the addresses found shares that many bits with the client's."""
        mask = mask_of(ipv4_prefix, 32) if self.version == 4 else mask_of(ipv6_prefix, 128)
        wanted = self.address & mask
        for rdata in answer.records:
            if isinstance(rdata, A):
                found = int(IPv4Address(rdata.address))
            elif isinstance(rdata, AAAA):
                found = int(IPv6Address(rdata.address))
            else:
                continue
            if found & mask == wanted:
                return True
        return False

    def _fixed_values(self) -> dict[str, str]:
        """RFC 7208 §7.2, §7.3: all macros but d and p."""
        request = self.request
        # Upper case as in the openspf.org suite; DNS does not care (RFC 4343 §3).
        nibbles = request.ip.exploded.replace(":", "").upper()
        dotted = self.client if self.version == 4 else ".".join(nibbles)
        return {
            "s": request.sender,
            "l": request.localpart,
            "o": request.domain,
            "i": dotted,
            "v": "in-addr" if self.version == 4 else "ip6",
            "h": ascii_domain(request.helo),
            "c": self.client,
            "r": self.receiver,
            "t": str(int(self.now)),
        }


def need(answer: Answer) -> Answer:
    """The answer, when anything can be concluded from it. Raises `Stop` with temperror otherwise (RFC 7208 §5)."""
    if answer.failed:
        raise Stop(SPFResult.TEMPERROR, failure(answer))
    return answer


def failure(answer: Answer) -> str:
    """Why an answer cannot be used, in words."""
    why = answer.reason or (dns.rcode.to_text(answer.rcode) if answer.rcode else answer.status.value)
    if answer.status is DNSSECStatus.BOGUS:
        why = f"the answer does not verify: {why}"
    question = str(answer.question)
    return why if question in why else f"{question}: {why}"


def _name_for_macro(names: Sequence[dns.name.Name], domain: dns.name.Name | None) -> str:
    """RFC 7208 §7.3: the domain itself, else a name below it, else any, else "unknown"."""
    usable = [(name, text) for name in names if (text := _text_of(name)) is not None]
    if domain is not None:
        usable.sort(key=lambda pair: 0 if pair[0] == domain else 1 if pair[0].is_subdomain(domain) else 2)
    return usable[0][1] if usable else "unknown"


def _text_of(name: dns.name.Name) -> str | None:
    """A name as text without escapes, None when it needs some."""
    text = name.to_text(omit_final_dot=True)
    return text if "\\" not in text and absolute_name(text) == name else None
