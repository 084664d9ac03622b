"""RFC 8689 §5: notices and other answers about REQUIRETLS mail are protected or redacted, and never dropped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.ends import Client, run, until

from danelaw.dsn import DSN, Action, DSNRecipient, build, envelope_of
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Behaviour, Host, Scenario
from danelaw.outbound.notices import Notices
from danelaw.queue import QueuedMessage, QueuedRecipient, RecipientState, RetrySchedule, RoutingKey
from danelaw.telemetry import Log, Metrics

ABLE = Scenario(domain="able.lab", hosts=(Host(behaviour=Behaviour(requiretls=True)),))
UNABLE = Scenario(domain="unable.lab", hosts=(Host(),))
NOW = 1_800_000_000.0
FAILED = DSNRecipient(address="bob@c.test", action=Action.FAILED, status="5.7.30", reason="it lacks REQUIRETLS")
NOTICE = DSN(
    reporting_mta="gw.test",
    to="anna@a.test",
    recipients=(FAILED,),
    original=b"Message-ID: <1@a.test>\r\nSubject: secret subject\r\n\r\nsecret body\r\n",
    requiretls=True,
)


@pytest.mark.parametrize("ret_full", [True, False, None])
def test_headers_only_whatever_ret_says(ret_full: bool | None) -> None:
    """RET=FULL is disregarded; the notice has the null reverse-path and REQUIRETLS."""
    notice = replace(NOTICE, ret_full=ret_full)
    content = build(notice, date=NOW, message_id="<n@gw.test>", boundary="=_b")
    envelope = envelope_of(notice, content)
    assert (envelope.reverse_path, envelope.requiretls, envelope.notify) == ("<>", True, "NEVER")
    assert b"secret subject" in content
    assert b"secret body" not in content


ANSWERS = {
    "disposition notification": (
        b"From: bob@c.test\r\nTo: anna@a.test\r\nSubject: Read: secret\r\nContent-Type: multipart/report;\r\n"
        b" report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\nread secret\r\n--b\r\n"
        b"Content-Type: message/disposition-notification\r\n\r\nOriginal-Message-ID: <secret@a.test>\r\n--b--\r\n"
    ),
    "another server's notice": (
        b"From: MAILER-DAEMON@c.test\r\nTo: anna@a.test\r\nSubject: Undelivered: secret\r\nX-Original: secret\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nsecret\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; c.test\r\n\r\n"
        b"Final-Recipient: rfc822;b@c.test\r\nAction: failed\r\nStatus: 5.1.1\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\n"
        b"Subject: secret\r\n\r\nx\r\n--b--\r\n"
    ),
    "a notice in plain text": b"From: root@c.test\r\nSubject: failure\r\n\r\n> secret\r\nno such user\r\n",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_of_others_pass_whole_or_redacted(tmp_path: Path, answer: bytes) -> None:
    """§5: an empty reverse-path with REQUIRETLS is no reason to drop the message where the next hop lacks it."""

    async def play() -> None:
        async with Rehearsal((ABLE, UNABLE), tmp_path) as rehearsal:
            async with await Client.connect(rehearsal.gateway.listening[0]) as client:
                await client.greeted()
                await client.start_tls("gateway.lab")
                await client.expect(250, "EHLO c.test")
                for domain in ("able.lab", "unable.lab"):
                    await client.message(answer, f"anna@{domain}", sender="", mail=" REQUIRETLS")
                    await until(lambda domain=domain: rehearsal.lab.received(domain), f"mail at {domain}")
            (able,), (unable,) = rehearsal.lab.received("able.lab"), rehearsal.lab.received("unable.lab")
            assert able.data.endswith(answer)
            assert "REQUIRETLS" in able.mail_parameters
            assert b"secret" not in unable.data
            assert b"@c.test" in unable.data, "who sent it"
            assert b"Received: from" in unable.data, "its trace, against loops"
            assert "REQUIRETLS" not in unable.mail_parameters
            assert (b"Status: 5.1.1" in unable.data) is (b"delivery-status" in answer)

    run(play())


class Spool:
    """As much of a spool as notices need."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def body_chunks(self, message: QueuedMessage) -> list[bytes]:
        return [self.body]

    def new_id(self) -> int:
        return 77


def test_a_notice_whose_way_back_stayed_unknown_goes_redacted_in_the_end() -> None:
    """Its lifetime is over and DNS never said whether REQUIRETLS can be had: without it, and without the message."""
    content = build(NOTICE, date=NOW, message_id="<n@gw.test>", boundary="=_b")
    key = RoutingKey("a.test", "requiretls")
    back = QueuedRecipient(0, "anna@a.test", key, "NEVER", due=NOW)
    waiting = QueuedMessage(
        7, NOW - 5 * 86400, NOW, "", (back,), len(content), requiretls=True, client_helo="notice"
    )  # fmt: skip
    log, lines = Log.in_memory()
    notices = Notices(
        "gw.test",
        cast("Any", Spool(content)),
        RetrySchedule(),
        lambda domain: str(domain),
        lambda key: "",
        log,
        Metrics(),
    )
    ended = notices.expiry(waiting, NOW)
    assert [one.state for one in ended.results] == [RecipientState.EXPIRED]
    ((again, octets),) = ended.notices
    assert (again.id, again.requiretls, again.reverse_path) == (77, False, "")
    assert [one.key.demand for one in again.recipients] == [""]
    assert b"secret" not in octets
    assert b"Status: 5.7.30" in octets
    assert any("notice-redacted" in line for line in lines.lines)
    assert notices.expiry(again, NOW).notices == (), "once"


def test_a_notice_says_who_asked() -> None:
    """For demands of ours, which the original's header does not show any more."""
    log, _ = Log.in_memory()
    notices = Notices(
        "gw.test", cast("Any", Spool(b"Subject: x\r\n\r\n")), RetrySchedule(), str, lambda key: "", log, Metrics()
    )
    for findings, words in (
        (
            [["demand", "dane", "the sender asked for it in the recipient's address"]],
            "you asked for it in a recipient's",
        ),
        ([["spf", "pass", ""]], "a rule or script of this gateway asks for that"),
    ):
        one = QueuedRecipient(0, "b@c.test", RoutingKey("c.test", "dane"), due=NOW)
        message = QueuedMessage(7, NOW - 9e5, NOW, "a@b.test", (one,), 9, findings=json.dumps(findings))
        ((_, content),) = notices.expiry(message, NOW).notices
        assert words in " ".join(content.decode().split())
