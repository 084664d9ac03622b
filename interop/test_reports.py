"""DMARC reports: parsedmarc reads ours as they are meant, and its samples are read here as it reads them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from interop.authentication import judge
from interop.daemons import ROOT
from interop.generated_mail import NOW, POLICIES, World
from interop.report import Report
from interop.report_readers import PYTHON, ParseDMARC, ours

from danelaw.authentication import DispositionSettings, Verdicts, disposition
from danelaw.dmarcreport import (
    AggregateReport,
    FailureMail,
    ReportMail,
    ReportRecord,
    failures,
    observed,
    published_policy,
)
from danelaw.message import boundary

SECTION = "DMARC reports"
MAILS = 400
SAMPLES = (
    Path(os.environ.get("DANELAW_CORPORA", ROOT.parent / "shared" / "corpora")) / "dmarc" / "parsedmarc" / "samples"
)
NO_DOMAIN = "an SPF result without a domain is kept as one without a name"
NO_SELECTOR = "a missing selector stays empty; parsedmarc writes `none`"
NO_NAME = "a reporter without a name stays without; parsedmarc takes the domain of its address"
EXPLAINED = {
    ("!example.com!1538204542!1538463818.xml", "org_name"): NO_NAME,
    ("!example.com!1538204542!1538463818.xml", "senders"): NO_DOMAIN,
    ("!large-example.com!1711897200!1711983600.xml", "org_name"): NO_NAME,
    ("!large-example.com!1711897200!1711983600.xml", "senders"): NO_DOMAIN,
    ("veeam.com!example.com!1530133200!1530219600.xml", "senders"): NO_DOMAIN,
    ("invalid_utf_8.xml", "org_name"): NO_NAME,
    ("invalid_utf_8.xml", "senders"): NO_DOMAIN,
    ("invalid_utf_8.xml", "from"): "an octet that is no UTF-8 is shown as U+FFFD; parsedmarc drops it",
    ("empty_reason.xml", "reasons"): "an empty reason is none",
    ("ikea.com!example.de!1538690400!1538776800.xml", "signatures"): NO_SELECTOR,
    ("old_draft_from_wiki.xml", "signatures"): NO_SELECTOR,
    ("report_with_upper_cased_pass.xml", "signatures"): NO_SELECTOR,
    ("protection.outlook.com!example.com!1711756800!1711843200.xml", "org_name"): "a name stays as it is written",
    ("invalid_xml.xml", "refused"): "what is not well-formed is refused with its line; parsedmarc repairs it",
    ("exim_plain_text_only_no_arf_part.eml", "refused"): "words for people alone are no report (RFC 5965 §2)",
    ("DMARC Failure Report for domain.de (mail-from=sharepoint@domain.de, ip=10.10.10.10).eml", "delivery"):
        "`smg-policy-action` is no word of RFC 6591 §3.2.2: remarked on; parsedmarc calls it `policy`",
    ("[Netease DMARC Failure Report] Rent Reminder.eml", "what"): "a missing Auth-Failure stays so",
    ("dmarc_ruf_report_linkedin.crlf.eml", "mail_from"): "an empty Original-Mail-From is the null reverse-path",
    ("dmarc_ruf_report_linkedin.eml", "mail_from"): "an empty Original-Mail-From is the null reverse-path",
}  # fmt: skip

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="parsedmarc is not installed (interop/run installs it)")


def judged() -> list[tuple[bytes, Verdicts]]:
    """Generated mail of domains that ask for every report."""
    world = World(77)
    for domain, text in POLICIES.items():
        asks = f"{text}; rua=mailto:r@{domain}; ruf=mailto:r@{domain}; fo=1:d:s"
        world.records[f"_dmarc.{domain}", "TXT"] = [asks]
    return [(mail.octets, verdicts) for mail, verdicts in judge(world, MAILS)]


def test_our_aggregate_reports_are_read_by_parsedmarc(tmp_path: Path, report: Report) -> None:
    counted: Counter[tuple[str, ReportRecord]] = Counter()
    policies = {}
    for _, verdicts in judged():
        found = observed(verdicts, disposition(verdicts, DispositionSettings(), NOW))
        if found is not None:
            counted[found.policy_domain, found.record] += 1
            assert verdicts.dmarc.record is not None
            policies[found.policy_domain] = published_policy(found.policy_domain, verdicts.dmarc.record)
    assert set(policies) == set(POLICIES)
    records = 0
    with ParseDMARC() as peer:
        for domain, policy in policies.items():
            rows = tuple(replace(one, count=count) for (owner, one), count in counted.items() if owner == domain)
            made = AggregateReport(
                org_name="gw.test", email="postmaster@gw.test", report_id=f"1700000000.1.{domain}@gw.test",
                begin=1_700_000_000, end=1_700_086_399, policy=policy, records=rows, generator="danelaw",
            )  # fmt: skip
            mail = ReportMail(submitter="gw.test", sender="d@gw.test", to=(f"r@{domain}",)).build(
                made, date=NOW, message_id="<1@gw.test>", boundary="=_b"
            )
            path = tmp_path / f"{domain}.eml"
            path.write_bytes(mail)
            theirs = peer.read(path)
            assert not theirs.refusal
            assert ours(path).differences(theirs) == set()
            records += len(rows)
    assert records > 100
    report.text(SECTION, f"- two aggregate reports of ours about {counted.total()} generated mails, {records} records: "
                         "parsedmarc reads every one as it is meant")  # fmt: skip


def test_our_failure_reports_are_read_by_parsedmarc(tmp_path: Path, report: Report) -> None:
    kinds: Counter[str] = Counter()
    sending = FailureMail(reporter="gw.test", sender="d@gw.test", to=("r@a.test",), user_agent="danelaw")
    with ParseDMARC() as peer:
        for number, (octets, verdicts) in enumerate(judged()):
            decision = disposition(verdicts, DispositionSettings(), NOW)
            for failure in failures(verdicts):
                mail = sending.build(
                    failure, verdicts, decision, octets[: boundary(octets)[0]], arrived=NOW, date=NOW,
                    message_id=f"<{number}@gw.test>", boundary="=_b",
                )  # fmt: skip
                path = tmp_path / "failure.eml"
                path.write_bytes(mail)
                theirs = peer.read(path)
                assert not theirs.refusal
                assert ours(path).differences(theirs) == set()
                assert ip_address(theirs.facts["ip"]) == verdicts.transaction.ip
                kinds[failure.kind] += 1
    assert set(kinds) == {"dmarc", "signature", "bodyhash", "spf"}
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    report.text(
        SECTION, f"- {kinds.total()} failure reports of ours ({told}): parsedmarc reads every one as it is meant"
    )


def test_the_samples_of_parsedmarc_are_read_as_it_reads_them(report: Report) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("no samples of parsedmarc: set DANELAW_CORPORA")
    files = sorted(path for path in SAMPLES.rglob("*") if path.is_file() and path.stat().st_size)
    differing = {}
    with ParseDMARC() as peer:
        for path in files:
            for name in ours(path).differences(peer.read(path)):
                differing[path.name, name] = EXPLAINED.get((path.name, name), "not explained")
    assert differing == EXPLAINED
    same = len(files) - len({name for name, _ in differing})
    report.text(
        SECTION, f"- {len(files)} samples of parsedmarc, of aggregate and failure reports: {same} are read the same;"
    )
    report.table(SECTION, ("differs in", "samples", "because"), _rows())


def _rows() -> list[tuple[str, str, str]]:
    counted = Counter((fact, why) for (_, fact), why in EXPLAINED.items())
    return [(fact, str(count), why) for (fact, why), count in counted.items()]
