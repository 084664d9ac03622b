"""Are TLS reports true? The whole lab through a gateway, a day later the reports, beside what the lab's servers saw.

    python bench/tls_reports.py [DOMAIN ...]
    python bench/tls_reports.py --cost           # what counting costs a new connection

One message goes to every destination of the lab (or to those named). Each policy domain asks for reports, by mail to a
mailbox whose only host offers no TLS though its TLSA record demands it, or by HTTPS. The gateway's clock is moved on by
a day and some hours, and the reports are read with nothing but the standard library. What they should say is worked out
from the log of the lab's servers (who connected, asked for STARTTLS, came through the handshake, sent MAIL) and from
the declarations of the lab's destinations; nothing of danelaw's own judging has a part in it. Prints every difference;
the exit status is 1 when there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email
import email.policy
import gzip
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from danelaw.address import Domain
from danelaw.config import loads
from danelaw.dane import TLSARecord
from danelaw.dkim import PrivateKey, SigningKey
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.gateway.tls_counting import TLSCounting
from danelaw.gateway.tls_reporter import GRACE_SECONDS, SPREAD_SECONDS, TLSReporter
from danelaw.lab import SCENARIOS, Lab, Scenario, Sender
from danelaw.lab.received import SessionSeen
from danelaw.lab.scenario import Behaviour, Certificate, Host, StartTLS
from danelaw.lab.world import host_name
from danelaw.mtasts import PolicyMode, STSPolicy
from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey
from danelaw.state import ReportsDatabase, TLSGatheringStore
from danelaw.telemetry import Log, Metrics
from danelaw.tlspolicy import Handshake, Judgement, Protection, StartTLSOutcome, TLSRPTResult

DAY = 86_400
COLLECTOR = "collector.reporter.lab"
MAILBOX = Scenario(domain="mailbox.lab", hosts=(Host(behaviour=Behaviour(starttls=StartTLS.ABSENT)),))
"""Where reports go: DANE would let no mail in, and reports come in all the same."""

# Hosts whose TLSA records lie at another name than theirs (RFC 7672 §2.2.3), and records that do not count.
BASES = {"mx.mx-alias.lab": "mail.mx-alias.lab"}
UNSIGNED_ALIAS = frozenset({"tlsa-alias-unsigned.lab"})
UNUSABLE = frozenset({"short-digest.lab", "unknown-parameters.lab"})
# What must be reported though nobody connected.
UNCONNECTED = {
    "mx-alias-error.lab": ("mail.mx-alias-error.lab", "tlsa", "dnssec-invalid"),
    "tlsa-denied.lab": ("mx.tlsa-denied.lab", "tlsa", "dnssec-invalid"),
    "tlsa-corrupt.lab": ("mx.tlsa-corrupt.lab", "tlsa", "dnssec-invalid"),
    "tlsa-servfail.lab": ("mx.tlsa-servfail.lab", "tlsa", "dnssec-invalid"),
    "tlsa-silent.lab": ("mx.tlsa-silent.lab", "tlsa", "dnssec-invalid"),
    "tlsa-servfail-one.lab": ("mx1.tlsa-servfail-one.lab", "tlsa", "dnssec-invalid"),
    "sts-two-labels.lab": ("sts-two-labels.lab", "sts", "validation-failure"),
    "sts-mismatch.lab": ("sts-mismatch.lab", "sts", "validation-failure"),
    "forged-mx.lab": ("forged-mx.lab", "sts", "validation-failure"),
    "shared-bad.lab": ("shared-bad.lab", "sts", "validation-failure"),
}
# Policies that cannot be had, by what their hosts do; and TXT records that announce none.
FETCH = {
    "sts-policy-name.lab": "sts-webpki-invalid",
    "sts-policy-ca.lab": "sts-webpki-invalid",
    "sts-malformed.lab": "sts-policy-invalid",
}
NOT_ANNOUNCED = frozenset({"sts-two-records.lab", "sts-bad-record.lab", "sts-txt-servfail.lab"})

Count = Counter[tuple[str, str, str]]
"""Sessions by policy domain, policy type, and result type, "" for success."""


@dataclass
class Clock:
    """The time of day, moved on."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Comparison:
    """What reports say and what they should; `mails` and `posts` as they came, `files` the octets of both,
    `clear` of the mails came without TLS, `of_reports` are policy domains for which
    the sessions that carried reports were counted: there must be none.
    """

    expected: Count = field(default_factory=Counter)
    reported: Count = field(default_factory=Counter)
    mails: list[Any] = field(default_factory=list)
    posts: list[Any] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    clear: int = 0
    of_reports: list[str] = field(default_factory=list)

    @property
    def differences(self) -> list[str]:
        """One line for each count that is not the same."""
        keys = sorted({*self.expected, *self.reported})
        return [
            f"{' '.join(key)}: {self.reported[key]} reported, {self.expected[key]} seen"
            for key in keys
            if self.expected[key] != self.reported[key]
        ]


class ReportingLab(Rehearsal):
    """The lab with a gateway that reports, and a domain, a mailbox and a collector for reports."""

    def __init__(self, scenarios: Sequence[Scenario], directory: Path, clock: Clock, *, asked: bool = True) -> None:
        """Without `asked` only what scenarios say themselves asks for reports."""
        self.key = PrivateKey.from_key(Ed25519PrivateKey.generate())
        record = self.key.record().to_text() + "; s=email:tlsrpt"
        reporter = Sender(domain="reporter.lab", records=(f'k._domainkey TXT "{record}"',))
        lab = Lab((*scenarios, MAILBOX), senders=(reporter,), collectors={COLLECTOR: Certificate()}, now=clock())
        if asked:
            _ask_for_reports(lab)
        super().__init__(lab.scenarios, directory, clock=clock, lab=lab)

    def write_settings(self) -> None:
        """A gateway that sends TLS reports."""
        super().write_settings()
        key = self.directory / "dkim.key"
        key.write_bytes(self.key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        more = f'\n[reports]\ntls_send = true\ndkim_domain = "reporter.lab"\ndkim_selector = "k"\ndkim_key = "{key}"\n'
        self.config_file.write_text(self.config_file.read_text() + more)


def _ask_for_reports(lab: Lab) -> None:
    """A record at `_smtp._tls` of every name that may be a policy domain; every third wants HTTPS."""
    names: dict[str, None] = {}
    for scenario in lab.scenarios:
        if scenario.mx in ("hosts", "none"):
            names[scenario.domain] = None
            names |= {BASES.get(name, name): None for name in (host_name(h, scenario.domain) for h in scenario.hosts)}
    names |= {base: None for base, _, _ in UNCONNECTED.values() if base.partition(".")[2] in names or base in names}
    for number, name in enumerate(names):
        rua = "mailto:reports@mailbox.lab"
        if number % 3 == 2:
            rua = f"https://{COLLECTOR}/tlsrpt?domain={name}"
        lab.world.add(f"_smtp._tls.{name}.", "TXT", f'"v=TLSRPTv1; rua={rua};"')


def expected_of(scenario: Scenario, seen: Sequence[SessionSeen], everything: Sequence[Scenario]) -> Count:
    """What the sessions of one message are to be counted as."""
    found: Count = Counter()
    if scenario.domain in UNCONNECTED:
        found[UNCONNECTED[scenario.domain]] += 1
    for session in seen:
        retried = session.hello and not session.asked and any(one.asked for one in seen if one.host == session.host)
        if not session.hello or retried:
            continue  # no conversation, or one in clear after TLS had failed on the connection before
        for domain, kind, result in _policies(scenario, session, everything):
            found[domain, kind, result] += 1
    return found


def _policies(scenario: Scenario, session: SessionSeen, everything: Sequence[Scenario]) -> list[tuple[str, str, str]]:
    owner, host = next(
        (one, host) for one in everything for host in one.hosts
        if not host.elsewhere and host_name(host, one.domain) == session.host
    )  # fmt: skip
    found = []
    if host.tlsa and owner.domain not in UNSIGNED_ALIAS:
        found.append((BASES.get(session.host, session.host), "tlsa", _by_dane(scenario, host, session)))
    unusable = "encrypted only" in scenario.protection or "TLSA 1 1 1" in scenario.publishes
    signed = scenario.signed and host.tlsa and not (unusable and scenario.demand == "none")
    sts = scenario.sts
    if sts is not None and sts.mode != "none" and scenario.domain not in NOT_ANNOUNCED and not signed:
        if scenario.publishes == "MTA-STS, no good policy":
            found.append((scenario.domain, "sts", FETCH.get(scenario.domain, "sts-policy-fetch-error")))
        else:
            found.append((scenario.domain, "sts", _by_sts(host, session)))
    if found:
        return found
    policy_domain = scenario.next_hop.strip("[]") if scenario.next_hop else scenario.domain
    absent = "validation-failure" if _broke(host) else "starttls-not-supported"
    return [(policy_domain, "no-policy-found", "" if session.secured else absent)]


def _broke(host: Host) -> bool:
    """TLS was agreed on and then did not come about."""
    behaviour = host.behaviour
    return behaviour.old_tls or behaviour.starttls in (StartTLS.GARBAGE, StartTLS.CLOSED, StartTLS.INJECTED)


def _by_dane(scenario: Scenario, host: Host, session: SessionSeen) -> str:
    """Usable records let MAIL through exactly when they match; with none usable there is nothing to match."""
    if scenario.domain in UNUSABLE or not any(words[0] in "23" for words in host.tlsa):
        return "tlsa-invalid"
    if not session.secured:
        return "validation-failure" if _broke(host) else "starttls-not-supported"
    if scenario.demand == "tls-required-no":
        return "tlsa-invalid"
    if session.mail or scenario.demand == "requiretls":
        return ""
    anchors = all(words.startswith("2") for words in host.tlsa)
    if anchors and host.certificate.names is not None:
        return "certificate-host-mismatch"
    return "certificate-expired" if anchors and host.certificate.expired else "tlsa-invalid"


def _by_sts(host: Host, session: SessionSeen) -> str:
    if not session.secured:
        return "starttls-not-supported"
    if host.certificate.names is not None:
        return "certificate-host-mismatch"
    if host.certificate.expired:
        return "certificate-expired"
    return "" if host.certificate.issuer.value == "public CA" else "certificate-not-trusted"


async def play(scenarios: Sequence[Scenario], directory: Path, *, seconds: float = 60.0) -> Comparison:
    """One message to each, a day, and the reports."""
    clock, found = Clock(), Comparison()
    # Far enough from midnight that all of it is one day.
    clock.ahead = -(time.time() % DAY) + 3600.0
    async with ReportingLab(scenarios, directory, clock) as lab:
        journal = lab.lab.journal
        for scenario in scenarios:
            before = len(journal.seen)
            await lab.play(scenario, seconds)
            found.expected += expected_of(scenario, journal.seen[before:], scenarios)
        clock.ahead += DAY + GRACE_SECONDS + SPREAD_SECONDS
        wanted = {domain for domain, _, _ in found.expected}
        counting = lab.gateway.parts.counting
        assert counting is not None
        await TLSReporter(lab.gateway, counting).look()
        async with asyncio.timeout(seconds):
            while _arrived(lab) < len(wanted):
                await asyncio.sleep(0.05)
        received = lab.lab.received(MAILBOX.domain)
        found.mails = [email.message_from_bytes(one.data, policy=email.policy.SMTP) for one in received]
        found.clear = sum(1 for one in received if one.tls is None)
        found.posts = list(lab.lab.collectors[COLLECTOR].posts)
        found.files = [one.data for one in received] + [post.body for post in found.posts]
        octets = [part.get_content() for mail in found.mails for part in mail.iter_attachments()]
        octets += [post.body for post in found.posts]
        found.documents = [json.loads(gzip.decompress(one)) for one in octets]
        for document in found.documents:
            found.reported += counted(document)
        await counting.flush()
        with contextlib.closing(ReportsDatabase(counting.path)) as database:
            gathered = TLSGatheringStore(database).gathered()
        found.of_reports = [one.domain for one in gathered if one.domain.endswith(MAILBOX.domain)]
    return found


def _arrived(lab: ReportingLab) -> int:
    return len(lab.lab.received(MAILBOX.domain)) + len(lab.lab.collectors[COLLECTOR].posts)


def counted(document: dict[str, Any]) -> Count:
    """The sessions of a report; what its details add up to must be what it says failed."""
    found: Count = Counter()
    for one in document["policies"]:
        policy, summary = one["policy"], one["summary"]
        key = policy["policy-domain"], policy["policy-type"]
        found[*key, ""] += summary["total-successful-session-count"]
        details = one.get("failure-details", [])
        assert sum(detail["failed-session-count"] for detail in details) == summary["total-failure-session-count"]
        for detail in details:
            found[*key, detail["result-type"]] += detail["failed-session-count"]
    return +found


def cost(rounds: int = 200_000) -> None:
    """Microseconds of counting, for each new connection; mail over a kept connection is not counted at all."""
    host, domain = Domain("mx.example.org"), Domain("example.org")
    records = tuple(TLSARecord(3, 1, 1, bytes([number]) * 32) for number in range(2))
    policy = STSPolicy(PolicyMode.ENFORCE, ("mx.example.org",), 86_400)
    results = {
        "no policy": TLSRPTResult("no-policy-found", domain),
        "TLSA, good": TLSRPTResult("tlsa", host, None, "server's key is the one in signed DNS", records),
        "TLSA, failed": TLSRPTResult("tlsa", host, "tlsa-invalid", "key 7be1407c…9909 shown", records),
        "MTA-STS, good": TLSRPTResult("sts", domain, None, "issued by a public CA", policy),
    }
    handshake = Handshake(host, "192.0.2.1", 25, 1, StartTLSOutcome.ESTABLISHED, local="192.0.2.9", helo=host.ascii)
    key = RoutingKey("example.org")
    message = QueuedMessage(1, 0.0, 0.0, "a@example.net", (QueuedRecipient(0, "b@example.org", key),), 1000)
    with tempfile.TemporaryDirectory() as directory:
        config = loads(f'hostname = "gw.example.org"\n[spool]\ndirectory = "{directory}"\n')
        signing = SigningKey(domain, "k", PrivateKey.from_key(Ed25519PrivateKey.generate()))
        for name, result in results.items():
            counting = TLSCounting(config, Log.in_memory()[0], Metrics(), signing)
            judgement = Judgement(host, "192.0.2.1", None, Protection.NOTHING_SENT, "", tlsrpt=(result,))
            best = float("inf")
            for _ in range(5):
                began = time.process_time()
                for _ in range(rounds // 5):
                    counting(judgement, handshake, message, 1_790_000_000.0)
                best = min(best, (time.process_time() - began) / (rounds // 5))
            print(f"{name:14} {best * 1e6:5.2f} µs")


def main() -> int:
    """Play the lab and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domains", nargs="*", metavar="DOMAIN")
    parser.add_argument("--cost", action="store_true")
    arguments = parser.parse_args()
    if arguments.cost:
        cost()
        return 0
    names = set(arguments.domains)
    scenarios = [one for one in SCENARIOS if not names or one.domain in names]
    with tempfile.TemporaryDirectory(prefix="danelaw-tls-reports-") as directory:
        found = asyncio.run(play(scenarios, Path(directory)))
    for line in found.differences:
        print(line)
    good = sum(count for (_, _, result), count in found.reported.items() if not result)
    print(
        f"{len(found.documents)} reports ({len(found.mails)} by mail, {found.clear} of them in clear; "
        f"{len(found.posts)} by HTTPS) about {len(scenarios)} destinations: {good} sessions went well, "
        f"{found.reported.total() - good} failed; {len(found.differences)} counts differ from the servers' logs; "
        f"{len(found.of_reports)} sessions that carried reports were counted"
    )
    return 1 if found.differences or found.of_reports else 0


if __name__ == "__main__":
    sys.exit(main())
