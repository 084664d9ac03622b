"""Other programs log in and send: swaks, curl, Python's smtplib, and GNU SASL, which makes SCRAM keys too."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from interop.daemons import run
from interop.report import Report
from tests.ends import Running, Sink, certificate, certificate_section, gateway
from tests.ends import run as play

from danelaw.sasl import SCRAMKeys, User, verifier_from_text

SECTION = "Submission"
USER, PASSWORD = "anna@example.org", "correct, horse=battery"
MECHANISMS = 'mechanisms = ["PLAIN", "LOGIN", "SCRAM-SHA-256"]\n'
MAIL = b"From: anna@example.org\r\nSubject: interop\r\n\r\nhello\r\n"
pytestmark = pytest.mark.timeout(120)


def submitted(directory: Path, client: Callable[[int], tuple[int, str]], *, tls: str = "starttls", mail: bool = True,
              verifier: str = "") -> tuple[int, str]:  # fmt: skip
    """Run a client against a gateway's port; its exit status and what it said. With `mail` one must arrive."""

    async def played() -> tuple[int, str]:
        certificate(directory, "gw.test")
        keys = verifier_from_text(verifier) if verifier else SCRAMKeys.of(PASSWORD, b"0123456789abcdef")
        (directory / "users").write_text(User(USER, keys).to_text() + "\n")
        more = f'{certificate_section(directory)}[submission]\nusers = "{directory}/users"\n{MECHANISMS}'
        async with Sink() as sink:
            listen = f'tls = "{tls}"\nauth = "required"'
            async with gateway(directory, more + sink.smarthost, listen=listen) as running:
                done = await asyncio.to_thread(client, running.address[1])
                if mail and done[0] == 0:
                    (taken,) = await sink.messages()
                    assert b" with ESMTPSA " in taken.data
                    assert _logged_in(running)
                return done

    return play(played())


def _logged_in(running: Running) -> bool:
    return f"user={USER}" in "".join(running.lines("login"))


@pytest.mark.needs("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_swaks_logs_in(mechanism: str, tls: str, tmp_path: Path, report: Report) -> None:
    def client(port: int, password: str = PASSWORD) -> tuple[int, str]:
        words = [
            "swaks",
            "--server",
            "127.0.0.1",
            "--port",
            str(port),
            "--tls" if tls == "starttls" else "--tls-on-connect",
        ]
        words += ["--auth", mechanism, "--auth-user", USER, "--auth-password", password, "--helo", "c.example"]
        done = run(*words, "--from", USER, "--to", "bert@elsewhere.example", "--timeout", "20s")
        return done.returncode, done.stdout + done.stderr

    status, said = submitted(tmp_path / "right", client, tls=tls)
    assert status == 0, said
    status, said = submitted(tmp_path / "wrong", lambda port: client(port, "wrong"), tls=tls)
    assert status != 0
    assert "535 5.7.8" in said
    report.text(SECTION, f"- swaks, AUTH {mechanism}, {tls}: logged in and sent; a wrong password: 535 5.7.8")


@pytest.mark.needs("curl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_curl_logs_in(mechanism: str, tmp_path: Path, report: Report) -> None:
    def client(port: int) -> tuple[int, str]:
        (tmp_path / "mail").write_bytes(MAIL)
        words = [
            "curl",
            "-sSvk",
            "--ssl-reqd",
            "--url",
            f"smtp://127.0.0.1:{port}/c.example",
            "--user",
            f"{USER}:{PASSWORD}",
        ]
        words += ["--login-options", f"AUTH={mechanism}", "--mail-from", USER, "--mail-rcpt", "bert@elsewhere.example"]
        done = run(*words, "--upload-file", str(tmp_path / "mail"))
        return done.returncode, done.stdout + done.stderr

    status, said = submitted(tmp_path / "gateway", client)
    assert status == 0, said
    report.text(SECTION, f"- curl, AUTH {mechanism}: logged in and sent")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_smtplib_logs_in(mechanism: str, tmp_path: Path, report: Report) -> None:
    def client(port: int) -> tuple[int, str]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", port, local_hostname="c.example", timeout=20) as connection:
            connection.starttls(context=context)
            connection.ehlo()
            connection.user, connection.password = USER, PASSWORD
            authenticator = connection.auth_plain if mechanism == "PLAIN" else connection.auth_login
            code, words = connection.auth(mechanism, authenticator)
            connection.sendmail(USER, ["bert@elsewhere.example"], MAIL)
        return int(code != 235), words.decode()

    assert submitted(tmp_path, client)[0] == 0
    report.text(SECTION, f"- Python's smtplib, AUTH {mechanism}: logged in and sent")


@pytest.mark.needs("gsasl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_gnu_sasl_logs_in(mechanism: str, tmp_path: Path, report: Report) -> None:
    def client(port: int, password: str = PASSWORD) -> tuple[int, str]:
        words = ["gsasl", "--smtp", "--mechanism", mechanism, "--authentication-id", USER, "--password", password]
        words += ["--authorization-id", "", "--x509-ca-file=", "--no-cb", "--verbose"]
        done = run(*words, "127.0.0.1", str(port), "--hostname", "gw.test", "--service", "smtp")
        return done.returncode, done.stdout + done.stderr

    status, said = submitted(tmp_path / "right", client, mail=False)
    assert status == 0, said
    status, said = submitted(tmp_path / "wrong", lambda port: client(port, "wrong"), mail=False)
    assert status != 0, said
    report.text(SECTION, f"- GNU SASL, AUTH {mechanism}: logged in, and not with a wrong password")


@pytest.mark.needs("gsasl")
def test_keys_made_by_gnu_sasl_are_ours(tmp_path: Path, report: Report) -> None:
    made = run(
        "gsasl", "--mkpasswd", "--mechanism", "SCRAM-SHA-256", "--password", PASSWORD, "--iteration-count", "4096"
    )
    keys = verifier_from_text(made.stdout.strip())
    assert keys.matches(PASSWORD)
    assert not keys.matches("wrong")
    report.text(SECTION, "- keys that `gsasl --mkpasswd` makes can stand in the file of users")
