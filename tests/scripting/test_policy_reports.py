"""Reports about our mail are told to a policy: DMARC reports, complaints, and mail that came back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.dmarcreport.dmarcreport_samples import REPORT, failure_mail
from tests.ends import Sink, gateway, run
from tests.feedback.feedback_samples import ARF, DSN

from danelaw.dmarcreport.mail import ReportMail
from danelaw.state import ReportArchive, ReportsDatabase

STRANGERS = {'networks = ["127.0.0.0/8"]': 'networks = ["192.0.2.0/24"]'}
POLICY = """
from danelaw.policy import Discard, ReportContext, hook

@hook.report
async def told(ctx: ReportContext) -> Discard | None:
    ctx.library.log.event(ctx.kind, reporter=ctx.reporter, facts=",".join(sorted(ctx.facts)))
    if ctx.kind == "dsn":
        for one in ctx.facts["recipients"]:
            if one["is_permanent"]:
                await ctx.library.state.set("gone").add("all", one["original"])
    return Discard("we count others only") if ctx.facts.get("domain") == "unwanted.test" else None
"""
SECTION = """
[[domain]]
name = "ours.test"
[reports]
dmarc_address = "dmarc@ours.test"
feedback = ["fbl@ours.test", "bounces@ours.test"]
unreadable = "{unreadable}"
[policy]
directory = "{policy}"
"""


def configured(tmp_path: Path, unreadable: str = "discard", run_in: str = "here") -> str:
    (tmp_path / "policy").mkdir(exist_ok=True)
    (tmp_path / "policy" / "reports.py").write_text(POLICY)
    return SECTION.format(policy=tmp_path / "policy", unreadable=unreadable) + f'run = "{run_in}"\n'


@pytest.mark.parametrize("run_in", ["here", "isolated"])
def test_complaints_and_delivery_reports_are_told_and_go_nowhere(tmp_path: Path, run_in: str) -> None:
    async def play() -> None:
        async with gateway(tmp_path, configured(tmp_path, run_in=run_in), replace=STRANGERS) as running:
            await running.send("fbl@ours.test", body=ARF)
            await running.send("bounces+anna=example.org@ours.test", body=DSN, sender="")
            await running.send("Bounces+bert=example.org@ours.test", body=b"Subject: full\r\n\r\nno\r\n", sender="")
            told = running.lines("policy")
            assert not running.lines("hook-failed")
            assert [line.split("text=")[1].split()[0] for line in told] == ["arf", "dsn", "bounce"]
            assert "facts=authenticated,to" in told[2]
            gone = running.gateway.parts.workshop.shared.set("gone")
            assert await gone.members("all") == ["anna@example.org"]
            assert len(running.lines("discarded")) == 3
            counted = running.gateway.metrics.feedback
            assert [counted.cell(kind, "received").value for kind in ("arf", "dsn", "bounce")] == [1, 1, 1]

    run(play())


@pytest.mark.parametrize("unreadable", ["hold", "discard"])
def test_what_is_no_report_waits_for_people_or_goes(tmp_path: Path, unreadable: str) -> None:
    async def play() -> None:
        async with gateway(tmp_path, configured(tmp_path, unreadable), replace=STRANGERS) as running:
            found = [await running.send("fbl@ours.test", body=b"Subject: hello\r\n\r\nhi\r\n")]
            found += [await running.send("fbl@ours.test", body=ARF.replace(b"Feedback-Type: abuse\r\n", b""))]
            if unreadable == "hold":
                assert {running.look(message)["state"] for message in found} == {"held"}
            else:
                assert all("neither a complaint" in line for line in running.lines("discarded"))
            assert len(running.lines("discarded")) == (0 if unreadable == "hold" else 2)
            assert not running.lines("policy")
            assert running.gateway.metrics.feedback.cell("unknown", "unreadable").value == 2

    run(play())


def test_other_recipients_get_their_mail(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, sink.smarthost + configured(tmp_path), replace=STRANGERS) as running,
        ):
            await running.send("fbl@ours.test", "anna@ours.test", body=ARF)
            (taken,) = await sink.messages()
            assert taken.recipients == ["RCPT TO:<anna@ours.test>"]
            assert len(running.lines("policy")) == 1

    run(play())


def test_a_policy_hears_of_dmarc_reports_and_may_have_them_not_kept(tmp_path: Path) -> None:
    import dataclasses

    mail = ReportMail(submitter="r.test", sender="r@r.test", to=("dmarc@ours.test",))
    unwanted = dataclasses.replace(REPORT, policy=dataclasses.replace(REPORT.policy, domain="unwanted.test"))

    async def play() -> None:
        async with gateway(tmp_path, configured(tmp_path), replace=STRANGERS) as running:
            for report in (REPORT, unwanted):
                body = mail.build(report, date=1.7e9, message_id="<1@r.test>", boundary="b")
                await running.send("dmarc@ours.test", body=body)
            await running.send("dmarc@ours.test", body=failure_mail(b"From: a@ours.test\r\nSubject: x\r\n"))
            kinds = [line.split("text=")[1].split()[0] for line in running.lines("policy")]
            assert kinds == ["dmarc", "dmarc", "dmarc-failure"]
            counted = running.gateway.metrics.dmarc_reports
            assert counted.cell("aggregate", "received").value == 1
            assert counted.cell("aggregate", "discarded").value == 1
            database = ReportsDatabase(tmp_path / "spool" / "reports.db")
            try:
                assert [one.domain for one in ReportArchive(database).received()] == [REPORT.domain]
            finally:
                database.close()

    run(play())
