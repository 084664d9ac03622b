"""Postfix and danelaw before the same lab: for every destination the same verdict, or a reason from an RFC why not."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.daemons import until
from interop.mail import message, submit
from interop.postfix_verdicts import FingerVerdict, fingers, sent
from interop.report import Report
from interop.running_lab import RunningLab

from bench.postfix import Postfix
from danelaw.lab import SCENARIOS, Scenario
from danelaw.outbound.checkup import Checkup

pytestmark = [
    pytest.mark.needs("postfix", "posttls-finger", "unbound"),
    pytest.mark.namespace,
    pytest.mark.timeout(420),
]
REASONS = tomllib.loads((Path(__file__).parent / "differences.toml").read_text())
FINGER_SECTION = "`danelaw check` and posttls-finger"
SENDER_SECTION = "danelaw and Postfix as senders"
SENDER_PORT = 2525
# What a Postfix needs to give up within the time of a test where a server does not answer.
IMPATIENT = {
    "smtp_connect_timeout": "3s",
    "smtp_helo_timeout": "6s",
    "smtp_mail_timeout": "6s",
    "smtp_rcpt_timeout": "6s",
    "smtp_data_init_timeout": "6s",
    "smtp_data_xfer_timeout": "6s",
    "smtp_data_done_timeout": "6s",
    "smtp_starttls_timeout": "6s",
    "smtp_quit_timeout": "3s",
}


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[RunningLab]:
    lab = RunningLab(place / "lab")
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="module")
def sender(place: Path, running: RunningLab) -> Iterator[Postfix]:
    hops = "".join(f"{{ {s.domain} = smtp:{s.next_hop} }} " for s in SCENARIOS if s.next_hop)
    settings = IMPATIENT | {
        "myhostname": "client.example",
        "inet_protocols": "all",
        "smtp_dns_support_level": "dnssec",
        "smtp_host_lookup": "dns",
        "smtp_tls_security_level": "dane",
        "smtp_tls_loglevel": "1",
        # Without public CAs "Trusted" in the log means one thing only.
        "smtp_tls_CAfile": "",
        "smtp_connection_cache_on_demand": "no",
        "transport_maps": f"inline:{{ {hops}}}",
        "minimal_backoff_time": "1h",
        "queue_run_delay": "1h",
        "notify_classes": "",
    }
    postfix = Postfix(place / "lab-sender", SENDER_PORT, settings)
    postfix.start()
    try:
        yield postfix
    finally:
        postfix.stop()


def test_check_agrees_with_posttls_finger(running: RunningLab, sender: Postfix, report: Report) -> None:
    checkups = running.checkups()
    wrong = {s.domain: checkups[s.domain].level for s in SCENARIOS if checkups[s.domain].level != s.level}
    theirs = fingers(tuple(SCENARIOS), sender.directory / "etc")
    rows, unexplained = [], []
    for scenario in SCENARIOS:
        verdict = theirs[scenario.domain]
        ours = _level_of_host(checkups[scenario.domain], verdict)
        why = "" if ours == verdict.level else _reason("finger", scenario, ours, verdict.level)
        if why is None:
            unexplained.append((scenario.domain, ours, verdict))
        rows.append((scenario.domain, verdict.host or "–", ours, verdict.level, why or ("" if why == "" else "?")))
    same = sum(row[2] == row[3] for row in rows)
    report.text(
        FINGER_SECTION,
        f"{len(rows)} destinations of the running lab, {same} with the same verdict, {len(rows) - same} different. "
        "posttls-finger (level dane, no public CAs) tries one host; "
        "ours is the level of that host, or of the domain where it reached none.",
    )
    report.table(FINGER_SECTION, ("destination", "host", "danelaw check", "posttls-finger", "why different"), rows)
    assert unexplained == []
    assert wrong == {}


def _level_of_host(checkup: Checkup, verdict: FingerVerdict) -> str:
    found = checkup.to_json()
    for host in found["hosts"]:
        if host["address"] == verdict.address:
            return str(host["level"])
    return str(found["level"])


def test_both_send_alike(running: RunningLab, sender: Postfix, report: Report) -> None:
    for scenario in SCENARIOS:
        submit("127.0.0.1", SENDER_PORT, [scenario.address], message(f"postfix-{scenario.domain}"))
    ours = running.deliveries()
    until(lambda: len(sent(sender.log)) == len(SCENARIOS), 90, every=1.0)
    theirs = sent(sender.log)
    rows, unexplained, counts = [], [], Counter[str]()
    for scenario in SCENARIOS:
        result = ours[scenario.domain]
        mine = f"{result.outcome}, {result.protection}"
        other = theirs.get(scenario.domain)
        words = f"{other.outcome}, {other.protection}" if other else "nothing in its log"
        counts["same" if mine == words else "different"] += 1
        if mine == words:
            continue
        why = _reason("sender", scenario, mine, words)
        if why is None:
            unexplained.append((scenario.domain, mine, words, other))
        rows.append((scenario.domain, mine, words, why or "?"))
    report.text(
        SENDER_SECTION,
        f"One message to each of {len(SCENARIOS)} destinations by danelaw and by Postfix (security level dane, unbound "
        f"as validating resolver): {counts['same']} with the same outcome and protection, "
        f"{counts['different']} different.",
    )
    report.table(SENDER_SECTION, ("destination", "danelaw", "Postfix", "why different"), rows)
    assert unexplained == []
    attacked = {scenario.domain for scenario in SCENARIOS if scenario.attack}
    assert not {domain for domain in attacked if ours[domain].outcome == "delivered"}


def _reason(table: str, scenario: Scenario, ours: str, theirs: str) -> str | None:
    """Why the two differ, None when nobody has said."""
    facts = {scenario.demand, "sts" if scenario.sts is not None else ""}
    for entry in REASONS[table]:
        applies = scenario.domain in entry.get("domains", ()) or entry.get("when") in facts
        if applies and entry.get("ours", ours) == ours and entry.get("theirs", theirs) == theirs:
            return f"{entry['why']} ({entry['rfc']})"
    return None
