"""TLS reports in the lab: as true as the servers' own logs, and each once though the gateway is killed on its way."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ends import until

from bench.tls_reports import COLLECTOR, MAILBOX, Clock, ReportingLab, play
from danelaw.cli import danelaw
from danelaw.dkim import DKIMResult, verify
from danelaw.gateway.tls_reporter import GRACE_SECONDS, SPREAD_SECONDS, TLSReporter
from danelaw.lab import SCENARIOS, Scenario
from danelaw.lab.collector import Post
from danelaw.lab.scenario import Fault, FaultKind
from danelaw.message import Header
from danelaw.state import ReportsDatabase, TLSGatheringStore
from danelaw.state.reports_database import FILE_NAME
from danelaw.state.tls_gathering import DAY, LEASE_SECONDS, TLSKey
from danelaw.tlsreport import PolicyType, ReportedPolicy, failure_detail

# Successes and failures of each kind of policy, on three hosts of which one is skipped, with and without a connection.
_TOLD = frozenset(
    {
        "dane.lab", "half-stale.lab", "sts-testing.lab", "unusable-and-sts.lab", "sts-policy-ca.lab",
        "sts-mismatch.lab", "tls-garbage.lab", "tlsa-corrupt.lab", "stripped.lab", "tls-required-no.lab",
        "mx-alias.lab", "dead.lab",
    }
)  # fmt: skip


async def idle(self: TLSReporter) -> None:
    """In place of the gateway's own looks, where a test moves the clock faster than a lease ends."""
    await asyncio.Event().wait()


def test_reports_say_what_the_servers_logs_say_and_come_even_in_clear(tmp_path: Path) -> None:
    scenarios = [one for one in SCENARIOS if one.domain in _TOLD]
    assert len(scenarios) == len(_TOLD)
    found = asyncio.run(play(scenarios, tmp_path, seconds=20.0))
    assert found.differences == []
    assert found.expected.total() == 13
    assert found.of_reports == []
    # The mailbox's TLSA record demands TLS, and its host has none.
    assert found.clear == len(found.mails) > 0
    assert found.posts
    for document in found.documents:
        assert document["organization-name"] == "gateway.lab"
        assert document["contact-info"] == "tls-reports@reporter.lab"
        assert document["date-range"]["start-datetime"].endswith("T00:00:00Z")
        assert document["date-range"]["end-datetime"].endswith("T23:59:59Z")
    details = {
        one["policy"]["policy-domain"]: one
        for document in found.documents
        for one in document["policies"]
        if one["policy"]["policy-type"] != "no-policy-found"
    }
    testing = details["sts-testing.lab"]
    assert testing["policy"]["policy-string"][:2] == ["version: STSv1", "mode: testing"]
    assert testing["policy"]["mx-host"] == ["mx.sts-testing.lab"]
    (failure,) = testing["failure-details"]
    assert failure["sending-mta-ip"] == "127.0.0.1"
    assert failure["receiving-ip"].startswith("127.1.")
    assert failure["receiving-mx-hostname"] == failure["receiving-mx-helo"] == "mx.sts-testing.lab"
    (stale,) = details["mx1.half-stale.lab"]["policy"]["policy-string"]
    assert stale.startswith("3 1 1 ")
    assert "shown" in details["mx1.half-stale.lab"]["failure-details"][0]["failure-reason-code"]
    for post in found.posts:
        assert (post.host, post.media_type) == (COLLECTOR, "application/tlsrpt+gzip")


def test_what_nobody_takes_is_tried_for_a_day_further_and_further_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TLSReporter, "keep", idle)

    def asks(domain: str, uri: str, *faults: Fault) -> Scenario:
        return Scenario(domain=domain, records=(f'_smtp._tls TXT "v=TLSRPTv1; rua={uri}"',), faults=faults)

    https = f"https://{COLLECTOR}"
    scenarios = [
        asks("busy.lab", f"{https}/busy,ftp://busy.lab/"),
        asks("never-answers.lab", f"{https}/never"),
        asks("unlucky.lab", f"{https}/unlucky", Fault(kind=FaultKind.SERVFAIL, name="_smtp._tls", types=("TXT",))),
        Scenario(domain="silent.lab"),
    ]
    day = int(time.time()) // DAY * DAY

    async def scene() -> None:
        clock = Clock()
        async with ReportingLab(scenarios, tmp_path, clock, asked=False) as lab:
            refusing = {"/busy", "/never"}
            collector = lab.lab.collectors[COLLECTOR]
            collector.answer = lambda post: "503 Later" if post.path in refusing else "200 OK"
            for one in scenarios:
                _gathered(tmp_path / "spool", one.domain, day)
            counting = lab.gateway.parts.counting
            assert counting is not None
            reporter = TLSReporter(lab.gateway, counting)
            clock.ahead = day + DAY + GRACE_SECONDS + SPREAD_SECONDS - time.time()
            await reporter.look()
            assert sorted(post.path for post in collector.posts) == ["/busy", "/never"]
            assert _fates(tmp_path) == {
                "busy.lab": "", "never-answers.lab": "", "unlucky.lab": "",
                "silent.lab": "nobody may be sent it: no TLSRPT record at _smtp._tls.silent.lab",
            }  # fmt: skip
            page = CliRunner().invoke(danelaw, ["reports", "tls-sent", "--spool", str(tmp_path / "spool"), "--ascii"])
            assert page.exit_code == 0
            assert "answers with HTTP status 503" in " ".join(page.output.split())
            assert page.output.rstrip().endswith("danelaw reports tls-send-now")
            refusing.remove("/busy")
            tries = []
            for _ in range(24 * 12 + 2):  # every five minutes of a day
                clock.ahead += 300.0
                before = len(collector.posts)
                await reporter.look()
                tries += [clock() - day for post in collector.posts[before:] if post.path == "/never"]
            assert sum(1 for post in collector.posts if post.path == "/busy") == 2
            gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
            assert 5 <= len(tries) <= 10
            assert all(later >= earlier for earlier, later in itertools.pairwise(gaps[:-1]))
            fates = _fates(tmp_path)
            assert fates["busy.lab"] == f"sent to {https}/busy with HTTP status 200"
            assert fates["never-answers.lab"].startswith(f"given up: {https}/never: {COLLECTOR} answers with HTTP")
            assert fates["unlucky.lab"].startswith("nobody may be sent it: _smtp._tls.unlucky.lab cannot be looked up")
            shown = CliRunner().invoke(
                danelaw, ["reports", "tls-sent", "busy.lab", "--spool", str(tmp_path / "spool"), "--json"]
            )
            (report,) = json.loads(shown.output)["reports"]
            assert (report["domain"], report["successful"], report["failed"]) == ("busy.lab", 3, 2)
            assert [one["uri"] for one in report["destinations"]] == [f"{https}/busy"]
            lab.gateway.log.flush()

    asyncio.run(scene())


def test_a_session_counts_once_however_much_mail_it_carries(tmp_path: Path) -> None:
    dane, broken = (one for one in SCENARIOS if one.domain in ("dane.lab", "tls-garbage.lab"))

    async def scene() -> None:
        async with ReportingLab([dane, broken], tmp_path, Clock()) as lab:
            for _ in range(3):
                assert (await lab.play(dane)).outcome == "delivered"
            assert len(lab.lab.received("dane.lab")) == 3
            assert [one.host for one in lab.lab.journal.seen] == ["mx.dane.lab"]
            counting = lab.gateway.parts.counting
            assert counting is not None
            await counting.flush()
            with contextlib.closing(ReportsDatabase(counting.path)) as database:
                (gathered,) = TLSGatheringStore(database).gathered()
            assert (gathered.domain, gathered.successful, gathered.failed) == ("mx.dane.lab", 1, 0)
            (attempt,) = (await lab.play(broken)).attempts
            assert (attempt["protection"], attempt["tlsrpt"]) == ("clear text", "validation-failure")

    asyncio.run(scene())


def _fates(place: Path) -> dict[str, str]:
    with contextlib.closing(ReportsDatabase(place / "spool" / FILE_NAME)) as database:
        return {one.domain: one.outcome for one in TLSGatheringStore(database).reports()}


def _gathered(place: Path, domain: str, day: int) -> None:
    policy = ReportedPolicy(PolicyType.STS, domain, ("version: STSv1",), (f"mx.{domain}",))
    failed = failure_detail("starttls-not-supported", "", host=f"mx.{domain}")
    with contextlib.closing(ReportsDatabase(place / FILE_NAME)) as database:
        assert TLSGatheringStore(database).gather({TLSKey(day, policy, None): 3, TLSKey(day, policy, failed): 2}) == 0


def test_a_report_is_sent_once_though_the_gateway_is_killed_on_its_way(tmp_path: Path) -> None:
    both = f"https://{COLLECTOR}/tls,mailto:reports@mailbox.lab"
    told = Scenario(domain="told.lab", records=(f'_smtp._tls TXT "v=TLSRPTv1; rua={both}"',))
    day = int(time.time()) // DAY * DAY

    async def victim(lab: ReportingLab, moment: str) -> asyncio.subprocess.Process:
        victim.ahead += LEASE_SECONDS + 1  # type: ignore[attr-defined]
        arguments = (str(lab.config_file), str(victim.ahead), moment)  # type: ignore[attr-defined]
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.gateway.tls_report_victim", *arguments, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip

    victim.ahead = DAY + GRACE_SECONDS + SPREAD_SECONDS  # type: ignore[attr-defined]

    async def scene() -> None:
        async with ReportingLab([told], tmp_path, Clock(), asked=False) as lab:
            await lab.gateway.stop()
            _gathered(tmp_path / "spool", "told.lab", day)
            collector = lab.lab.collectors[COLLECTOR]
            came = asyncio.Event()

            def silent(post: Post) -> str | None:
                came.set()
                return None

            usual, collector.answer = collector.answer, silent
            process = await victim(lab, "never")
            await asyncio.wait_for(came.wait(), 60)
            process.kill()  # between the request and its answer
            assert await process.wait() == -signal.SIGKILL
            collector.answer = usual
            for moment in ("answered", "begun", "queued"):
                process = await victim(lab, moment)
                assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL, moment
            process = await victim(lab, "never")
            await until(lambda: _outcomes(tmp_path) != [""], "the end of the report")
            await until(lambda: lab.lab.received(MAILBOX.domain), "the mail")
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 60) == 0
            (outcome,) = _outcomes(tmp_path)
            assert outcome.startswith(
                f"sent to https://{COLLECTOR}/tls with HTTP status 201; sent to reports@mailbox.lab as "
            )
            # Who was answered twice got the same octets, by whose report-id one of them is known as a repetition.
            assert len(collector.posts) == 3
            assert {post.body for post in collector.posts} == {collector.posts[0].body}
            document = json.loads(gzip.decompress(collector.posts[0].body))
            assert document["report-id"] == f"{day}.told.lab@reporter.lab"
            (summary,) = [one["summary"] for one in document["policies"]]
            assert summary == {"total-successful-session-count": 3, "total-failure-session-count": 2}
            (mail,) = lab.lab.received(MAILBOX.domain)
            await lab.open_gateway()  # for its resolver
            header = Header.from_bytes(mail.data)
            fields = [(one.name, one.raw) for one in header]
            now = time.time() + DAY
            body = mail.data[header.body_offset :]
            checked = await lab.gateway.parts.resolver.run(verify(fields, body, now=now + DAY))
            (verdict,) = checked.verdicts
            assert (verdict.result, verdict.domain) == (DKIMResult.PASS, "reporter.lab"), verdict.reason
            assert verdict.signature is not None
            assert verdict.signature.length is None
            assert {"TLS-Report-Domain", "TLS-Report-Submitter", "Subject"} <= set(verdict.signature.headers)
            first = {name: header.first(name) for name in ("TLS-Report-Domain", "TLS-Report-Submitter", "TLS-Required")}
            assert {name: one.decoded for name, one in first.items() if one is not None} == {
                "TLS-Report-Domain": "told.lab", "TLS-Report-Submitter": "reporter.lab", "TLS-Required": "No",
            }  # fmt: skip

    asyncio.run(scene())


def _outcomes(place: Path) -> list[str]:
    with contextlib.closing(ReportsDatabase(place / "spool" / FILE_NAME)) as database:
        return [one.outcome for one in TLSGatheringStore(database).reports()]
