"""What one survey found out about one domain, and the verdicts that follow from its hosts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from danelaw.errors import DanelawError

FORM_VERSION = 1
_TLS_ORDER = ("none", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class UnreadableFacts(DanelawError, ValueError):
    """Stored facts are damaged, or were written by a newer danelaw."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One MX host as seen from one domain.

    `site` is who runs it (`routing.mx_site`). `signed`: its addresses are signed, so TLSA records below its name would
    count. `tlsa` is `none | usable | unusable | unknown`, `usages` the parameters of its records ("3 1 1"). `dane` is
    `none | valid | broken | unusable | untested | unknown`. `level` as in `danelaw check`. `tls` is the oldest version
    over its addresses, `none` for clear text, `unknown` when not tested; `requiretls` is `yes | no | unknown`.
    """

    name: str
    preference: int
    site: str
    signed: bool
    tlsa: str
    usages: tuple[str, ...]
    dane: str
    level: str
    tls: str
    requiretls: str
    reason: str


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """One domain. `recipients` is its weight; `checked` POSIX seconds.

    `mail` is `yes`, or why it takes none: `no-domain | null-mx | no-address`. `dnssec` is `signed | unsigned | bogus |
    unknown` and speaks of the MX answer. `mta_sts` and `tlsrpt` as in `danelaw.adoption.words`. `level` is that of the
    weakest host that would take the mail (FIELD rule 12).
    """

    domain: str
    recipients: int
    checked: float
    mail: str
    dnssec: str
    mta_sts: str
    tlsrpt: str
    level: str
    reason: str
    hosts: tuple[HostFacts, ...] = field(default=())

    @property
    def takes_mail(self) -> bool:
        """False for a domain that counts in no share."""
        return self.mail == "yes"

    @property
    def dane(self) -> str:
        """One word for DANE over all hosts: see `danelaw.adoption.words`. A broken host counts, whatever others do."""
        found = {host.dane for host in self.hosts}
        if not self.hosts:
            return "unknown" if self.takes_mail else "none"
        for word in ("broken", "unknown"):
            if word in found:
                return word
        if found <= {"none"}:
            return "none"
        if found <= {"none", "unusable"}:
            return "unusable"
        if "valid" not in found and found <= {"untested", "none", "unusable"}:
            return "untested"
        if self.dnssec != "signed":
            return "host-only"
        return "valid" if found <= {"valid", "untested"} else "partial"

    @property
    def tls(self) -> str:
        """The oldest version over all hosts that were tested."""
        return oldest(host.tls for host in self.hosts)

    @property
    def requiretls(self) -> str:
        """`yes` when every tested host offers it."""
        return offered(host.requiretls for host in self.hosts)

    @property
    def sites(self) -> tuple[str, ...]:
        """Who runs its hosts, the best preference first, each once."""
        return tuple(dict.fromkeys(host.site for host in self.hosts))

    def value(self, kind: str) -> str:
        """Its value of a kind of `danelaw.adoption.words.KINDS`."""
        return str(getattr(self, kind))

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/survey.md."""
        return {
            "domain": self.domain,
            "recipients": self.recipients,
            "checked_at": round(self.checked, 3),
            "mail": self.mail,
            "level": self.level,
            "dnssec": self.dnssec,
            "dane": self.dane,
            "mta_sts": self.mta_sts,
            "tlsrpt": self.tlsrpt,
            "tls": self.tls,
            "requiretls": self.requiretls,
            "sites": list(self.sites),
            "reason": self.reason,
            "hosts": [
                {
                    "name": host.name,
                    "preference": host.preference,
                    "site": host.site,
                    "signed": host.signed,
                    "tlsa": host.tlsa,
                    "usages": list(host.usages),
                    "dane": host.dane,
                    "level": host.level,
                    "tls": host.tls,
                    "requiretls": host.requiretls,
                    "reason": host.reason,
                }
                for host in self.hosts
            ],
        }

    def encode(self) -> str:
        """The stored form: a JSON array whose first element is the version of the form."""
        hosts = [
            [
                host.name,
                host.preference,
                host.site,
                host.signed,
                host.tlsa,
                list(host.usages),
                host.dane,
                host.level,
                host.tls,
                host.requiretls,
                host.reason,
            ]
            for host in self.hosts
        ]
        row = [
            FORM_VERSION,
            self.checked,
            self.mail,
            self.dnssec,
            self.mta_sts,
            self.tlsrpt,
            self.level,
            self.reason,
            hosts,
        ]
        return json.dumps(row, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def decode(cls, domain: str, recipients: int, text: str) -> DomainFacts:
        """Read the stored form. Raises `UnreadableFacts`."""
        try:
            row = json.loads(text)
            if row[0] != FORM_VERSION:
                raise UnreadableFacts(f"facts have form {row[0]}, this danelaw reads form {FORM_VERSION}")
            hosts = tuple(
                HostFacts(
                    str(one[0]),
                    int(one[1]),
                    str(one[2]),
                    bool(one[3]),
                    str(one[4]),
                    tuple(map(str, one[5])),
                    *map(str, one[6:11]),
                )
                for one in row[8]
            )
            mail, dnssec, mta_sts, tlsrpt, level, reason = map(str, row[2:8])
            return cls(domain, recipients, float(row[1]), mail, dnssec, mta_sts, tlsrpt, level, reason, hosts)
        except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
            if isinstance(error, UnreadableFacts):
                raise
            raise UnreadableFacts(f"the facts about {domain} are damaged: {error}") from error


def oldest(versions: Iterable[str]) -> str:
    """The oldest of some TLS versions; `none` is older than all, `unknown` counts only alone."""
    known = [one for one in versions if one in _TLS_ORDER]
    return min(known, key=_TLS_ORDER.index, default="unknown")


def offered(answers: Iterable[str]) -> str:
    """`yes` when all that is known is yes, `no` when one is no, else `unknown`."""
    known = {one for one in answers if one != "unknown"}
    return "unknown" if not known else "no" if "no" in known else "yes"
