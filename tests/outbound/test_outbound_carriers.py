"""Mail that is handed over, from the configuration to the record: folders, programs, services."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner
from tests.carriers.test_carriers_lmtp import Boxes
from tests.carriers.test_carriers_post import Service
from tests.ends import Sink, gateway, run, until
from tests.outbound.test_outbound_steps import Says, install, recipient, release

from danelaw.cli.check import command as check
from danelaw.cli.config import effective
from danelaw.cli.explain_page import show
from danelaw.cli.output import Output
from danelaw.config import ConfigError, loads
from danelaw.outbound.explanation import explained
from danelaw.outbound.steps import Directions
from danelaw.tlspolicy import SenderDemand

BODY = b"Subject: s\r\n\r\nhello\r\n"


def maildir(tmp_path: Path, more: str = "") -> str:
    return f"""[[domain]]
name = "boxes.test"
next_hop = "carrier:boxes"
[[carrier]]
name = "boxes"
maildir = "{tmp_path}/mail/{{domain}}/{{local}}"
{more}
"""


def test_a_domain_is_delivered_into_folders(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, maildir(tmp_path)) as running:
            message = await running.send("Anna@boxes.test", "ben@boxes.test", body=BODY)
            found = await running.reaches(message, "delivered")
            for name in ("anna", "ben"):
                [file] = (tmp_path / "mail/boxes.test" / name / "new").iterdir()
                assert file.read_bytes().endswith(b"Subject: s\n\nhello\n")
            [attempt] = found["attempts"]
            assert (attempt["destination"], attempt["host"]) == ("carrier:boxes", "boxes")
            assert (attempt["protection"], attempt["outcome"]) == ("handed over", "delivered")
            assert attempt["recipients"] == [0, 1]
            assert "handed over" in running.lines("delivered")[0]
            counted = dict(running.gateway.metrics.outbound_recipients.samples())
            assert counted == {("delivered", "handed over"): 2}
            page = io.StringIO()
            show(Output(page), explained(tmp_path / "spool", message, running.gateway.clock()))
            assert "handed over to boxes." in page.getvalue()

    run(play())


def test_a_large_message_is_handed_over_from_its_file(tmp_path: Path) -> None:
    body = b"Subject: s\r\n\r\n" + b"x" * 70 + b"\r\n" + b"0123456789abcdef\r\n" * 20_000

    async def play() -> None:
        async with gateway(tmp_path, maildir(tmp_path)) as running:
            await running.reaches(await running.send("anna@boxes.test", body=body), "delivered")
            [file] = (tmp_path / "mail/boxes.test/anna/new").iterdir()
            assert file.read_bytes().endswith(body.replace(b"\r\n", b"\n"))
            await until(lambda: running.bodies == [], "the end of its file in the spool")

    run(play())


def test_a_mailbox_server_decides_about_each_recipient_too(tmp_path: Path) -> None:
    boxes = Boxes(tmp_path / "s", lambda verb, line: "550 5.2.1 off\r\n" if verb == "DOT" and "<b" in line else None)
    section = f"""[[route]]
domain = "x.test"
next_hop = "carrier:dovecot"
[[carrier]]
name = "dovecot"
lmtp = "unix:{tmp_path}/s"
"""

    async def play() -> None:
        async with boxes, Sink() as sink, gateway(tmp_path / "gw", sink.smarthost + section) as running:
            found = await running.tried(await running.send("a@x.test", "b@x.test", body=BODY), 2)
            assert [one["state"] for one in found["recipients"]] == ["delivered", "returned"]
            assert boxes.data[0].endswith(b"Subject: s\r\n\r\nhello\r\n.\r\n")
            assert b"5.2.1" in (await sink.messages())[0].data

    run(play())


def test_a_program_decides_about_each_recipient(tmp_path: Path) -> None:
    code = tmp_path / "program.py"
    code.write_text('import sys; print("4.2.2 busy"); sys.exit(dict(a=0, b=75, c=67)[sys.argv[1]])')
    section = f"""[[route]]
domain = "x.test"
next_hop = "carrier:program"
[[carrier]]
name = "program"
pipe = ["{sys.executable}", "-I", "{code}", "{{local}}"]
"""

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + section) as running:
            found = await running.tried(await running.send("a@x.test", "b@x.test", "c@x.test"), 3)
            assert [one["state"] for one in found["recipients"]] == ["delivered", "waiting", "returned"]
            assert recipient(found, 1)["tries"] == 1
            [notice] = await sink.messages()
            assert b"Status: 5.1.1" in notice.data

    run(play())


def test_a_service_gets_a_message_with_the_same_key_again(tmp_path: Path) -> None:
    service = Service(lambda count: web.Response(status=503 if count == 1 else 200, headers={"Retry-After": "7000"}))

    async def play() -> None:
        async with service:
            section = f"""[delivery]
next_hop = "carrier:desk"
[queue]
retry_longest = "4h"
[[carrier]]
name = "desk"
url = "http://127.0.0.1:{service.port}/mail"
"""
            async with gateway(tmp_path, section) as running:
                message = await running.send("a@x.test")
                found = await running.tried(message)
                due = recipient(found)["next_try"] - running.gateway.clock()
                assert 6900 < due <= 7000, "what the service said in Retry-After"
                await release(running, message)
                await running.reaches(message, "delivered")
                first, second = (fields["Idempotency-Key"] for fields, _ in service.requests)
                assert first == second == f'"{message}-0"'

    run(play())


def test_a_service_that_is_down_puts_its_queue_to_sleep(tmp_path: Path) -> None:
    section = """[delivery]
next_hop = "carrier:desk"
[[carrier]]
name = "desk"
url = "http://127.0.0.1:9/mail"
"""

    async def play() -> None:
        async with gateway(tmp_path, section) as running:
            found = await running.tried(await running.send("a@x.test"))
            assert recipient(found)["tries"] == 0
            await until(lambda: running.look(found["id"])["queues"][0]["asleep_until"], "the sleep")
            assert "no connection to 127.0.0.1:9" in running.look(found["id"])["queues"][0]["reason"]

    run(play())


def test_mail_for_a_carrier_that_is_no_more_waits_for_the_operator(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, maildir(tmp_path)) as running:
            (tmp_path / "mail").write_text("in the way")
            message = await running.send("anna@boxes.test")
            found = await running.tried(message)
            assert recipient(found)["state"] == "waiting"
        async with gateway(tmp_path) as running:
            await release(running, message)
            found = await running.tried(message, 2)
            assert found["attempts"][-1]["reason"] == "no [[carrier]] is called 'boxes'"
            assert recipient(running.look(message))["state"] == "waiting"

    run(play())


def test_a_policy_step_sends_mail_to_a_carrier_by_name(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + maildir(tmp_path)) as running:
            install(running, Says(lambda pending: Directions(next_hop="carrier:boxes", demand=SenderDemand.VERIFIED)))
            found = await running.reaches(await running.send("a@x.test"), "delivered")
            assert found["attempts"][-1]["protection"] == "handed over"
            assert sink.connections == 0
            install(running, Says(lambda pending: Directions(next_hop="carrier:other")))
            found = await running.tried(await running.send("a@x.test"))
            assert "no [[carrier]] is called 'other'" in recipient(found)["reason"]

    run(play())


def test_who_wants_a_notice_of_success_gets_one(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + maildir(tmp_path)) as running:
            message = await running.send("anna@boxes.test", rcpt=" NOTIFY=SUCCESS")
            await running.reaches(message, "delivered")
            [notice] = await sink.messages()
            assert b"Action: relayed" in notice.data

    run(play())


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('[[carrier]]\nname = "a"', "give one of maildir, lmtp, pipe and url"),
        (
            '[[carrier]]\nname = "a"\nmaildir = "/m/{local}"\nurl = "https://x.test"',
            "give one of maildir, lmtp, pipe and url",
        ),
        ('[[carrier]]\nname = "a"\nmaildir = "mail/{local}"', "absolute path"),
        ('[[carrier]]\nname = "a"\nmaildir = "/mail/../{local}"', "absolute path"),
        ('[[carrier]]\nname = "a"\nmaildir = "/mail"', "put {local} into it"),
        ('[[carrier]]\nname = "a"\nmaildir = "/mail/{user}"', "{user} stands for nothing"),
        ('[[carrier]]\nname = "a"\nlmtp = "192.0.2.1:24"', "LMTP is for this machine"),
        ('[[carrier]]\nname = "a"\nlmtp = "unix:lmtp"', "unix:lmtp"),
        ('[[carrier]]\nname = "a"\npipe = ["cat"]', "absolute path"),
        ('[[carrier]]\nname = "a"\npipe = ["/bin/{local}"]', "absolute path"),
        ('[[carrier]]\nname = "a"\nurl = "http://desk.example/"', "can be read on the way"),
        ('[[carrier]]\nname = "a"\nurl = "ftp://desk.example/"', 'write "https://host/path"'),
        ('[[carrier]]\nname = "a"\nurl = "https://u:p@desk.example/"', 'write "https://host/path"'),
        ('[[carrier]]\nname = "a"\npipe = ["/bin/cat"]\nquota = "1G"', "quota means something with maildir only"),
        ('[[route]]\ndomain = "x.test"\nnext_hop = "carrier:a"', 'add [[carrier]] name = "a"'),
        ('[[carrier]]\nname = "a"\npipe = ["/bin/cat"]\n' * 2, "appears twice"),
    ],
)
def test_a_wrong_carrier_is_refused_with_its_reason(section: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        loads(f'hostname = "gw.test"\n{section}\n')
    assert words in str(error.value)


def test_nothing_is_said_about_servers_where_mail_is_handed_over(tmp_path: Path) -> None:
    path = tmp_path / "danelaw.toml"
    path.write_text('hostname = "gw.test"\n' + maildir(tmp_path))
    told = CliRunner().invoke(effective, ["boxes.test", "--config", str(path)], standalone_mode=False).output
    assert "handed over" in told
    assert "next: danelaw queue list to:*@boxes.test" in told
    checked = CliRunner().invoke(check, ["boxes.test", "--config", str(path)], standalone_mode=False)
    assert "handed to carrier:boxes here" in str(checked.exception)


def test_a_right_one_is_taken() -> None:
    found = loads('hostname = "gw.test"\n[[carrier]]\nname = "a"\nurl = "https://desk.example/in"\nlast_stop = true\n')
    assert found.carrier[0].is_last_stop
    assert found.carrier[0].url == "https://desk.example/in"
