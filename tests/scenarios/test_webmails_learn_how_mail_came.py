"""The Danelaw-Transport field is on top of mail that stays at home, true, alone, and on no other."""

from __future__ import annotations

import asyncio
import email
import email.policy
import smtplib
import ssl
from pathlib import Path

import pytest
from tests.ends import run, until

from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Host, Scenario
from danelaw.transportfield import FIELD_NAME, Transport, Via

HOME, AWAY = Scenario(domain="home.lab"), Scenario(domain="away.lab", hosts=(Host(name="mx", tlsa=("3 1 1",)),))
FORGED = (
    "Danelaw-Transport: v=1; by=bank.example; via=submission; tls=TLSv1.3; client=password; requiretls=yes;\r\n"
    " id=x; t=1\r\n"
    "DANELAW-TRANSPORT :\r\n v=1\r\n"
)
FIELDS = "From: a@sender.lab\r\nSubject: hello\r\n"


class Home(Rehearsal):
    """A gateway that has home.lab for its own; with `steps` each message is looked at before it is stored."""

    steps = ""

    def write_settings(self) -> None:
        super().write_settings()
        text = self.config_file.read_text().replace("[relay]", "[relay]\n# only this one\n", 1)
        text = text.replace('networks = ["127.0.0.0/8"]', 'networks = ["127.0.0.2"]')
        mail = self.directory / "mail"
        self.config_file.write_text(
            f'{text}\n[transport_field]\nadd = true\n\n[[domain]]\nname = "home.lab"\n'
            f'\n[[domain]]\nname = "box.lab"\nnext_hop = "carrier:box"\n'
            f'\n[[carrier]]\nname = "box"\nmaildir = "{mail}/{{local}}"\n'
            f"{self.steps}"
        )


def hand_in(place: Rehearsal, to: list[str], body: str, *, tls: bool = False, source: str = "127.0.0.1") -> None:
    host, port = place.gateway.listening[0]
    with smtplib.SMTP(host, port, local_hostname="client.lab", timeout=20, source_address=(source, 0)) as client:
        if tls:
            context = ssl.create_default_context(cadata=place.lab.roots_pem.decode())
            context.check_hostname = False
            client.starttls(context=context)
        client.sendmail("a@sender.lab", to, body.encode())


def fields_of(data: bytes) -> list[str]:
    found = email.message_from_bytes(data, policy=email.policy.default).get_all(FIELD_NAME) or []
    return [str(one) for one in found]


RULE = '[[rule]]\nname = "no-images"\nwhen = { attachment = ["*.iso"] }\naction = "hold"\n'


@pytest.mark.parametrize("steps", ["", RULE], ids=["no-steps", "steps"])
@pytest.mark.parametrize("size", [10, 400_000])
def test_one_true_field_at_home_and_none_abroad(tmp_path: Path, size: int, steps: str) -> None:
    line = "x" * 70 + "\r\n"
    text = FORGED + FIELDS + FORGED + "\r\nDanelaw-Transport: in the body\r\n" + line * (size // 72 + 1)
    kept = FIELDS + "\r\nDanelaw-Transport: in the body\r\n" + line * (size // 72 + 1)

    async def play() -> None:
        home = Home((HOME, AWAY), tmp_path)
        home.steps = steps
        async with home as place:
            await asyncio.to_thread(hand_in, place, ["a@home.lab"], text)
            await until(lambda: place.lab.received("home.lab"), "the message at home")
            first = place.lab.received("home.lab")[0]
            assert first.data.startswith(b"Danelaw-Transport: v=1; by=gateway.lab; via=smtp; tls=none;\r\n")
            (value,) = fields_of(first.data)
            said = Transport.from_text(value)
            assert (said.via, said.tls, said.password, said.requiretls) == (Via.SMTP, None, False, False)
            assert first.data.endswith(kept.encode())
            assert f"SIZE={len(first.data)}" in first.mail_parameters

            # Over a kept connection, in TLS, and from our own networks; abroad without it.
            await asyncio.to_thread(
                hand_in, place, ["a@home.lab", "b@away.lab", "anna@box.lab"], text, tls=True, source="127.0.0.2"
            )
            await until(lambda: len(place.lab.received("home.lab")) == 2, "the second message at home")
            await until(lambda: place.lab.received("away.lab"), "the message abroad")
            (value,) = fields_of(place.lab.received("home.lab")[1].data)
            said = Transport.from_text(value)
            assert (said.via, said.tls) == (Via.RELAY, "TLSv1.3")
            abroad = place.lab.received("away.lab")[0]
            assert fields_of(abroad.data) == []
            assert abroad.data.endswith(kept.encode())
            assert f"SIZE={len(abroad.data)}" in abroad.mail_parameters
            box = tmp_path / "mail" / "anna" / "new"
            await until(lambda: box.is_dir() and list(box.iterdir()), "the message in the mailbox")
            (file,) = box.iterdir()
            (value,) = fields_of(file.read_bytes())
            assert Transport.from_text(value).via is Via.RELAY

    run(play())
