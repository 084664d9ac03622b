"""Users log in over real sockets inside TLS, and send; strangers at the same port do not."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.ends import Answer, Client, Sink, certificate, certificate_section, gateway, lenient, run

from danelaw.sasl import SCRAMKeys, ScryptKey, User, plain_response

MAIL = b"From: anna@example.org\r\nSubject: x\r\n\r\nhello\r\n"
PASSWORD = "correct horse"


def users(directory: Path, *more: User) -> str:
    """Write the file of users; gives the listener's port 587 settings and `[submission]` around it."""
    anna = User("anna@example.org", ScryptKey.of(PASSWORD, b"0123456789abcdef", log_n=4, p=1))
    bert = User("bert", SCRAMKeys.of(PASSWORD, b"fedcba9876543210", iterations=4096), ("@example.net",))
    text = "".join(user.to_text() + "\n" for user in (anna, bert, *more))
    (directory / "users").write_text(text)
    return f'[submission]\nusers = "{directory}/users"\nfailure_delay = "0s"\n'


def sections(directory: Path, submission: str = "", more: str = "") -> str:
    certificate(directory, "gw.test")
    return certificate_section(directory) + users(directory) + submission + more


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def plain(client: Client, user: str = "anna@example.org", password: str = PASSWORD) -> Answer:
    return await client.say(f"AUTH PLAIN {b64(plain_response(user, password))}")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_user_logs_in_and_relays(tmp_path: Path, tls: str) -> None:
    listen = f'tls = "{tls}"\nauth = "required"'

    async def play() -> None:
        async with Sink() as sink:
            config = sections(tmp_path, more=sink.smarthost)
            options = {"context": lenient(), "name": "gw.test"} if tls == "implicit" else {}
            async with (
                gateway(tmp_path, config, listen=listen, replace={'"127.0.0.0/8"': '"10.0.0.0/8"'}) as running,
                await running.client(**options) as client,
            ):
                if tls == "starttls":
                    assert not any("AUTH" in line for line in (await client.expect(250, "EHLO c.test")).lines)
                    await client.expect(538, "AUTH PLAIN")
                    await client.expect(530, "MAIL FROM:<anna@example.org>")
                    await client.start_tls()
                assert "AUTH PLAIN LOGIN" in (await client.expect(250, "EHLO c.test")).lines
                await client.expect(530, "MAIL FROM:<anna@example.org>")
                assert (await plain(client)).code == 235
                await client.expect(503, "AUTH PLAIN")
                ident = await client.message(MAIL, "someone@elsewhere.test", mail=" AUTH=<>")
                taken = (await sink.messages())[0]
                assert b" with ESMTPSA " in taken.data
                assert taken.data.count(b"\r\nDate: ") == 1
                assert f"\r\nMessage-ID: <{ident}@gw.test>\r\n".encode() in taken.data
                assert "user=anna@example.org mechanism=PLAIN" in running.lines("login")[0]
                assert PASSWORD.split()[0] not in "".join(running.log.lines)

    run(play())
