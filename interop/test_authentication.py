"""Verdicts on generated mails beside those of dkimpy, pyspf, opendkim and libopendmarc; opendkim's signatures here."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from interop.authentication import compare
from interop.daemons import danelaw, run
from interop.report import Report

from danelaw import dkim
from danelaw.dkim import PrivateKey
from danelaw.message import Header
from danelaw.testing import FakeDNS, run_lookup

SECTION = "Who sent it: SPF, DKIM and DMARC"
PYTHON = os.environ.get("DANELAW_PEERS", "/usr/bin/python3")
MAILS = int(os.environ.get("DANELAW_MAILS", "10000"))
MESSAGE = (
    b"From: Joe <joe@example.org>\r\nTo: a@b.example\r\nSubject: is  it\t tea\r\n"
    b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nHello  there \r\n\r\n\r\n"
)


@pytest.mark.timeout(300)
def test_generated_mails_have_the_same_verdicts_or_a_section_says_why_not(report: Report) -> None:
    found = compare(MAILS, 2, PYTHON)
    assert not found.unexplained, "\n".join(found.unexplained[:20])
    assert found.agreed
    report.text(
        SECTION,
        f"{MAILS} generated mails: a client, an envelope, up to two signatures, and a change behind their backs. dkimpy"
        " and opendkim say whether each signature verifies, libopendmarc (which knows no tree walk) applies the record"
        " to our results. DNS is the same for all.",
    )
    report.table(SECTION, ("peer", "same", "different", "why"), found.rows())
    if found.missing:
        pytest.skip(f"compared without {', '.join(found.missing)}")


@pytest.mark.needs("opendkim")
@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_what_opendkim_signs_verifies_here(algorithm: str, tmp_path: Path, report: Report) -> None:
    key, mail = tmp_path / "key.pem", tmp_path / "mail.eml"
    made = danelaw("dkim", "key", "--type", algorithm, "--domain", "example.org", "--selector", "s", "--out", str(key))
    assert made.returncode == 0, made.stderr
    mail.write_bytes(MESSAGE)
    owner = "s._domainkey.example.org."
    record = PrivateKey.from_pem(key.read_bytes()).record().to_zone(owner).replace(" IN TXT", " TXT")
    # With Ed25519 and a simple header opendkim 2.11 makes signatures that neither dkimpy nor itself can verify.
    headers = ("relaxed", "simple") if algorithm == "rsa" else ("relaxed",)
    ways = [f"{header}/{body}" for header in headers for body in ("relaxed", "simple")]
    for way in ways:
        (tmp_path / "conf").write_text(
            f"Mode s\nDomain example.org\nSelector s\nKeyFile {key}\nSignatureAlgorithm {algorithm}-sha256\n"
            f"Canonicalization {way}\nSyslog no\nInternalHosts 0.0.0.0/0\nRequireSafeKeys no\n"
        )
        said = run("opendkim", "-x", str(tmp_path / "conf"), "-vv", "-t", str(mail)).stdout
        match = re.search(r"hname='DKIM-Signature' hvalue='([^']+)'", said)
        assert match is not None, said
        octets = b"DKIM-Signature: " + match[1].replace("\n", "\r\n").encode() + b"\r\n" + MESSAGE
        header = Header.from_bytes(octets)
        fields = [(field.name, field.raw) for field in header]
        now = float(re.findall(r"t=(\d+)", match[1])[0])
        outcome = run_lookup(dkim.verify(fields, octets[header.body_offset :], now=now), FakeDNS(record))
        assert [verdict.result.value for verdict in outcome.verdicts] == ["pass"], (way, outcome)
    report.text(SECTION, f"- opendkim signs by {algorithm}-sha256, {', '.join(ways)}: all verify here")
