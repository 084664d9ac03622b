"""TLS reports of others over real sockets: by mail under a signed root, by HTTPS with a certificate, and as shown."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.dkim.dkim_samples import ed25519_key
from tests.ends import Running, Sink, certificate, certificate_section, gateway, lenient, run
from tests.tlsreport.tlsreport_samples import changed, mail, octets

from danelaw.address import Domain
from danelaw.cli import danelaw
from danelaw.dkim import PrivateKey, SigningKey, sign
from danelaw.lab import Lab, Sender
from danelaw.message import Header
from danelaw.tlsreport import compress

KEY = PrivateKey.from_key(ed25519_key())
RECORD = KEY.record().to_text()
# The key is for TLS reports alone (RFC 8460 §3): ordinary mail signed with it is not.
REPORTER = Sender(domain="company-x.lab", records=(f'k._domainkey TXT "{RECORD.replace("; p=", "; s=tlsrpt; p=")}"',))
LIAR = Sender(domain="liar.lab", records=(f'k._domainkey TXT "{RECORD}"',))
REPORT = changed(contact_info="tls@company-x.lab")
SETTINGS = """
[[domain]]
name = "company-y.example"
[reports]
tls_address = "TLSRPT@company-y.example"
"""


def signed(message: bytes, domain: str) -> bytes:
    header = Header.from_bytes(message)
    fields = [(one.name, one.raw) for one in header]
    key = SigningKey(Domain.from_text(domain), "k", KEY)
    return b"".join(sign(fields, message[header.body_offset :], [key], now=time.time())) + message


def counted(running: Running) -> dict[tuple[str, ...], float]:
    return {labels: value for labels, value in running.gateway.metrics.tls_reports_received.samples() if value}


def said(spool: Path, *arguments: str) -> Any:
    result = CliRunner().invoke(danelaw, ["reports", "tls", *arguments, "--spool", str(spool), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_mailed_reports_count_when_their_reporter_signed_them(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab((), senders=(REPORTER, LIAR)) as lab, Sink() as sink:
            anchors = tmp_path / "root.anchors"
            anchors.write_text(lab.anchors_text)
            (server,) = lab.resolver.servers
            changes = {
                'networks = ["127.0.0.0/8"]': 'networks = ["192.0.2.0/24"]',
                'servers = ["127.0.0.1:9"]\ntimeout = "50ms"\ndeadline = "100ms"': (
                    f'servers = ["{server[0]}:{server[1]}"]\nanchor_file = {json.dumps(str(anchors))}'
                ),
            }
            settings = sink.smarthost + SETTINGS
            async with gateway(tmp_path / "g", settings, replace=changes) as running:
                async with await running.client() as client:

                    async def offer(message: bytes, *to: str) -> str:
                        answer = await client.offer(message, *(to or ("tlsrpt@company-y.example",)), sender="x@y.test")
                        assert answer.code == 250
                        return answer.text.rpartition(" ")[2]

                    message = mail(REPORT, submitter="company-x.lab")
                    await offer(signed(message, "company-x.lab"), "tlsrpt@company-y.example", "b@company-y.example")
                    await offer(signed(message, "company-x.lab"))
                    unsigned = await offer(message)
                    forged = await offer(signed(message, "liar.lab"))
                    about_others = json.loads(octets(REPORT).replace(b"company-y.example", b"gmail.example"))
                    foreign = await offer(signed(mail(about_others, submitter="company-x.lab"), "company-x.lab"))
                    await offer(b"Subject: hello\r\n\r\nhi\r\n")
                assert counted(running) == {
                    ("mail", "received"): 1, ("mail", "duplicate"): 1, ("mail", "unproved"): 2, ("mail", "refused"): 1,
                    ("mail", "unreadable"): 1,
                }  # fmt: skip

                def held(message: str) -> str:
                    (hold,) = running.look(message)["held"]["holds"]
                    return str(hold["reason"])

                assert held(unsigned) == (
                    "the report does not count: company-x.lab did not sign it: it has no DKIM signature"
                )
                assert "signed by liar.lab, and not by company-x.lab" in held(forged)
                assert "none of our domains" in held(foreign)
                (passed,) = await sink.messages()
                assert [one.partition(">")[0] for one in passed.recipients] == ["RCPT TO:<b@company-y.example"]

    run(play())
    spool = tmp_path / "g" / "spool"
    summary = said(spool, "--since", "2016-01-01")
    assert (summary["sessions"], summary["failed"]) == (5629, 303)
    (domain,) = summary["domains"]
    assert (domain["domain"], domain["policy_type"], domain["reports"], domain["proved"]) == (
        "company-y.example", "sts", 1, 1
    )  # fmt: skip
    assert summary["reporters"][0]["authenticated"] == "company-x.lab"
    assert summary["failures"][0]["mx"] == "mx2.mail.company-y.example"
    assert said(spool, "--proved", "--since", "2016-01-01")["sessions"] == 5629
    assert said(spool, "--since", "30d")["sessions"] == 0
    assert said(spool, "--domain", "other.example", "--since", "2016-01-01")["domains"] == []
    page = CliRunner().invoke(
        danelaw, ["reports", "tls", "--since", "2016-01-01", "--failures", "--spool", str(spool), "--ascii"]
    )
    assert page.output.startswith("x 303 of 5 629 sessions with your servers failed (5.4 %), one organization says.")
    assert "the server did not offer STARTTLS: 200 sessions, MTA-STS" in page.output
    assert page.output.splitlines()[-1] == "next: danelaw check company-y.example"


async def post(address: tuple[str, int], octets: bytes, context: ssl.SSLContext | None = None) -> tuple[int, str]:
    """One request as it stands; gives status and text."""
    tls = {"ssl": context, "server_hostname": "gw.test"} if context is not None else {}
    reader, writer = await asyncio.open_connection(*address, **tls)  # type: ignore[arg-type]
    try:
        writer.write(octets)
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 100 " in head:
                writer.write(BODY)
                head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            text = await reader.readexactly(length)
    finally:
        writer.transport.abort()
    return int(head.split(b" ")[1]), text.decode()


BODY = compress(octets(REPORT))


def request(body: bytes, *fields: str, path: str = "/v1/tlsrpt", kind: str = "application/tlsrpt+gzip") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: gw.test", f"Content-Type: {kind}", *fields]
    if not any(one.startswith("Transfer-Encoding") for one in fields):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(body: bytes) -> bytes:
    pieces = [body[start : start + 100] for start in range(0, len(body), 100)]
    return b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nTrailer: x\r\n\r\n"


def test_posted_reports_over_tls(tmp_path: Path) -> None:
    certificate(tmp_path, "gw.test")
    settings = f'{certificate_section(tmp_path)}{SETTINGS}[reports.https]\nlisten = "127.0.0.1:0"\nmax_size = "64K"\n'
    other = changed(report_id="2", contact_info="tls@company-x.lab")
    foreign = changed(policies=[{"policy": {"policy-domain": "gmail.example"}, "summary": {"failure-count": 1}}])

    async def play() -> None:
        async with gateway(tmp_path / "g", settings) as running:
            web = running.gateway.http.tls_reports
            assert web is not None
            assert web.address is not None
            tls = lenient()
            there = web.address

            async def answered(octets: bytes) -> tuple[int, str]:
                return await post(there, octets, tls)

            assert await answered(request(BODY)) == (201, "taken\n")
            assert await answered(request(BODY)) == (200, "taken before\n")
            plain = octets(other)
            assert await answered(request(plain, kind="application/tlsrpt+json; charset=utf-8")) == (201, "taken\n")
            assert await answered(request(chunked(plain), "Transfer-Encoding: chunked")) == (200, "taken before\n")
            waits = [f"Content-Length: {len(BODY)}", "Expect: 100-continue"]
            head = "\r\n".join(["POST /v1/tlsrpt HTTP/1.1", "Host: gw.test", *waits, "", ""]).encode()
            assert await answered(head) == (200, "taken before\n")
            assert (await answered(request(octets(foreign))))[0] == 403
            assert (await answered(request(b"{}")))[0] == 400
            assert (await answered(request(b"hello", kind="text/plain")))[0] == 415
            assert (await answered(request(BODY, path="/other")))[0] == 404
            assert (await answered(b"GET /v1/tlsrpt HTTP/1.1\r\n\r\n"))[0] == 405
            assert (await answered(request(b"x" * 70_000)))[0] == 413
            assert (await answered(request(chunked(b"x" * 70_000), "Transfer-Encoding: chunked")))[0] == 413
            bomb = gzip.compress(b"[" * (20 << 20))
            status, text = await answered(request(bomb))
            assert (status, "octets come out" in text) == (400, True)
            assert counted(running) == {
                ("https", "received"): 2, ("https", "duplicate"): 3, ("https", "refused"): 1,
                ("https", "unreadable"): 2, ("https", "limited"): 2,
            }  # fmt: skip
            assert running.lines("tls-report")[0].count("client=127.0.0.1") == 1
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):  # no TLS, no answer
                await post(there, request(BODY))

    run(play())
    spool = tmp_path / "g" / "spool"
    (newest, _) = said(spool, "list")["received"]
    assert (newest["via"], newest["authenticated"], newest["facts"]["client"]) == ("https", None, "127.0.0.1")
    assert said(spool, "--proved", "--since", "2016-01-01")["sessions"] == 0
    page = CliRunner().invoke(danelaw, ["reports", "tls", "--since", "2016-01-01", "--spool", str(spool)]).output
    assert "company-y.example" in page
    assert "nobody" in page


def test_posts_behind_a_front_are_limited_by_the_hour(tmp_path: Path) -> None:
    settings = f'{SETTINGS}[reports.https]\nlisten = "127.0.0.1:0"\ntls = "front"\nrate = 1\nrate_total = 2\n'

    async def play() -> None:
        now = [1_790_000_000.0]
        async with gateway(tmp_path / "g", settings, clock=lambda: now[0]) as running:
            web = running.gateway.http.tls_reports
            assert web is not None
            assert web.address is not None
            assert [(await post(web.address, request(BODY)))[0] for _ in range(3)] == [201, 200, 429]
            now[0] += 3600
            assert (await post(web.address, request(BODY)))[0] == 200

    run(play())


def test_files_are_taken_in_by_hand(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    file, broken = tmp_path / "r.json.gz", tmp_path / "b.json"
    file.write_bytes(BODY)
    broken.write_bytes(b"{")
    (taken,) = said(tmp_path / "spool", "ingest", str(file))["files"]
    assert (taken["result"], taken["numbers"]) == ("received", {"company-y.example": 1})
    result = CliRunner().invoke(
        danelaw, ["reports", "tls", "ingest", str(broken), str(file), "--spool", str(tmp_path / "spool")]
    )
    assert result.exit_code == 1
    assert "no JSON text" in result.output
    assert "here already" in result.output
    wrong = CliRunner().invoke(danelaw, ["reports", "tls", "--since", "later", "--spool", str(tmp_path / "spool")])
    assert wrong.exit_code != 0
