"""The exported zones are what other people's tools call valid, and mean the same through nsd and unbound."""

from __future__ import annotations

import asyncio
import time

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import pytest
from interop.daemons import danelaw_json, run
from interop.exported import NSD, UNBOUND, Exported
from interop.report import Report

from danelaw.dnsdata import Answer, Question
from danelaw.dnssec import TrustAnchors
from danelaw.resolver import Resolver, ResolverSettings

pytestmark = [pytest.mark.needs("nsd", "unbound"), pytest.mark.namespace, pytest.mark.timeout(240)]
SECTION = "Exported zones on nsd, behind unbound"


@pytest.mark.needs("ldns-verify-zone")
def test_every_signed_zone_verifies(exported: Exported, report: Report) -> None:
    """Signatures, and whole chains of NSEC and NSEC3, as ldns sees them."""
    files = sorted((exported.directory / "zones").iterdir())
    signed = [file for file in files if " RRSIG " in file.read_text()]
    wrong = {}
    for file in signed:
        done = run("ldns-verify-zone", "-V", "1", str(file))
        if done.returncode:
            wrong[file.name] = done.stdout + done.stderr
    assert wrong == {}
    report.text(SECTION, f"- ldns-verify-zone accepts all {len(signed)} signed zones of {len(files)}.")


def test_nsd_serves_every_zone(exported: Exported) -> None:
    """Authoritative, from the files as written."""
    for file in (exported.directory / "zones").iterdir():
        origin = dns.name.from_text("." if file.name == "root.zone" else file.name.removesuffix(".zone"))
        reply = dns.query.udp(dns.message.make_query(origin, "SOA"), NSD[0], 5, NSD[1])
        assert reply.flags & dns.flags.AA, origin
        assert reply.answer, origin


def test_unbound_and_danelaw_agree_about_every_destination(exported: Exported, report: Report) -> None:
    """MX, address and TLSA of every mail host: the same code and the same security status."""
    questions = []
    for host in exported.hosts:
        questions.append(Question.from_text(host["domain"], "MX"))
        questions.append(Question.from_text(host["name"], "A"))
        questions.append(Question.from_text(f"_25._tcp.{host['name']}", "TLSA"))
    ours = asyncio.run(_ask(questions, exported.anchor.read_text()))
    different = []
    for question, answer in zip(questions, ours, strict=True):
        query = dns.message.make_query(question.name, question.rdtype, want_dnssec=True)
        query.flags |= dns.flags.AD
        theirs = dns.query.udp(query, UNBOUND[0], 10, UNBOUND[1])
        mine = (answer.rcode, answer.secure)
        if mine != (theirs.rcode(), bool(theirs.flags & dns.flags.AD)):
            different.append((str(question), mine, dns.rcode.to_text(theirs.rcode()), answer.reason))
    assert different == []
    secure = sum(answer.secure for answer in ours)
    report.text(
        SECTION,
        f"- {len(questions)} look-ups of MX, A and TLSA through unbound: danelaw and unbound agree on code and status "
        f"of each; {secure} secure.",
    )


async def _ask(questions: list[Question], anchor: str) -> list[Answer]:
    settings = ResolverSettings(servers=(UNBOUND,), anchors=TrustAnchors.from_text(anchor))
    resolver = Resolver(settings, clock=time.time)
    try:
        return [await resolver.ask(question) for question in questions]
    finally:
        await resolver.close()


def test_the_command_in_the_readme_of_the_export_works(exported: Exported) -> None:
    server = f"{UNBOUND[0]}:{UNBOUND[1]}"
    found = danelaw_json(
        "dns", "_25._tcp.mx.dane.lab", "TLSA", "--server", server, "--anchor", str(exported.anchor)
    )  # fmt: skip
    assert (found["status"], found["rcode"], len(found["answer"])) == ("secure", "NOERROR", 1)
