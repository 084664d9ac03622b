"""What the scenarios have to cover: the rules of decision, and the mistakes other gateways are known for.

Each has the results it can lead to; `danelaw.lab.coverage` makes the matrix of docs/lab.md from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Result: TypeAlias = Literal[
    "DANE",
    "MTA-STS",
    "public CA (your setting)",
    "host-only DANE",
    "encrypted only",
    "clear text",
    "waiting",
    "returned",
]
RESULTS: tuple[Result, ...] = (
    "DANE",
    "MTA-STS",
    "public CA (your setting)",
    "host-only DANE",
    "encrypted only",
    "clear text",
    "waiting",
    "returned",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, its source, and the results it can have."""

    id: str
    text: str
    source: str
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Defect:
    """A mistake seen in other software. Without `results` it cannot show in a destination: `elsewhere` says where
    it is tested instead.
    """

    id: str
    text: str
    results: tuple[Result, ...] = ()
    elsewhere: str = ""


RULES: tuple[Rule, ...] = (
    Rule("mx-error", "an error of the MX look-up defers, never bounces", "RFC 7672 §2.2.1", ("waiting",)),
    Rule("mx-absent", "proved absence of MX means the domain itself", "RFC 5321 §5.1", ("DANE", "encrypted only")),
    Rule("mx-nxdomain", "a domain that does not exist is 5.1.2", "RFC 5321 §5.1", ("returned",)),
    Rule("mx-null", "a null MX is 5.1.10 at once", "RFC 7505 §3", ("returned",)),
    Rule("mx-order", "MX order is kept, DANE or not", "RFC 7672 §2.2.1", ("DANE", "encrypted only")),
    Rule("address-error", "an error of the address look-up skips the host", "RFC 7672 §2.2.2", ("DANE", "waiting")),
    Rule(
        "address-insecure",
        "TLSA of a host with insecure addresses is asked only where its name is a secure alias",
        "RFC 7672 §2.2.2",
        ("DANE", "encrypted only"),
    ),
    Rule("tlsa-base", "expanded name first, then the original", "RFC 7672 §2.2.3", ("DANE", "waiting")),
    Rule("tlsa-error", "an error of the TLSA look-up skips the host", "RFC 7672 §2.1.2", ("DANE", "waiting")),
    Rule("tlsa-usable", "a usable record makes DANE mandatory", "RFC 7672 §2.2", ("DANE", "waiting")),
    Rule("tlsa-unusable", "only unusable records: TLS, nobody checked", "RFC 7672 §2.2", ("encrypted only", "waiting")),
    Rule("tlsa-absent", "no TLSA, or insecure TLSA: no DANE", "RFC 7672 §2.2", ("encrypted only", "clear text")),
    Rule("agility", "the strongest digest of each usage and selector counts", "RFC 7671 §9", ("DANE", "waiting")),
    Rule("dane-ee", "3: the key or certificate, nothing else", "RFC 7672 §3.1.1", ("DANE", "waiting")),
    Rule("dane-ta", "2: path, dates, use and name", "RFC 7672 §3.1.2", ("DANE", "waiting")),
    Rule(
        "host-dane",
        "DANE of a host whose name came unsigned proves the host only",
        "RFC 7672 §2.2.1",
        ("host-only DANE", "waiting"),
    ),
    Rule("dane-before-sts", "DANE with secure MX replaces MTA-STS", "RFC 8461 §2", ("DANE", "waiting")),
    Rule("both", "insecure MX or unusable records: MTA-STS holds as well", "RFC 8461 §2", ("MTA-STS", "waiting")),
    Rule("sts-enforce", "the host is listed and its certificate valid", "RFC 8461 §5", ("MTA-STS", "waiting")),
    Rule("sts-testing", "judged, reported, delivered", "RFC 8461 §5", ("encrypted only", "clear text")),
    Rule("sts-none", "no enforcement", "RFC 8461 §5", ("encrypted only",)),
    Rule("sts-txt", "exactly one valid record, else no policy", "RFC 8461 §3.1", ("encrypted only",)),
    Rule("sts-fetch", "a policy that cannot be fetched is none", "RFC 8461 §3.3", ("encrypted only",)),
    Rule("sts-cached", "an unexpired policy outlives TXT and HTTPS", "RFC 8461 §3.3", ("MTA-STS", "waiting")),
    Rule(
        "opportunistic",
        "encrypt when offered, check nothing, say so",
        "RFC 7435 §3",
        ("encrypted only", "clear text"),
    ),
    Rule("tls-missing", "no TLS under a demand: the host failed", "RFC 7672 §2.2", ("DANE", "waiting")),
    Rule("temporary", "a failed demand waits for repair", "RFC 7672 §2.1.1", ("waiting",)),
    Rule("weakest", "a domain is as strong as its weakest host", "RFC 7672 §2.2.1", ("DANE", "encrypted only")),
    Rule("next-hop", "a fixed next hop has DANE like an MX host", "RFC 7672 §2.2.1", ("DANE", "encrypted only")),
    Rule("shared-mx", "policies belong to domains, not to MX hosts", "RFC 8461 §5.1", ("MTA-STS", "waiting")),
    Rule(
        "requiretls",
        "the sender insists: verified and offered, or back",
        "RFC 8689 §4.2.1",
        ("DANE", "MTA-STS", "public CA (your setting)", "waiting", "returned"),
    ),
    Rule("tls-required-no", "the sender waives what DNS demands", "RFC 8689 §4.2", ("encrypted only",)),
    Rule("dns-proof", "NSEC, NSEC3, opt-out, wildcards, aliases", "RFC 4035 §5.4", ("DANE", "encrypted only")),
    Rule("dns-transport", "TCP where UDP does not do", "RFC 7766 §5", ("DANE",)),
    Rule("smtp-reply", "each stage's answer counts for what it is", "RFC 5321 §4.2", ("DANE", "waiting", "returned")),
    Rule("smtp-reach", "every address is tried", "RFC 5321 §5.1", ("DANE", "waiting")),
    Rule("smtp-extensions", "only what is offered is used", "RFC 5321 §2.2", ("DANE",)),
)

_ENCRYPTED: tuple[Result, ...] = ("encrypted only",)
DEFECTS: tuple[Defect, ...] = (
    Defect("mismatch-permanent", "TLSA mismatch turned into a permanent failure", ("waiting",)),
    Defect("unusable-drops-tls", "all records unusable, and the demand for TLS dropped", ("encrypted only", "waiting")),
    Defect("base-original-only", "only the original name used as TLSA base", ("DANE",)),
    Defect("unsigned-servfail", "SERVFAIL on TLSA below an unsigned address taken as fatal", _ENCRYPTED),
    Defect("alias-unsigned", "MX host alias into an unsigned zone", ("DANE", "encrypted only")),
    Defect("private-intermediate", "DANE-TA with a private intermediate, 2 0 1 and 2 1 1", ("DANE", "waiting")),
    Defect("ee-dates-names", "DANE-EE with an expired certificate or a wrong name", ("DANE",)),
    Defect("mixed-stale", "EE and TA records mixed, one stale", ("DANE",)),
    Defect("implicit-mx", "proved absence of MX, address and TLSA of the domain", ("DANE",)),
    Defect("static-next-hop", "static next hop with TLSA", ("DANE",)),
    Defect("one-mx-dead", "one MX or address family dead, the other fine", ("DANE",)),
    Defect("tlsa-wildcard-cname", "TLSA by wildcard, or by CNAME to a shared record", ("DANE",)),
    Defect("shared-mx-poisoned", "two domains on one MX, one with a broken policy", ("MTA-STS", "waiting")),
    Defect("lifetime-late", "lifetime checked only when requeued", elsewhere="tests of the queue"),
    Defect("edns-stripped", "the network strips EDNS and the TLSA query times out", ("DANE",)),
    Defect("no-validation", "the resolver does not validate: silence or all mail waits", elsewhere="bad resolver mode"),
    Defect("tlsa-dropped", "a name server drops TLSA queries", ("DANE", "waiting")),
    Defect("static-unsigned", "static relay in an unsigned zone breaks under DANE", _ENCRYPTED),
    Defect("port-blocked", "port 25 blocked here, the destination blamed", elsewhere="tests of doctor and check"),
    Defect("alias-original-lost", "secure alias into an unsigned zone: DANE at the original name lost", ("DANE",)),
    Defect("forged-mx", "forged MX to the attacker's DANE host under an enforce policy", ("waiting",)),
    Defect("rrsig-stripped", "a resolver that strips signatures: silently no DANE", ("waiting",)),
    Defect("dnskey-large", "DNSKEY answers above 1232 bytes need TCP", ("DANE",)),
    Defect("false-bogus", "validator reports false bogus", ("DANE", "encrypted only")),
    Defect("sts-memory", "MTA-STS cache lost by a restart", ("waiting",)),
    Defect("sts-redirect", "policy fetch follows redirects or takes a certificate for another name", _ENCRYPTED),
    Defect("requiretls-dropped", "REQUIRETLS dropped quietly where the next hop lacks it", ("returned",)),
    Defect("tlsrpt-partial", "TLSRPT counts only STS", elsewhere="tests of TLS reports"),
    Defect("early-250", "250 before the message is on disk", elsewhere="tests of the spool"),
    Defect("smuggling", "LF . CRLF and its kin end a message", elsewhere="tests of the SMTP server"),
    Defect("starttls-injection", "bytes buffered before the handshake are read after it", ("waiting",)),
)
