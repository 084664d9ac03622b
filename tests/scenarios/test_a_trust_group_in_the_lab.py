"""Trusted Email Services in the lab: members, those who are none, and those who pose, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import smtplib
import time
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes
from pathlib import Path

from tests.ends import Running, certificate, certificate_section, gateway, lenient, run

from danelaw.dnssec import TrustAnchors
from danelaw.lab import TRUST_LETTERS, TRUST_MASTERS, TRUST_SECTION, Lab, TrustLetter, trust_members
from danelaw.lab.lettersigning import LetterKeys
from danelaw.lab.settings import gateway_settings
from danelaw.outbound.proof import proof
from danelaw.outbound.rejudging import replay
from danelaw.queue import id_from_text
from danelaw.receipt import Trust, verify
from danelaw.spool.view import find_message

STRANGER, TRUSTED = "127.0.0.1", "127.0.0.2"
INSIDE = '[[domain]]\nname = "inside.lab"\nnext_hop = "[127.0.0.1]:9"\n[authentication]\nenabled = true\n'
KEYS = LetterKeys()


@contextlib.asynccontextmanager
async def trusting(
    directory: Path,
    section: str = TRUST_SECTION,
    more: str = "",
    clock: Callable[[], float] = time.time,
    listen: str = "",
) -> AsyncIterator[tuple[Running, Lab]]:
    """The lab of the group, and a gateway that is in it."""
    directory.mkdir(parents=True, exist_ok=True)
    async with Lab(trust_members(KEYS), senders=TRUST_MASTERS) as lab:
        (directory / "root.key").write_text(lab.anchors_text)
        certificate(directory, "gw.test")
        server = "{}:{}".format(*lab.name_server.address)
        routes = gateway_settings(lab, directory).partition("[lab.routes]")[2]
        sections = f"{INSIDE}{section}{certificate_section(directory)}{more}\n[lab.routes]{routes}"
        replaced = {
            '["127.0.0.0/8"]': f'["{TRUSTED}"]',
            '["127.0.0.1:9"]\ntimeout = "50ms"\ndeadline = "100ms"': (
                f'["{server}"]\nanchor_file = {json.dumps(str(directory / "root.key"))}'
            ),
        }
        async with gateway(directory, sections, clock, listen=listen, replace=replaced) as running:
            yield running, lab


def replies(running: Running, letters: tuple[TrustLetter, ...]) -> dict[str, tuple[int, str]]:
    """What the client of each letter is told."""
    found = {}
    for letter in letters:
        address = running.gateway.listening[0]
        with smtplib.SMTP(*address, local_hostname="mx.lab", timeout=30, source_address=(STRANGER, 0)) as client:
            client.ehlo()
            if letter.tls:
                client.starttls(context=lenient())
                client.ehlo()
            client.mail(f"joe@{letter.author}")
            client.rcpt("anna@inside.lab")
            code, text = client.data(letter.write(KEYS))
            found[letter.name] = (code, text.decode())
    return found


def status_of(running: Running, ident: str, name: str = "X-TES-Status") -> str:
    """All fields of that name in the stored message, wherever they stand."""
    spool = running.gateway.parts.spool
    message, _ = find_message(spool.reader, id_from_text(ident))
    octets = spool.read_body(message)
    assert octets.lower().count(name.lower().encode()) == 1
    return str(message_from_bytes(octets)[name])


def test_each_letter_of_the_group_meets_its_fate(tmp_path: Path) -> None:
    async def play() -> None:
        async with trusting(tmp_path) as (running, _):
            said = await asyncio.to_thread(replies, running, TRUST_LETTERS)
            different = {
                letter.name: said[letter.name] for letter in TRUST_LETTERS if said[letter.name][0] != letter.reply
            }
            assert different == {}
            for letter in TRUST_LETTERS:
                if letter.reply == 250:
                    assert status_of(running, said[letter.name][1].rpartition(" ")[2]) == letter.status, letter.name
            assert "it came without TLS" in said["without-tls"][1]
            assert said["without-tls"][1].startswith("5.7.10")
            assert "DKIM signature of good.lab" in said["unsigned"][1]
            assert "cannot be known now" in said["bogus-membership"][1]
            genuine = running.look(said["genuine"][1].rpartition(" ")[2])
            assert ["trust:tes", "member"] in [found[:2] for found in map(list, findings(genuine))]
            counted = running.gateway.metrics.trust_messages
            assert counted.cell("tes", "member").value == 2
            assert counted.cell("tes", "unknown").value == 2
            assert counted.cell("tes", "breach").value == 5

    run(play())


def findings(message: dict[str, object]) -> list[tuple[str, str, str]]:
    found = message["findings"]
    assert isinstance(found, list)
    return [(one["step"], one["result"], one["reason"]) for one in found]


def test_mail_to_each_destination_of_the_group_meets_its_fate(tmp_path: Path) -> None:
    async def play() -> None:
        async with trusting(tmp_path) as (running, lab):
            async with await running.client(source=TRUSTED) as client:
                idents = {
                    one.domain: await client.message(
                        b"Subject: x\r\nTLS-Required: No\r\n\r\nhi\r\n", f"anna@{one.domain}"
                    )
                    for one in lab.scenarios
                }
            different, shown = {}, {}
            for scenario in lab.scenarios:
                message = await running.tried(idents[scenario.domain])
                last = message["attempts"][-1]
                shown[scenario.domain] = last
                if (last["outcome"], last["protection"]) != (scenario.outcome, scenario.protection):
                    different[scenario.domain] = (last["outcome"], last["protection"], last["reason"])
            assert different == {}
            assert {
                one.domain for one in lab.scenarios if lab.exposed(one.domain) and one.outcome != "delivered"
            } == set()
            assert 'trust group "tes" demands DANE' in shown["good.lab"]["requirement"]
            assert 'trust group "tes": member, vouch.lab vouches for it' in shown["good.lab"]["facts"]
            assert 'trust group "tes" demands DANE' in shown["bare.lab"]["reason"]
            assert "tes-master.silent.lab" in shown["silent.lab"]["reason"]
            trust = Trust(TrustAnchors.from_text(lab.anchors_text))
            for domain, ident in idents.items():
                found = verify(proof(running.directory / "spool", ident, time.time())[1], trust)
                assert not found.refusals, domain
                assert any('trust group "tes"' in one.text for one in found.statements) == (
                    'trust group "tes"' in shown[domain]["requirement"] + shown[domain]["reason"]
                ), (domain, found.statements)
            again = replay(running.directory / "spool", 0.0, trust.anchors)
            assert (again.changes, again.worded, again.forgotten) == ([], 0, 0)

    run(play())
