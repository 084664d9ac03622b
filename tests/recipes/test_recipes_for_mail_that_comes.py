"""Recipes for mail from outside, each over real sockets."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from tests.ends import Sink, gateway, run
from tests.recipes.kitchen import STRANGERS, exchanged, mail, recipe, with_dns, with_file

from danelaw.testing import FakeClock, FakeDNS

NOW = 1_800_000_000.0
DNS = """
    sender.test.          TXT "v=spf1 -all"
    _dmarc.sender.test.   TXT "v=DMARC1; p=none"
    proven.test.          TXT "v=spf1 ip4:127.0.0.1 -all"
    _dmarc.proven.test.   TXT "v=DMARC1; p=reject"
    _dmarc.partner.example. TXT "v=DMARC1; p=reject"
    _dmarc.bank.example.  TXT "v=DMARC1; p=none"
    _dmarc.example.org.   TXT "v=DMARC1; p=none"
"""


def test_inbound_filter(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("invoice.pdf.exe", b"MZ" + bytes(100))

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path / "g", sink.smarthost + recipe("inbound-filter", tmp_path), replace=STRANGERS) as running,
        ):
            with_dns(running, FakeDNS(insecure=DNS))
            async with await running.client() as client:
                good = await client.message(mail(author="x@proven.test"), "b@example.org", sender="x@proven.test")
                await running.reaches(good, "delivered")
                assert b"\r\nX-Score: -1 (DMARC passes -1)\r\n" in sink.taken[0].data
                held = await client.message(mail(), "b@example.org")
                found = running.look(held)
                assert found["state"] == "held"
                assert "5 points: DMARC fails +3; SPF fail +2" in str(found)
                answer = await client.offer(with_file("x.zip", archive.getvalue()), "b@example.org")
                assert (answer.code, "x.zip holds a program" in answer.text) == (554, True)
            assert len(sink.taken) == 1

    run(play())


def test_external_banner(tmp_path: Path) -> None:
    async def play() -> None:
        more = recipe("external-banner", tmp_path) + "[authentication]\nenabled = true\n"
        async with Sink() as sink, gateway(tmp_path / "g", sink.smarthost + more, replace=STRANGERS) as running:
            with_dns(running, FakeDNS(insecure=DNS))
            await running.send("b@example.org", body=mail())
            await running.send("b@example.org", body=mail(author="Boss <boss@example.org>"))
            usual, ours = sorted((one.data for one in await sink.messages(2)), key=len)
            if b"NOT from us" in usual:
                usual, ours = ours, usual
            assert b"Subject: [external] hello\r\n" in usual
            assert b"X-External: yes\r\n" in usual
            assert usual.endswith(b"This message came from outside of Example Ltd.\r\n")
            assert b"Subject: [NOT from us] hello\r\n" in ours
            assert b"X-External" not in ours

    run(play())


def test_external_banner_is_not_on_mail_from_inside(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + recipe("external-banner", tmp_path)) as running:
            await running.send("b@example.org", body=mail())
            (taken,) = await sink.messages()
            assert taken.content == mail()

    run(play())


def test_dmarc_exceptions(tmp_path: Path) -> None:
    clock = FakeClock(NOW)

    async def play() -> None:
        more = recipe("dmarc-exceptions", tmp_path)
        async with (
            Sink() as sink,
            gateway(tmp_path / "g", sink.smarthost + more, lambda: clock.now, replace=STRANGERS) as running,
        ):
            with_dns(running, FakeDNS(insecure=DNS))
            async with await running.client() as client:
                partner, bank = mail(author="x@partner.example"), mail(author="x@bank.example")
                assert (await client.offer(partner, "b@example.org")).code == 250
                assert b"Subject: [unproved] hello\r\n" in (await sink.messages())[0].data
                assert (await client.offer(bank, "b@example.org")).code == 550
                clock.now = NOW + 120 * 86_400.0  # the exception has ended
                assert (await client.offer(partner, "b@example.org")).code == 550
            assert len(sink.taken) == 1

    run(play())


def test_greylisting_by_reputation(tmp_path: Path) -> None:
    clock = FakeClock(NOW)

    async def play() -> None:
        more = recipe("greylisting-by-reputation", tmp_path)
        async with (
            Sink() as sink,
            gateway(tmp_path / "g", sink.smarthost + more, lambda: clock.now, replace=STRANGERS) as running,
            await running.client() as client,
        ):

            async def named(name: str) -> int:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                code = (await client.say(f"RCPT TO:<{name}@example.org>")).code
                await client.expect(250, "RSET")
                return code

            assert [await named("anna") for _ in range(2)] == [451, 451]
            clock.now += 301
            assert await named("anna") == 250
            for _ in range(3):
                await client.message(mail(), "anna@example.org", sender="a@sender.test")
            running.gateway.parts.workshop.shared.flush()
            assert await named("bert") == 250
            await sink.messages(3)

    run(play())


def test_routing_by_place(tmp_path: Path) -> None:
    import sqlite3

    database = sqlite3.connect(tmp_path / "people.db")
    database.execute("CREATE TABLE people (address TEXT PRIMARY KEY, place TEXT NOT NULL)")
    people = [("anna@example.org", "oslo"), ("bert@example.org", "lima"), ("cleo@example.org", "oslo")]
    database.executemany("INSERT INTO people VALUES (?, ?)", people)
    database.commit()
    database.close()

    async def play() -> None:
        async with Sink() as oslo, Sink() as lima:
            more = recipe("routing-by-place", tmp_path, {"/var/lib/danelaw/people.db": str(tmp_path / "people.db")})
            places = {"[mail.oslo.example]": oslo.hop, "[mail.lima.example]": lima.hop}
            exchanged(tmp_path, "routing_by_place.py", places)
            async with (
                gateway(tmp_path / "g", more, replace=STRANGERS) as running,
                await running.client() as client,
            ):
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(550, "RCPT TO:<nobody@example.org>")
                await client.expect(250, "RSET")
                await client.message(mail(), *(address for address, _ in people))
                (there,), (here,) = await lima.messages(), await oslo.messages()
                assert there.recipients == ["RCPT TO:<bert@example.org>"]
                assert sorted(here.recipients) == ["RCPT TO:<anna@example.org>", "RCPT TO:<cleo@example.org>"]

    run(play())
