"""TLS reports: parsedmarc reads ours as they are meant, and its samples are read here as it reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from interop.daemons import ROOT
from interop.report import Report
from interop.report_readers import PYTHON, ParseDMARC, Read
from interop.tls_report_readers import ours, their_facts

SECTION = "TLS reports"
SAMPLES = Path(os.environ.get("DANELAW_CORPORA", ROOT.parent / "shared" / "corpora")) / "tlsrpt" / "parsedmarc"
EXPLAINED = {("rfc8460.json", "hosts"): "parsedmarc looks for mx-host-pattern, which is no name of RFC 8460"}

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="parsedmarc is not installed (interop/run installs it)")


def theirs(peer: ParseDMARC, path: Path) -> Read:
    answer = peer.answer(path)
    return Read({}, answer["error"]) if "error" in answer else Read(their_facts(answer["report"]))


def test_the_samples_of_parsedmarc_are_read_as_it_reads_them(report: Report) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("no samples of parsedmarc: set DANELAW_CORPORA")
    files = sorted(path for path in SAMPLES.iterdir() if path.is_file())
    assert len(files) >= 4
    with ParseDMARC() as peer:
        differing = {(path.name, fact) for path in files for fact in ours(path).differences(theirs(peer, path))}
    assert differing == set(EXPLAINED)
    report.text(SECTION, f"- {len(files)} samples of parsedmarc are read the same, count by count, but for:")
    report.table(SECTION, ("sample", "differs in", "because"), [(*key, why) for key, why in EXPLAINED.items()])
