"""TLS reports of ours: parsedmarc reads those about the whole lab as they are meant."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from interop.report import Report
from interop.report_readers import PYTHON

from bench.tls_reports import play
from danelaw.lab import SCENARIOS

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="parsedmarc is not installed (interop/run installs it)")


def _read(files: list[Path]) -> list[dict[str, Any]]:
    """What parsedmarc makes of files."""
    peer = Path(__file__).with_name("parsedmarc_peer.py")
    names = "".join(json.dumps(str(path)) + "\n" for path in files)
    answers = subprocess.run([PYTHON, peer], input=names, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in answers.splitlines()]


def test_our_tls_reports_are_read_by_parsedmarc(tmp_path: Path, report: Report) -> None:
    found = asyncio.run(play(SCENARIOS, tmp_path / "gateway"))
    assert found.differences == []
    files = []
    for number, octets in enumerate(found.files):
        files.append(tmp_path / f"{number}.eml" if number < len(found.mails) else tmp_path / f"{number}.json.gz")
        files[-1].write_bytes(octets)
    theirs: Counter[tuple[str, str, str]] = Counter()
    for answer in _read(files):
        assert answer.get("kind") == "smtp_tls", answer
        for policy in answer["report"]["policies"]:
            key = policy["policy_domain"], policy["policy_type"]
            theirs[*key, ""] += policy["successful_session_count"]
            for detail in policy.get("failure_details", []):
                theirs[*key, detail["result_type"]] += detail["failed_session_count"]
    assert +theirs == found.expected
    report.text(
        "TLS reports",
        f"- {len(found.mails)} reports of ours by mail and {len(found.posts)} by HTTPS, about {len(SCENARIOS)} "
        "destinations of the lab: parsedmarc reads the same counts from them as are in the servers' logs",
    )
