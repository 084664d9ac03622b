"""What senders and postmasters read when protection fails: one gateway, one lab, a delay and an end for each."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import run, until

from danelaw.cli import danelaw
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import STS, Attack, Certificate, Fault, FaultKind, Host, Scenario

BACK = Scenario(domain="back.lab")
WRONG_KEY = Scenario(
    domain="wrong-key.lab",
    hosts=(Host(tlsa=("3 1 1 old",)),),
    records=('_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@reports.example,https://x.example/r"',),
)
STRIPPED = Scenario(domain="stripped.lab", hosts=(Host(attack=Attack.STRIP),))
BOGUS = Scenario(
    domain="bogus.lab", faults=(Fault(kind=FaultKind.FORGE, types=("MX",), records=("@ MX 5 mx.attacker.lab.",)),)
)
UNLISTED = Scenario(
    domain="unlisted.lab", signed=False, hosts=(Host(tlsa=()),), sts=STS(patterns=("mail.elsewhere.lab",))
)
MIXED = Scenario(
    domain="mixed.lab", hosts=(Host(name="mx1", tlsa=("3 1 1 old",)), Host(name="mx2", preference=20, v4="dead"))
)
HALF = Scenario(domain="half.lab", hosts=(Host(name="mx1", tlsa=("3 1 1 old",)), Host(name="mx2", preference=20)))
EXPIRED = Scenario(domain="expired.lab", hosts=(Host(certificate=Certificate(expired=True)),))
FAILING = (WRONG_KEY, STRIPPED, BOGUS, UNLISTED, MIXED)
SETTINGS = """
[queue]
warn_after = "2s"
lifetime = "40s"
retry_first = "30s"
retry_longest = "30s"
[notices]
languages = ["en", "de"]
"""
pytestmark = pytest.mark.timeout(120)


class Impatient(Rehearsal):
    def write_settings(self) -> None:
        super().write_settings()
        with self.config_file.open("a") as file:
            file.write(SETTINGS)


@dataclass
class Told:
    """What there was to read, by domain."""

    delays: dict[str, EmailMessage] = field(default_factory=dict)
    ends: dict[str, EmailMessage] = field(default_factory=dict)
    notes: dict[str, tuple[int, EmailMessage, str]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    found = Told()
    run(_play(tmp_path_factory.mktemp("notices"), found))
    return found


async def _play(directory: Path, found: Told) -> None:
    everything = (*FAILING, HALF, EXPIRED, BACK)
    async with Impatient(everything, directory) as rehearsal:
        for scenario in (*FAILING, HALF, EXPIRED):
            message = await rehearsal.send(scenario, sender="anna@back.lab")
            result = await rehearsal.result(scenario, message)
            assert result.outcome == ("waiting" if scenario in FAILING else "delivered"), result
        for scenario in everything:
            found.notes[scenario.domain] = await _notify(rehearsal, scenario.domain)
            found.facts[scenario.domain] = await _facts(rehearsal, scenario.domain)
        engine = rehearsal.gateway.parts.engine
        usual = engine._clock
        for ahead, into in ((10, found.delays), (55, found.ends)):
            engine._clock = lambda seconds=ahead: usual() + seconds
            action = "delayed" if ahead == 10 else "failed"
            await until(lambda: len(_collect(rehearsal, action, into)) == len(FAILING), f"{action} notices")  # noqa: B023


def _collect(rehearsal: Rehearsal, action: str, into: dict[str, EmailMessage]) -> dict[str, EmailMessage]:
    for one in rehearsal.lab.received("back.lab"):
        parsed = email.message_from_bytes(one.data, policy=email.policy.SMTP)
        assert isinstance(parsed, EmailMessage)
        status = list(parsed.iter_parts())[1].as_string()
        if f"Action: {action}" in status:
            into[status.partition("Final-Recipient: rfc822;anna@")[2].split()[0]] = parsed
    return into


async def _danelaw(*words: str) -> Any:
    return await asyncio.to_thread(CliRunner().invoke, danelaw, list(words), standalone_mode=False)


async def _notify(rehearsal: Rehearsal, domain: str) -> tuple[int, EmailMessage, str]:
    result = await _danelaw("notify", domain, "--config", str(rehearsal.config_file))
    assert result.exception is None, result.exception
    parsed = email.message_from_bytes(result.stdout.encode(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return result.return_value, parsed, result.stderr


async def _facts(rehearsal: Rehearsal, domain: str) -> Any:
    result = await _danelaw("notify", domain, "--json", "--config", str(rehearsal.config_file))
    return json.loads(result.stdout)


def words_of(message: EmailMessage) -> str:
    return " ".join(next(iter(message.iter_parts())).get_content().split())


def status_of(message: EmailMessage) -> str:
    return " ".join(list(message.iter_parts())[1].as_string().split())


SAYS = {
    "wrong-key.lab": (
        "another key than wrong-key.lab announces",
        "wrong-key.lab itself: its signed DNS announces",
        "mx.wrong-key.lab 127.",
        "TLS 1.3: its key is not the announced one (key ",
        'run "danelaw tlsa mx.wrong-key.lab CERTIFICATE.pem"',
        "wrong-key.lab selbst: sein signiertes DNS",
        'selbst aufrufen: "danelaw tlsa mx.wrong-key.lab CERTIFICATE.pem"',
    ),
    "stripped.lab": ("no encrypted connection (server offers no STARTTLS",
                     "stripped.lab itself: its signed DNS", "removes it"),
    "bogus.lab": ("the DNS entries of bogus.lab are wrong", "nothing goes out on a guess", '"danelaw dns'),
    "unlisted.lab": ("not on the list unlisted.lab publishes (MTA-STS)", "mx.unlisted.lab: is not on the list",
                     "https://mta-sts.unlisted.lab/.well-known/mta-sts.txt"),
    "mixed.lab": ("mx1.mixed.lab 127.", "its key is not the announced one", "mx2.mixed.lab 127.", "connection refused"),
}  # fmt: skip


@pytest.mark.parametrize("domain", SAYS)
@pytest.mark.parametrize("kind", ["delays", "ends"])
def test_a_notice_says_why_who_what_each_server_did_and_what_helps(told: Told, domain: str, kind: str) -> None:
    message: EmailMessage = getattr(told, kind)[domain]
    said = words_of(message)
    assert [phrase for phrase in SAYS[domain] if phrase not in said] == []
    assert " since " in said
    assert ("you are told if it fails till then" in said) is (kind == "delays")
    assert ("is tried no longer" in said) is (kind == "ends")
    assert max(map(len, next(iter(message.iter_parts())).get_content().splitlines())) <= 78
    assert "Ihre Nachricht" in said


@pytest.mark.parametrize("domain", SAYS)
def test_the_fields_for_programs_stay_right(told: Told, domain: str) -> None:
    delayed, failed = status_of(told.delays[domain]), status_of(told.ends[domain])
    assert "Status: 4.4.7" in delayed
    assert "Will-Retry-Until: " in delayed
    assert "Last-Attempt-Date: " in delayed
    assert "Status: 5.4.7" in failed
    for status in (delayed, failed):
        assert "Diagnostic-Code: x-danelaw; " in status
        assert status.isascii()


def test_no_notice_gives_a_key_seen_from_outside_as_advice(told: Told) -> None:
    for message in (*told.delays.values(), *told.ends.values()):
        said = words_of(message)
        assert "IN TLSA" not in said
        for advice in said.split("For the postmaster of")[1:]:
            assert "…" not in advice.partition("Which message")[0]


@pytest.mark.parametrize(
    "domain", ["wrong-key.lab", "stripped.lab", "bogus.lab", "unlisted.lab", "mixed.lab", "half.lab"]
)
def test_notify_drafts_a_note_that_can_arrive(told: Told, domain: str) -> None:
    status, note, beside = told.notes[domain]
    assert status == 0
    assert note["TLS-Required"] == "No"
    assert f"postmaster@{domain}" in note["To"]
    assert note["From"].startswith("postmaster@")
    body = " ".join(note.get_content().split())
    assert f"Dear postmaster of {domain}" in body
    assert "take no key or certificate from this note" in body
    assert ("1 message waits here" in body) is (domain != "half.lab")
    assert ("Nothing could be sent since" in body) is (domain != "half.lab")
    assert "was not sent" in beside
    assert "danelaw send --from" in beside


def test_notes_have_the_evidence_of_their_case(told: Told) -> None:
    assert "tls@reports.example" in told.notes["wrong-key.lab"][2]
    assert told.facts["wrong-key.lab"]["contacts"]["tls_reports"] == ["tls@reports.example"]
    assert [one["cause"] for one in told.facts["wrong-key.lab"]["problems"]] == ["wrong-key"]
    assert [one["cause"] for one in told.facts["stripped.lab"]["problems"]] == ["no-tls"]
    assert [one["cause"] for one in told.facts["bogus.lab"]["problems"]] == ["bogus-dns"]
    assert [one["cause"] for one in told.facts["unlisted.lab"]["problems"]] == ["not-listed"]
    half = told.facts["half.lab"]
    assert [(one["host"], one["cause"]) for one in half["seen"]] == [
        ("mx1.half.lab", "wrong-key"),
        ("mx2.half.lab", ""),
    ]
    assert "is at risk" in half["subject"]
    text = told.notes["wrong-key.lab"][1].get_content()
    assert "_25._tcp.mx.wrong-key.lab TLSA 3 1 1" in " ".join(text.split())


@pytest.mark.parametrize("domain", ["expired.lab", "back.lab"])
def test_of_a_healthy_destination_there_is_nothing_to_tell(told: Told, domain: str) -> None:
    """With 3 1 1 an expired certificate is none of our business (RFC 7672 §3.1.1)."""
    status, note, beside = told.notes[domain]
    assert status == 10
    assert not note.get_content().strip()
    assert "nothing to tell" in beside
    assert told.facts[domain]["calls_for_note"] is False
