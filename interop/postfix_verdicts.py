"""What Postfix thinks of a destination, in danelaw's words: from posttls-finger's output and from the sender's log."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from interop.daemons import ENVIRONMENT, run

from danelaw.lab import Scenario

_CONNECTED = re.compile(r"Connected to ([^\[\s]+)\[([^\]]+)\]")
_ESTABLISHED = re.compile(r"(\w+) TLS connection established to ")
_LOG_TLS = re.compile(r"postfix/smtp\[(\d+)\]: (\w+) TLS connection established to (\S+\]):25:")
_LOG_STATUS = re.compile(
    r"postfix/smtp\[(\d+)\]: \w+: to=<[^@>]+@([^>]+)>, .*?relay=([^,\s]+).*?, dsn=([\d.]+), status=(\w+) \((.*)\)"
)


@dataclass(frozen=True)
class FingerVerdict:
    """`level` as `danelaw check` has it, for the one host that was reached; `host` is "" when there was none."""

    level: str
    host: str
    address: str
    said: str


def finger(scenario: Scenario, configuration: Path) -> FingerVerdict:
    """Ask posttls-finger at level `dane`, without public CAs so that only DANE can verify."""
    next_hop = scenario.next_hop or scenario.domain
    command = ("posttls-finger", "-l", "dane", "-t", "5", "-T", "8", "-L", "summary,verbose")
    ENVIRONMENT["MAIL_CONFIG"] = str(configuration)
    done = run(*command, next_hop, seconds=120)
    return _finger(done.stdout + done.stderr)


def _finger(text: str) -> FingerVerdict:
    lines = [line.removeprefix("posttls-finger: ") for line in text.splitlines()]
    hosts = _CONNECTED.findall(text)
    host, address = hosts[-1] if hosts else ("", "")
    failed = next((line for line in lines if "lookup" in line.lower() and "failed" in line), "")
    if failed and not host:
        final = "nullMX" in failed or not failed.endswith("try again")
        return FingerVerdict("no-mail" if final else "waits", host, address, failed)
    demands_tls = "TLSA record:" in text or "unsupported TLSA" in text
    established = _ESTABLISHED.search(text)
    if established is not None:
        word = established.group(1)
        if word == "Verified":
            return FingerVerdict("dane", host, address, word)
        if word == "Trusted" and "Matched DANE" in text:
            return FingerVerdict("host-dane", host, address, "Trusted: MX RRset insecure")
        refused = next((line for line in lines if "DANE TLSA" in line or "no matching" in line), "")
        verified_by_dane = "DNSSEC-signed TLSA record:" in text and "all TLSA records unusable" not in text
        return FingerVerdict("waits" if verified_by_dane else "encrypted", host, address, refused or word)
    if not host:
        return FingerVerdict("waits", host, address, lines[-1] if lines else "nothing")
    last = next((line for line in reversed(lines) if "rejected" in line or "warning" in line), "no STARTTLS")
    return FingerVerdict("waits" if demands_tls else "clear", host, address, last)


def fingers(scenarios: tuple[Scenario, ...], configuration: Path) -> dict[str, FingerVerdict]:
    """All of them, a few at a time."""
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda scenario: finger(scenario, configuration), scenarios)
        return {scenario.domain: verdict for scenario, verdict in zip(scenarios, found, strict=True)}


@dataclass(frozen=True)
class Sent:
    """What became of a message, in the words of danelaw's closed vocabulary."""

    outcome: str
    protection: str
    said: str


def sent(log: str) -> dict[str, Sent]:
    """The last word on each destination in the log of a sending Postfix without public CAs."""
    tls: dict[tuple[str, str], str] = {}
    found: dict[str, Sent] = {}
    for line in log.splitlines():
        if (established := _LOG_TLS.search(line)) is not None:
            tls[established.group(1), established.group(3)] = established.group(2)
        elif (status := _LOG_STATUS.search(line)) is not None:
            process, domain, relay, _, word, words = status.groups()
            used = tls.pop((process, relay.removesuffix(":25")), "")
            found[domain] = _sent(word, used, words)
    return found


def _sent(status: str, used: str, words: str) -> Sent:
    if status != "sent":
        return Sent("returned" if status == "bounced" else "waiting", "nothing sent", words)
    # "Trusted" without public CAs: DANE verified the host, the MX RRset is insecure.
    protection = {"Verified": "DANE", "Trusted": "host-only DANE", "": "clear text"}.get(used, "encrypted only")
    return Sent("delivered", protection, used or "no TLS")
