"""A DMARC report through a DNS with its own signed root: every look-up, also of who agreed, is validated."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.dkim.dkim_samples import ed25519_key
from tests.ends import Sink, gateway, run

from danelaw.address import Domain
from danelaw.dkim import DKIMResult, PrivateKey, SigningKey, sign, verify
from danelaw.dmarcreport import read_mail
from danelaw.dnsdata import DNSSECStatus
from danelaw.gateway.reporter import Reporter
from danelaw.lab import Lab, Sender
from danelaw.message import Header
from danelaw.state import GatheringStore, ReportsDatabase

KEY = PrivateKey.from_key(ed25519_key())
RECORD = KEY.record().to_text()
MESSAGE = b"From: anna@author.lab\r\nTo: b@ours.test\r\nSubject: hello\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
BODY = b"hi\r\n"
AUTHOR = Sender(
    domain="author.lab",
    records=(
        '@ TXT "v=spf1 -all"',
        f'k._domainkey TXT "{RECORD}"',
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@collector.lab,mailto:x@silent.lab"',
    ),
)
COLLECTOR = Sender(domain="collector.lab", records=('author.lab._report._dmarc TXT "v=DMARC1"',))
REPORTER = Sender(domain="reporter.lab", records=(f'k._domainkey TXT "{RECORD}"', '_dmarc TXT "v=DMARC1; p=reject"'))
SILENT = Sender(domain="silent.lab")
SETTINGS = """
[authentication]
enabled = true
[[domain]]
name = "ours.test"
[reports]
send = true
dkim_domain = "reporter.lab"
dkim_selector = "k"
dkim_key = "{key}"
"""


def test_a_report_rests_on_signed_answers_and_is_signed_itself(tmp_path: Path) -> None:
    async def play() -> None:
        key = tmp_path / "dkim.key"
        key.write_bytes(ed25519_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        async with Lab((), senders=(AUTHOR, COLLECTOR, REPORTER, SILENT)) as lab, Sink() as sink:
            anchors = tmp_path / "root.anchors"
            anchors.write_text(lab.anchors_text)
            (server,) = lab.resolver.servers
            changes = {
                'networks = ["127.0.0.0/8"]': 'networks = ["192.0.2.0/24"]',
                'servers = ["127.0.0.1:9"]\ntimeout = "50ms"\ndeadline = "100ms"': (
                    f'servers = ["{server[0]}:{server[1]}"]\nanchor_file = {json.dumps(str(anchors))}'
                ),
            }
            settings = sink.smarthost + SETTINGS.format(key=key)
            async with gateway(tmp_path / "g", settings, replace=changes) as running:
                fields = [(one.name, one.raw) for one in Header.from_bytes(MESSAGE + b"\r\n")]
                signer = SigningKey(Domain.from_text("author.lab"), "k", KEY)
                signed = b"".join(sign(fields, BODY, [signer], now=time.time())) + MESSAGE + b"\r\n" + BODY
                async with await running.client() as client:
                    assert (await client.offer(signed, "b@ours.test", sender="x@author.lab")).code == 250
                    assert (await client.offer(MESSAGE + b"\r\n", "b@ours.test", sender="x@author.lab")).code == 550
                reporting = running.gateway.parts.reporting
                assert reporting is not None
                await reporting.flush()
                with contextlib.closing(ReportsDatabase(reporting.path)) as database:
                    assert GatheringStore(database).complete(0, time.time(), early=True) == 1
                await Reporter(running.gateway, reporting).look()
                taken = (await sink.messages(2))[1]
                assert [one.partition(">")[0] for one in taken.recipients] == ["RCPT TO:<dmarc@collector.lab"]
                (found,) = read_mail(taken.data)
                assert found.report is not None
                rows = sorted((one.count, one.disposition, one.dkim, one.spf) for one in found.report.records)
                assert rows == [(1, "pass", "pass", "fail"), (1, "reject", "fail", "fail")]
                header = Header.from_bytes(taken.data)
                outcome = await running.gateway.parts.resolver.run(
                    verify([(one.name, one.raw) for one in header], taken.data[header.body_offset :], now=time.time())
                )
                assert [(one.result, one.dnssec) for one in outcome.verdicts] == [
                    (DKIMResult.PASS, DNSSECStatus.SECURE)
                ]
                (refused,) = running.lines("dmarc-report-refused")
                assert "silent.lab" in refused

    run(play())
