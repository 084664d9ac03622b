"""`danelaw auth` and what is large or ill-meant: memory, DNS questions and verdicts stay bounded and clear."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.authentication.hand_signing import hand_signed
from tests.authentication.plain_dns import Zone, judged, run, serving
from tests.dkim.dkim_samples import rsa_key, rsa_signer, txt

MESSAGE = b"From: Joe <joe@example.org>\r\nTo: a@b.example\r\nSubject: hi\r\n\r\nHello\r\n"
MOST_EXTRA_KIB = 30 * 1024
MEASURED = """
import asyncio, json, resource, sys
from click.testing import CliRunner
from danelaw.cli.auth import command

def examined(file):
    said_by_client = ["--ip", "192.0.2.1", "--helo", "x", "--mail-from", "a@example.org"]
    arguments = [file, *said_by_client, "--at", "1790000000", "--json"]
    said = json.loads(CliRunner().invoke(command, [*arguments, "--server", sys.argv[1]], standalone_mode=False).output)
    return said["dkim"][0]["result"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

small, before = examined(sys.argv[2])
large, after = examined(sys.argv[3])
print(json.dumps([small, large, after - before]))
"""


@pytest.fixture(scope="module")
def zone() -> Zone:
    return Zone(
        txt("r._domainkey.example.org", rsa_signer().key.record().to_text())
        + "".join(txt("crowd._domainkey.example.org", f"v=DKIM1; n={number}; p=") for number in range(200))
        + '_dmarc.example.org TXT "v=DMARC1; p=reject"\n'
        + txt("_dmarc.huge.test", "v=DMARC1; p=reject; rua=" + ",".join(["mailto:a@b.example"] * 3000))
        + txt("huge.test", "v=spf1 " + "ip4:198.51.100.1 " * 3000 + "ip4:192.0.2.1 -all")
    )


@pytest.fixture(scope="module")
def server(zone: Zone) -> Iterator[str]:
    with serving(zone) as address:
        yield address


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_25_megabytes_cost_30_mebibytes_at_most(server: str, tmp_path: Path, ends: bytes) -> None:
    body = (b"x" * 70 + b"  y\t z\r\n") * 340_000
    files = {"small": hand_signed(MESSAGE, rsa_key()), "large": hand_signed(MESSAGE + body, rsa_key())}
    for name, octets in files.items():
        (tmp_path / name).write_bytes(octets.replace(b"\r\n", ends))
    assert len(files["large"]) > 25_000_000
    arguments = [sys.executable, "-c", MEASURED, server, str(tmp_path / "small"), str(tmp_path / "large")]
    small, large, extra_kib = json.loads(subprocess.run(arguments, check=True, capture_output=True, timeout=100).stdout)
    assert (small, large) == ("pass", "pass")
    assert extra_kib <= MOST_EXTRA_KIB


def test_of_9000_signatures_ten_are_tried(server: str, zone: Zone) -> None:
    """RFC 6376 §8.4."""
    forged = b"DKIM-Signature:v=1;a=rsa-sha256;d=a.test;s=%d;h=from;bh=" + b"A" * 43 + b"=;b=AAAA\r\n"
    zone.asked.clear()
    said = judged(b"".join(forged % number for number in range(9000)) + hand_signed(MESSAGE, rsa_key()), server)
    assert len(said["dkim"]) == 9001
    assert sum("_domainkey" in one for one in set(zone.asked)) == 10
    assert {one["result"] for one in said["dkim"][10:]} == {"neutral"}
    assert said["dmarc"]["result"] == "fail"


def test_of_a_crowd_of_keys_four_are_looked_at(server: str) -> None:
    """RFC 6376 §6.1.2 lets a verifier choose; the order of an RRset is nobody's."""
    said = judged(hand_signed(MESSAGE, rsa_key(), s="crowd"), server)
    assert (said["dkim"][0]["result"], said["dkim"][0]["domain"]) == ("permerror", "example.org")


def test_50_arc_sets_are_one_round_of_questions(server: str, zone: Zone) -> None:
    """RFC 8617 §5.1.1.1: more is no chain; what is none costs no questions."""
    sets = b"".join(
        b"ARC-Seal:i=%d;a=rsa-sha256;cv=%s;d=a.test;s=s%d;b=AAAA\r\n"
        % (number, b"pass" if number > 1 else b"none", number)
        + b"ARC-Message-Signature:i=%d;a=rsa-sha256;d=a.test;s=m%d;h=from;bh=" % (number, number)
        + b"A" * 43
        + b"=;b=AAAA\r\nARC-Authentication-Results:i=%d; a.test; none\r\n" % number
        for number in range(50, 0, -1)
    )
    zone.asked.clear()
    assert judged(sets + MESSAGE, server)["arc"]["cv"] == "fail"
    assert sum("_domainkey" in one for one in set(zone.asked)) <= 100
    zone.asked.clear()
    more = sets.replace(b"i=50;", b"i=51;")
    assert judged(more + MESSAGE, server)["arc"]["cv"] == "fail"
    assert not any("_domainkey" in one for one in zone.asked)


def test_records_of_50_kilobytes_have_a_verdict(server: str) -> None:
    said = judged(MESSAGE.replace(b"example.org", b"huge.test"), server, mail_from="a@huge.test")
    assert (said["spf"]["result"], said["dmarc"]["result"]) == ("permerror", "none")
    assert "8192 are read at most" in said["spf"]["reason"]
    assert "8192 are read at most" in said["dmarc"]["reason"]


def test_a_header_that_never_ends_is_a_verdict(server: str) -> None:
    said = judged(MESSAGE[: MESSAGE.index(b"\r\n\r\n") + 2] + b"X: y\r\n" * 300_000, server)
    assert (said["dmarc"]["result"], said["status"]) == ("permerror", 5)
    assert said["author"]["fault"] == "the header is longer than is read"


def test_nothing_of_a_message_breaks_out_of_the_page(server: str) -> None:
    """Terminal escapes and line ends of a stranger are shown, never sent (CWE-150)."""
    signature = b"DKIM-Signature: v=1; a=\x1b[31mrsa; d=a.test\r\n"
    hostile = b"From: =?utf-8?q?=1B[2J_Joe?= <joe@example.org>\r\n" + signature + b"To: x\r\n\r\n"
    arguments = ("--ip", "192.0.2.1", "--helo", "x\x1b[2J\nok", "--mail-from", "a\x1b[2J@b\n.test", "--server", server)
    text = run(hostile, *arguments).output
    assert "x\\x1b[2j\\nok" in text
    assert "\x1b[2J" not in text
    assert "\x1b[31mrsa" not in text
    assert "\nok" not in text
