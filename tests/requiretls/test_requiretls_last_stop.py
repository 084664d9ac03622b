"""RFC 8689 §2 item 7, §4.4: where REQUIRETLS mail ends, and where it cannot go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.carriers.test_carriers_lmtp import Boxes
from tests.ends import Running, certificate, certificate_section, gateway, run, until

ROUTE = '[[route]]\ndomain = "x.test"\nnext_hop = "carrier:end"\n[[carrier]]\nname = "end"\n'


async def sent(running: Running, sender: str = "anna@sender.test") -> str:
    async with await running.client() as client:
        await client.start_tls()
        await client.expect(250, "EHLO c.test")
        return await client.message(b"Subject: s\r\n\r\nhello\r\n", "a@x.test", sender=sender, mail=" REQUIRETLS")


@pytest.mark.parametrize(
    ("carrier", "state"),
    [
        ('maildir = "{0}/mail/{{domain}}/{{local}}"\n', "delivered"),
        ('lmtp = "unix:{0}/s"\n', "delivered"),
        ('pipe = ["{1}", "-c", "pass"]\n', "returned"),
        ('pipe = ["{1}", "-c", "pass"]\nlast_stop = true\n', "delivered"),
        ('lmtp = "unix:{0}/s"\nlast_stop = false\n', "returned"),
    ],
    ids=["maildir", "LMTP on this machine", "program", "program that is the end", "mailbox server that is not the end"],
)
def test_mail_ends_in_mailboxes_and_goes_nowhere_else(tmp_path: Path, carrier: str, state: str) -> None:
    async def play() -> None:
        certificate(tmp_path, "gw.test")
        section = certificate_section(tmp_path) + ROUTE + carrier.format(tmp_path, sys.executable)
        async with Boxes(tmp_path / "s") as boxes, gateway(tmp_path / "g", section) as running:
            found = await running.reaches(await sent(running), state)
            (tried,) = found["attempts"]
            assert (tried["demand"], tried["outcome"]) == ("requiretls", state)
            counted = running.gateway.metrics.sender_demands.cell("requiretls", state).value
            assert counted == 1
            if state == "returned":
                assert "takes no mail that must go on under REQUIRETLS" in tried["reason"]
                assert not boxes.data

    run(play())


@pytest.mark.parametrize(("last_stop", "state"), [("", "waiting"), ("last_stop = true\n", "delivered")])
def test_other_demands_wait_where_nobody_sees_how_mail_goes_on(tmp_path: Path, last_stop: str, state: str) -> None:
    async def play() -> None:
        carrier = f'pipe = ["{sys.executable}", "-c", "open(\'{tmp_path}/ran\', \'w\')"]\n{last_stop}'
        async with gateway(tmp_path / "g", ROUTE + carrier) as running, await running.client() as client:
            number = await client.message(b"Danelaw-Require: encrypted\r\nSubject: s\r\n\r\nhello\r\n", "a@x.test")
            counted = running.gateway.metrics.sender_demands.cell("encrypted", state)
            await until(lambda: counted.value == 1, "the count")
            await until(lambda: running.look(number)["attempts"], "the record")
            (tried,) = running.look(number)["attempts"]
            assert (tried["demand"], tried["outcome"]) == ("encrypted", state)
            assert (tmp_path / "ran").exists() is (state == "delivered")
            if state == "waiting":
                assert "encrypted is demanded, and nobody can see how end hands mail on" in tried["reason"]

    run(play())
