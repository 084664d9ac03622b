"""DMARC reports over real sockets: mail comes, a day passes, a signed report arrives, and is taken in elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.authentication.authentication_samples import MESSAGE, NOW, internet, signed
from tests.dkim.dkim_samples import rsa_key
from tests.dmarcreport.dmarcreport_samples import RECORD, REPORT, failure_mail
from tests.ends import Running, Sink, Taken, certificate, certificate_section, gateway, run, until

from danelaw.cli import danelaw
from danelaw.dkim import DKIMResult, PrivateKey, verify
from danelaw.dmarcreport import AggregateReport, read_mail, to_xml
from danelaw.dnsdata import DNSSECStatus
from danelaw.errors import DanelawError
from danelaw.gateway.reporter import GRACE_SECONDS, SPREAD_SECONDS, Reporter, fitted
from danelaw.inbound.origin import Origin
from danelaw.message import Header, Part
from danelaw.state import GatheringStore, ReportArchive, ReportsDatabase
from danelaw.state.report_gathering import Key, record_text
from danelaw.testing import FakeDNS, FakeResolver, run_lookup

DAY = 86_400.0
LATEST = GRACE_SECONDS + SPREAD_SECONDS
STRANGERS = {'networks = ["127.0.0.0/8"]': 'networks = ["192.0.2.0/24"]'}
POLICY = "v=DMARC1; p=reject; rua=mailto:rua@example.org,mailto:dmarc@collector.test!10m,mailto:x@victim.test"
SECTION = """
[[domain]]
name = "ours.test"
[authentication]
enabled = true
[reports]
{what}
dkim_domain = "gw.test"
dkim_selector = "r"
dkim_key = "{key}"
{more}
"""


@dataclass(slots=True)
class Clock:
    """A clock that is set."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class World:
    """A gateway that reports, what it sends arriving at the sink, and DNS, whose answers are signed."""

    running: Running
    sink: Sink
    dns: FakeDNS
    clock: Clock = field(default_factory=Clock)

    async def offer(self, message: bytes, sender: str = "x@stranger.test", to: str = "b@ours.test") -> int:
        async with await self.running.client() as client:
            return (await client.offer(message, to, sender=sender)).code

    async def report(self) -> None:
        """What the gateway does every few seconds."""
        reporting = self.running.gateway.parts.reporting
        assert reporting is not None
        await Reporter(self.running.gateway, reporting).look()

    async def reports(self, count: int) -> list[Taken]:
        """Mail at the sink that the gateway made."""
        return [one for one in await self.sink.messages(count) if b"DKIM-Signature" in one.data[:20]]

    def counted(self) -> list[int]:
        with contextlib.closing(ReportsDatabase(self.reporting().path)) as database:
            return [one.messages for one in GatheringStore(database).gathered()]

    def reporting(self) -> Any:
        return self.running.gateway.parts.reporting


def dns_of(policy: str) -> FakeDNS:
    dns = internet(policy)
    key = PrivateKey.from_key(rsa_key()).record().to_zone("r._domainkey.gw.test.").replace(" IN TXT", " TXT")
    dns.add(f'{key}\nexample.org._report._dmarc.collector.test. TXT "v=DMARC1"')
    return dns


@contextlib.asynccontextmanager
async def world(
    tmp_path: Path, policy: str = POLICY, what: str = "send = true", more: str = ""
) -> AsyncIterator[World]:
    key = tmp_path / "dkim.key"
    key.write_bytes(rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    clock, dns = Clock(), dns_of(policy)
    async with Sink() as sink:
        settings = sink.smarthost + SECTION.format(what=what, key=key, more=more)
        async with gateway(tmp_path / "g", settings, clock=clock, replace=STRANGERS) as running:
            parts = running.gateway.parts
            real, resolver = parts.resolver, FakeResolver(dns)
            parts.resolver = resolver  # type: ignore[assignment]
            for step in parts.steps.all:
                if isinstance(step, Origin):
                    step._resolver = resolver  # type: ignore[assignment]
            try:
                yield World(running, sink, dns, clock)
            finally:
                parts.resolver = real


def aggregate(taken: Taken) -> AggregateReport:
    (found,) = read_mail(taken.data)
    assert found.report is not None
    return found.report


def checked(taken: Taken, dns: FakeDNS) -> Header:
    """The header of a mail whose signature verifies."""
    header = Header.from_bytes(taken.data)
    fields = [(one.name, one.raw) for one in header]
    outcome = run_lookup(verify(fields, taken.data[header.body_offset :], now=NOW + 2 * DAY), dns)
    assert [(one.result, one.domain) for one in outcome.verdicts] == [(DKIMResult.PASS, "gw.test")]
    return header


def test_a_day_of_mail_becomes_one_signed_report_for_those_who_agreed(tmp_path: Path) -> None:
    async def play() -> None:
        async with world(tmp_path) as here:
            good = signed(MESSAGE)
            assert [await here.offer(one) for one in (good, good, MESSAGE)] == [250, 250, 550]
            assert await here.offer(b"List-Id: <l>\r\n" + MESSAGE) == 250
            await here.report()
            here.clock.now += DAY + LATEST
            await here.report()
            (taken,) = await here.reports(3)
            assert taken.mail.startswith("MAIL FROM:<dmarc-reports@gw.test>")
            assert [one.partition(">")[0] for one in taken.recipients] == [
                "RCPT TO:<rua@example.org",
                "RCPT TO:<dmarc@collector.test",
            ]
            assert all("NOTIFY=NEVER" in one for one in taken.recipients)
            header = checked(taken, here.dns)
            assert header.first("Auto-Submitted") is not None
            report = aggregate(taken)
            begin = int(NOW // DAY * DAY)
            assert (report.begin, report.end, report.domain) == (begin, begin + 86_399, "example.org")
            assert report.report_id == f"{begin}.1.example.org@gw.test"
            assert report.policy.p == "reject"
            rows = sorted((one.count, one.disposition, one.dkim, one.spf) for one in report.records)
            assert rows == [
                (1, "quarantine", "fail", "fail"),
                (1, "reject", "fail", "fail"),
                (2, "pass", "pass", "fail"),
            ]
            await here.report()
            assert len(here.sink.taken) == 3
            refused = here.running.lines("dmarc-report-refused")
            assert len(refused) == 1
            assert "x@victim.test" in refused[0]

    run(play())


def test_dns_that_fails_lets_the_report_wait(tmp_path: Path) -> None:
    async def play() -> None:
        async with world(tmp_path, "v=DMARC1; p=none; rua=mailto:dmarc@collector.test") as here:
            await here.offer(signed(MESSAGE))
            here.clock.now += DAY + LATEST
            name = "example.org._report._dmarc.collector.test"
            here.dns.fail(name, DNSSECStatus.BOGUS)
            await here.report()
            assert here.running.lines("dmarc-report-waits")
            assert len(here.sink.taken) == 1
            here.dns.remove(name)
            here.dns.add(f'{name}. TXT "v=DMARC1"')
            await here.report()  # not before its time
            assert len(here.running.lines("dmarc-report")) == 0
            here.clock.now += 3600
            await here.report()
            assert len(await here.reports(2)) == 1

    run(play())


def test_nobody_agrees_and_what_was_counted_is_forgotten(tmp_path: Path) -> None:
    async def play() -> None:
        async with world(tmp_path, "v=DMARC1; p=none; rua=mailto:x@victim.test") as here:
            await here.offer(MESSAGE)
            here.clock.now += DAY + LATEST
            await here.report()
            with contextlib.closing(ReportsDatabase(here.reporting().path)) as database:
                (report,) = GatheringStore(database).reports()
                assert report.outcome.startswith("nobody may be sent it: victim.test does not agree")
                assert GatheringStore(database).records(report.number) == ()
            assert len(here.sink.taken) == 1

    run(play())


def test_mail_about_reports_is_not_reported_on(tmp_path: Path) -> None:
    async def play() -> None:
        more = 'reverse_path = "bounces@ours.test"\ndmarc_address = "dmarc@ours.test"'
        async with world(tmp_path, "v=DMARC1; p=none; rua=mailto:rua@example.org", more=more) as here:
            await here.offer(MESSAGE, to="bounces@ours.test", sender="")
            await here.offer(MESSAGE, to="dmarc@ours.test")
            await here.reporting().flush()
            assert here.counted() == []
            await here.offer(MESSAGE)
            await here.reporting().flush()
            assert here.counted() == [1]

    run(play())


def test_what_was_counted_is_written_at_the_end(tmp_path: Path) -> None:
    async def play() -> Path:
        async with world(tmp_path) as here:
            await here.offer(signed(MESSAGE))
            path: Path = here.reporting().path
        return path

    with contextlib.closing(ReportsDatabase(run(play()))) as database:
        assert [one.messages for one in GatheringStore(database).gathered()] == [1]


def test_failures_are_told_where_wanted(tmp_path: Path) -> None:
    policy = "v=DMARC1; p=none; ruf=mailto:ruf@example.org"

    async def play() -> None:
        async with world(tmp_path / "off", policy) as here:
            await here.offer(MESSAGE)
            assert here.reporting().failures.empty()
        async with world(tmp_path / "on", policy, "failure = true", "failure_rate = 1") as here:
            for _ in range(3):
                assert await here.offer(MESSAGE) == 250
            (taken,) = await here.reports(4)
            checked(taken, here.dns)
            whole = Part.from_octets(taken.data)
            assert whole.content_type.parameters["report-type"] == "feedback-report"
            fields = whole.parts[1].content()
            assert b"Auth-Failure: dmarc\r\n" in fields
            assert b"Reported-Domain: example.org\r\n" in fields
            assert b"dinner" not in taken.data
            assert b"joe@" not in taken.data
            found = dict(here.running.gateway.metrics.dmarc_reports.samples())
            assert found == {("failure", "sent"): 1, ("failure", "suppressed"): 2}

    for name in ("off", "on"):
        (tmp_path / name).mkdir()
    run(play())


def test_no_failure_report_tells_of_mail_under_requiretls(tmp_path: Path) -> None:
    """It would be a message of its own about that one, and nobody knows that its way is protected (RFC 8689 §6)."""
    policy = "v=DMARC1; p=none; ruf=mailto:ruf@example.org"
    certificate(tmp_path, "gw.test")

    async def play() -> None:
        async with (
            world(tmp_path, policy, "failure = true", certificate_section(tmp_path)) as here,
            await here.running.client() as client,
        ):
            await client.start_tls()
            await client.expect(250, "EHLO c.test")
            for mail in (" REQUIRETLS", ""):
                await client.message(MESSAGE, "b@ours.test", sender="x@stranger.test", mail=mail)
            counts = here.running.gateway.metrics.dmarc_reports
            await until(lambda: dict(counts.samples()) == {("failure", "sent"): 1}, "the report about the other one")

    run(play())


def test_a_report_comes_and_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    async def sent() -> bytes:
        async with world(tmp_path / "a") as here:
            await here.offer(signed(MESSAGE))
            await here.offer(MESSAGE)
            here.clock.now += DAY + LATEST
            await here.report()
            return (await here.reports(2))[0].data

    report = run(sent())

    async def taken() -> None:
        more = 'dmarc_address = "Dmarc@ours.test"'
        async with world(tmp_path / "b", "v=DMARC1; p=none", more=more) as here:
            here.dns.add('_dmarc.gw.test. TXT "v=DMARC1; p=reject"')
            here.clock.now += DAY + LATEST
            async with await here.running.client() as client:
                for to in (["dmarc@ours.test"], ["dmarc@ours.test", "b@ours.test"]):
                    assert (await client.offer(report, *to, sender="dmarc-reports@gw.test")).code == 250
                assert (await client.offer(MESSAGE, "dmarc@ours.test")).code == 250
            with contextlib.closing(ReportsDatabase(here.reporting().path)) as database:
                assert [one.number for one in ReportArchive(database).received()] == [1]
            found = dict(here.running.gateway.metrics.dmarc_reports.samples())
            assert found == {(("aggregate"), one): 1 for one in ("received", "duplicate", "unreadable")}
            (passed,) = await here.sink.messages()
            assert len(passed.recipients) == 1
            (line,) = here.running.lines("discarded")
            assert "report 1: gw.test about example.org" in line

    run(taken())
    spool = str(tmp_path / "b" / "g" / "spool")

    def said(*arguments: str) -> Any:
        result = CliRunner().invoke(danelaw, ["reports", "dmarc", *arguments, "--spool", spool, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    (one,) = said("list")["received"]
    assert (one["domain"], one["messages"], one["aligned"], one["authenticated"]) == ("example.org", 2, 1, "gw.test")
    assert len(said("show", "1")["records"]) == 2
    assert len(said("show", "1", "--unaligned")["records"]) == 1
    assert said("sources", "example.org", "--days", "3650")["sources"][0]["source_ip"] == "127.0.0.1"
    file = tmp_path / "r.eml"
    file.write_bytes(report)
    assert said("ingest", str(file))["files"][0]["words"].startswith("here already")
    page = CliRunner().invoke(danelaw, ["reports", "dmarc", "show", "1", "--spool", spool, "--ascii"]).output
    assert "gw.test about example.org: 1 of 2 messages aligned" in page
    assert "The mail it came in passed DMARC for gw.test" in page
    page = CliRunner().invoke(danelaw, ["reports", "dmarc", "list", "--spool", spool]).output
    assert "Reports of others" in page


def test_a_failure_report_comes_and_is_shown_without_persons(tmp_path: Path) -> None:
    report = failure_mail(b"Subject: plan\r\nFrom: Anna <anna@example.com>\r\n")

    async def play() -> None:
        more = 'dmarc_address = "dmarc@ours.test"\nmax_failures = 10'
        async with world(tmp_path, "v=DMARC1; p=none", more=more) as here:
            for _ in range(2):
                assert await here.offer(report, to="dmarc@ours.test") == 250
            found = dict(here.running.gateway.metrics.dmarc_reports.samples())
            assert found == {("failure", "received"): 1, ("failure", "duplicate"): 1}
            assert "failure report 1: reporter.test about example.com" in here.running.lines("discarded")[0]

    run(play())
    spool = next(path.parent for path in tmp_path.rglob("reports.db"))

    def said(*arguments: str) -> Any:
        result = CliRunner().invoke(danelaw, ["reports", "dmarc", *arguments, "--spool", str(spool), "--json"])
        assert result.exit_code == 0, result.output
        assert "anna" not in result.output
        return json.loads(result.output)

    (one,) = said("failures", "Example.com")["failures"]
    assert (one["domain"], one["source_ip"], one["failed"], one["delivery"], one["incidents"]) == (
        "example.com", "192.0.2.9", ["dkim", "spf"], "reject", 3
    )  # fmt: skip
    assert said("failures", "example.org")["failures"] == []
    shown = said("failure", "1")
    assert (shown["mail_from"], shown["header"]) == ("…@example.com", "From: <***@example.com>\r\n")
    page = CliRunner().invoke(danelaw, ["reports", "dmarc", "failures", "--spool", str(spool)]).output
    assert "192.0.2.9" in page
    page = CliRunner().invoke(danelaw, ["reports", "dmarc", "failure", "1", "--spool", str(spool), "--ascii"]).output
    assert "reporter.test about 3 messages in the name of example.com: dkim, spf failed" in page
    assert "Who sent it is not proved" in page
    missing = CliRunner().invoke(danelaw, ["reports", "dmarc", "failure", "9", "--spool", str(spool)])
    assert missing.exit_code != 0
    file = tmp_path / "r.eml"
    file.write_bytes(report.replace(b"192.0.2.9", b"192.0.2.10"))
    (taken,) = said("ingest", str(file))["files"]
    assert (taken["kind"], taken["number"]) == ("failure", 2)
    whole = CliRunner().invoke(
        danelaw, ["reports", "dmarc", "ingest", str(file), "--whole-header", "--spool", str(spool)]
    )
    assert "here already" in whole.output


@pytest.mark.parametrize(("unreadable", "held"), [("hold", True), ("discard", False)])
def test_mail_without_a_report_is_held_or_discarded(tmp_path: Path, unreadable: str, held: bool) -> None:
    async def play() -> None:
        more = f'dmarc_address = "dmarc@ours.test"\nunreadable = "{unreadable}"'
        async with world(tmp_path, "v=DMARC1; p=none", more=more) as here:
            async with await here.running.client() as client:
                answer = await client.offer(MESSAGE, "dmarc@ours.test", sender="x@stranger.test")
            assert answer.code == 250
            if held:
                (hold,) = here.running.look(answer.text.rpartition(" ")[2])["held"]["holds"]
                assert hold == {"step": "reports", "reason": "no part of the mail looks like a DMARC report"}
            else:
                (line,) = here.running.lines("discarded")
                assert "no part of the mail looks like a DMARC report" in line
            assert not here.sink.taken

    run(play())


def test_what_is_old_is_forgotten_when_something_comes(tmp_path: Path) -> None:
    async def play() -> None:
        more = 'dmarc_address = "dmarc@ours.test"\nkeep = "10d"'
        async with world(tmp_path, "v=DMARC1; p=none", more=more) as here:
            attached = b'MIME-Version: 1.0\r\nContent-Type: text/xml; name="r.xml"\r\n\r\n' + to_xml(REPORT)
            mail = (
                (MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n" + attached).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            )
            assert await here.offer(mail, to="dmarc@ours.test") == 250
            here.clock.now += 11 * DAY
            assert await here.offer(mail.replace(b"<org_name>gw", b"<org_name>x"), to="dmarc@ours.test") == 250
            with contextlib.closing(ReportsDatabase(here.reporting().path)) as database:
                assert [one.org_name for one in ReportArchive(database).received()] == ["x.test"]

    run(play())


def test_a_forged_report_is_not_read(tmp_path: Path) -> None:
    async def play() -> None:
        more = 'dmarc_address = "dmarc@ours.test"'
        async with world(tmp_path, "v=DMARC1; p=quarantine", more=more) as here:
            attached = b'MIME-Version: 1.0\r\nContent-Type: text/xml; name="r.xml"\r\n\r\n' + to_xml(REPORT).replace(
                b"\n", b"\r\n"
            )
            forged = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n" + attached
            assert await here.offer(forged, to="dmarc@ours.test") == 250
            assert not dict(here.running.gateway.metrics.dmarc_reports.samples())

    run(play())


def test_what_cannot_be_made_is_given_up_and_stops_nothing_else(tmp_path: Path) -> None:
    async def play() -> None:
        async with world(tmp_path) as here:
            await here.offer(signed(MESSAGE))
            await here.reporting().flush()
            with contextlib.closing(ReportsDatabase(here.reporting().path)) as database:
                broken = Key(0, 1, "broken.test", "no record", record_text(RECORD))
                assert GatheringStore(database).gather({broken: 1}) == 0
                here.clock.now += DAY + LATEST
                await here.report()
                assert len(await here.reports(2)) == 1
                assert "no record" not in here.running.lines("dmarc-report")
                for _ in range(24):
                    here.clock.now += 3600
                    await here.report()
                (report,) = GatheringStore(database).reports("broken.test")
                assert report.outcome == "given up: it could not be made in 24 tries"

    run(play())


def test_send_now_ends_the_period(tmp_path: Path) -> None:
    async def play() -> None:
        async with world(tmp_path) as here:
            await here.offer(signed(MESSAGE))
            await here.reporting().flush()
            spool = str(here.running.directory / "spool")
            result = CliRunner().invoke(danelaw, ["reports", "dmarc", "send-now", "--spool", spool])
            assert "1 report to be sent, 1 of them new." in result.output
            here.clock.now = max(here.clock.now, time.time() + 1)
            await here.report()
            assert aggregate((await here.reports(2))[0]).messages == 1

    run(play())


class HeldResolver(FakeResolver):
    """Answers once it is let go."""

    def __init__(self, dns: FakeDNS) -> None:
        super().__init__(dns)
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def run(self, lookup: Any) -> Any:
        self.asked.set()
        await self.go.wait()
        return await super().run(lookup)


def test_send_now_while_a_report_is_on_its_way_makes_no_second_one(tmp_path: Path) -> None:
    async def play() -> None:
        async with world(tmp_path, "v=DMARC1; p=none; rua=mailto:rua@example.org") as here:
            await here.offer(signed(MESSAGE))
            held = HeldResolver(here.dns)
            here.running.gateway.parts.resolver = held  # type: ignore[assignment]
            here.clock.now = max(here.clock.now + DAY + LATEST, time.time() + 1)
            async with asyncio.TaskGroup() as group:
                group.create_task(here.report())
                await held.asked.wait()
                spool = str(here.running.directory / "spool")
                CliRunner().invoke(danelaw, ["reports", "dmarc", "send-now", "--spool", spool])
                held.asked.clear()
                second = group.create_task(here.report())  # as another worker's
                asked = group.create_task(held.asked.wait())
                await asyncio.wait((second, asked), return_when=asyncio.FIRST_COMPLETED)
                assert second.done()
                asked.cancel()
                held.go.set()
            with contextlib.closing(ReportsDatabase(here.reporting().path)) as database:
                (report,) = GatheringStore(database).reports()
            assert (report.tries, report.outcome.startswith("sent to rua@example.org")) == (1, True)
            assert len(here.running.lines("dmarc-report")) == 1

    run(play())


def test_a_report_that_is_too_large_leaves_the_seldomest_out() -> None:
    whole = replace(REPORT, records=tuple(RECORD.with_count(1000 - number) for number in range(1000)))
    small = fitted(whole, 100_000)
    assert 80 < len(small.records) < 1000
    assert small.records == whole.records[: len(small.records)]
    assert len(to_xml(small)) <= 100_000
    assert "are left out" in small.errors[0]
    assert fitted(whole, 10 << 20) is whole


def test_a_key_that_cannot_be_read_is_said_before_anything_starts(tmp_path: Path) -> None:
    async def play() -> None:
        settings = SECTION.format(what="send = true", key=tmp_path / "none", more="")
        with pytest.raises(DanelawError, match="none cannot be read"):
            async with gateway(tmp_path, settings):
                pass

    run(play())
