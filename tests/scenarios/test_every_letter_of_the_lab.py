"""Letters of the lab, genuine and forged, come to a gateway over SMTP: each is taken, held or refused as declared."""

from __future__ import annotations

import asyncio
import json
import smtplib
from pathlib import Path

from tests.ends import gateway, run

from danelaw.lab import LETTERS, Lab, Letters

INSIDE = """
[[domain]]
name = "inside.lab"
next_hop = "[127.0.0.1]:9"

[authentication]
enabled = true
"""
STRANGERS = {'networks = ["127.0.0.0/8"]': 'networks = ["192.0.2.0/24"]'}


def replies(letters: Letters, address: tuple[str, int]) -> dict[str, tuple[int, str]]:
    """The reply to each letter, each from its own client."""
    found = {}
    for client in sorted({letter.client for letter in letters.letters}):
        connection = smtplib.SMTP(*address, local_hostname="mx.post.lab", timeout=30, source_address=(client, 0))
        with connection:
            for letter in (one for one in letters.letters if one.client == client):
                connection.ehlo_or_helo_if_needed()
                connection.mail(letter.mail_from)
                connection.rcpt("anna@inside.lab")
                code, text = connection.data(letters.octets(letter))
                found[letter.name] = (code, text.decode())
    return found


def test_each_letter_meets_the_fate_that_is_declared(tmp_path: Path) -> None:
    async def play() -> dict[str, tuple[str, str]]:
        letters = Letters(LETTERS)
        async with Lab((), senders=(), letters=letters) as lab:
            anchor = tmp_path / "anchor"
            anchor.write_text(lab.anchors_text)
            server = "{}:{}".format(*lab.name_server.address)
            resolver = f'["{server}"]\nanchor_file = {json.dumps(str(anchor))}'
            replaced = STRANGERS | {'["127.0.0.1:9"]\ntimeout = "50ms"\ndeadline = "100ms"': resolver}
            different = {}
            async with gateway(tmp_path, INSIDE, replace=replaced) as running:
                said = await asyncio.to_thread(replies, letters, running.gateway.listening[0])
                for letter in LETTERS:
                    code, text = said[letter.name]
                    state = running.look(text.rpartition(" ")[2])["state"] if code == 250 else str(code)
                    fate = {"held": "quarantine", "550": "refuse"}.get(state, "accept" if code == 250 else state)
                    if fate != letter.act:
                        different[letter.name] = (letter.act, f"{fate}: {code} {text}")
            return different

    assert run(play()) == {}
