"""Aggregate reports as XML: written by the schema of RFC 9990, read in every form that real reporters send."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from dmarcreport_samples import RECORD, REPORT, reports
from hypothesis import given, settings

from danelaw.dmarcreport import ReadingLimits, ReportError, from_xml, looks_like_mail, read_file, read_mail, to_xml
from danelaw.dmarcreport.values import NAMESPACE

# RFC 9990 appendix A, in the order of its tables: name, at least, at most (None: as many as wanted).
SCHEMA: dict[str, list[tuple[str, int, int | None]]] = {
    "feedback": [("version", 0, 1), ("report_metadata", 1, 1), ("policy_published", 1, 1), ("extension", 0, 1),
                 ("record", 1, None)],
    "report_metadata": [("org_name", 1, 1), ("email", 1, 1), ("extra_contact_info", 0, 1), ("report_id", 1, 1),
                        ("date_range", 1, 1), ("error", 0, 1), ("generator", 0, 1)],
    "date_range": [("begin", 1, 1), ("end", 1, 1)],
    "policy_published": [("domain", 1, 1), ("discovery_method", 0, 1), ("p", 1, 1), ("sp", 0, 1), ("np", 0, 1),
                         ("fo", 0, 1), ("adkim", 0, 1), ("aspf", 0, 1), ("testing", 0, 1)],
    "record": [("row", 1, 1), ("identifiers", 1, 1), ("auth_results", 1, 1)],
    "row": [("source_ip", 1, 1), ("count", 1, 1), ("policy_evaluated", 1, 1)],
    "policy_evaluated": [("disposition", 1, 1), ("dkim", 1, 1), ("spf", 1, 1), ("reason", 0, None)],
    "reason": [("type", 1, 1), ("comment", 0, 1)],
    "identifiers": [("header_from", 1, 1), ("envelope_from", 0, 1), ("envelope_to", 0, 1)],
    "auth_results": [("dkim", 0, None), ("spf", 0, 1)],
    "auth_results/dkim": [("domain", 1, 1), ("selector", 1, 1), ("result", 1, 1), ("human_result", 0, 1)],
    "auth_results/spf": [("domain", 1, 1), ("scope", 0, 1), ("result", 1, 1), ("human_result", 0, 1)],
}  # fmt: skip


def conforms(element: ET.Element, parent: str = "") -> None:
    """Every element is known where it stands, often enough, in its order, and in the namespace."""
    namespace, _, name = element.tag.removeprefix("{").partition("}")
    assert namespace == NAMESPACE
    children = SCHEMA.get(f"{parent}/{name}", SCHEMA.get(name, []))
    found = [child.tag.partition("}")[2] for child in element]
    order = [known for known, _, _ in children]
    assert found == sorted(found, key=order.index), name
    for known, least, most in children:
        assert found.count(known) >= least, known
        assert most is None or found.count(known) <= most, known
    for child in element:
        conforms(child, name)


@given(reports)
@settings(max_examples=60, deadline=None)
def test_what_is_written_conforms_and_reads_the_same(report: object) -> None:
    assert isinstance(report, type(REPORT))
    xml = to_xml(report)
    conforms(ET.fromstring(xml))
    assert from_xml(xml) == report


def test_the_sample_is_written_as_the_schema_says() -> None:
    root = ET.fromstring(to_xml(REPORT))
    conforms(root)
    at = {"d": NAMESPACE}
    assert root.findtext("d:version", "", at) == "1.0"
    assert root.findtext("d:record/d:row/d:policy_evaluated/d:reason/d:comment", "", at) == "List-Id & <more>"
    assert [one.text for one in root.iterfind("d:record/d:auth_results/d:dkim/d:selector", at)] == ["abc123", "s1"]
    assert root.findtext("d:record/d:auth_results/d:spf/d:scope", "", at) == "mfrom"


def test_what_the_schema_does_not_know_is_not_written() -> None:
    with pytest.raises(ReportError, match="at least one record"):
        to_xml(replace(REPORT, records=()))
    with pytest.raises(ReportError, match="'maybe' is not one of pass, fail"):
        to_xml(replace(REPORT, records=(replace(RECORD, dkim="maybe"),)))


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    assert from_xml(to_xml(replace(REPORT, org_name="a\x00b\x1bc\ud800"))).org_name == "a\ufffdb\ufffdc\ufffd"


@pytest.mark.parametrize("declaration", [
    b'<!DOCTYPE feedback [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
    b'<!DOCTYPE feedback SYSTEM "file:///etc/passwd">',
    b'<!DOCTYPE feedback [<!ENTITY % x SYSTEM "http://stranger.test/x">%x;]>',
    b"<!DOCTYPE feedback>",
])  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_and_entities_are_refused(declaration: bytes, encoding: str) -> None:
    octets = to_xml(REPORT).partition(b"?>")[2]
    with pytest.raises(ReportError, match="declares a document type"):
        from_xml((declaration + octets).decode().encode(encoding))


def test_limits_are_named() -> None:
    xml = to_xml(replace(REPORT, records=(RECORD,) * 3))
    for limits, words in (
        (ReadingLimits(octets=100), "100 are read at most"),
        (ReadingLimits(elements=20), "more than 20 elements"),
        (ReadingLimits(records=2), "more than 2 records"),
        (ReadingLimits(depth=4), "more than 4 deep"),
    ):
        with pytest.raises(ReportError, match=words):
            from_xml(xml, limits=limits)
    with pytest.raises(ReportError, match="more than 20 deep"):
        from_xml(b"<feedback>" + b"<x>" * 100_000)
    with pytest.raises(ReportError, match="more than 20 deep"):
        from_xml(b'<feedback xmlns:e="urn:e">' + b"<e:x>" * 100_000)
    long = from_xml(to_xml(replace(REPORT, org_name="x" * 3000)))
    assert (long.org_name, long.remarks) == ("", ("a text of org_name is longer than 2048 characters and was cut",))


@pytest.mark.parametrize(("old", "new", "words"), [
    (b"feedback", b"report", "its root element is 'report'"),
    (b"report_metadata", b"metadata", "no report_metadata"),
    (b"policy_published", b"policy", "no policy_published"),
    (b"<domain>example.com</domain>", b"", "which domain it is about"),
    (b"<begin>1700000000", b"<begin>yesterday", "no proper begin: 'yesterday'"),
    (b"<record>", b"<recor>", "not well-formed XML"),
    (b"source_ip>", b"ip>", "no record that can be used"),
    (b"<count>123", b"<count>-1", "no record that can be used"),
    (b'encoding="UTF-8"', b'encoding="x-none"', "encoding"),
])  # fmt: skip
def test_every_refusal_says_what_is_wrong(old: bytes, new: bytes, words: str) -> None:
    with pytest.raises(ReportError, match=words):
        from_xml(to_xml(REPORT).replace(old, new))


def test_two_reports_in_one_are_refused() -> None:
    feedback = to_xml(REPORT).partition(b"?>")[2]
    with pytest.raises(ReportError, match="more than one report"):
        from_xml(b'<schema xmlns="urn:x">' + feedback + feedback + b"</schema>")


def test_odd_words_are_remarked_on_and_not_believed() -> None:
    xml = to_xml(REPORT).replace(b"<result>pass</result>", b"<result>Perhaps</result>")
    xml = xml.replace(b"<disposition>quarantine", b"<disposition>QUARANTINE").replace(b"<p>reject", b"<p>hardly")
    report = from_xml(xml)
    assert report.policy.p == "none"
    assert report.records[0].disposition == "quarantine"
    assert report.records[0].signatures[0].result == "none"
    assert report.remarks == (
        "result of DKIM is 'Perhaps', which means nothing",
        "result of SPF is 'Perhaps', which means nothing",
        "p is 'hardly', which means nothing",
    )


def test_extensions_are_passed_over() -> None:
    xml = to_xml(REPORT).replace(b"</auth_results>", b'</auth_results><e:row xmlns:e="urn:e"><e:x>1</e:x></e:row>')
    xml = xml.replace(b" <record>", b' <extension><e:a xmlns:e="urn:e">never</e:a></extension><record>', 1)
    assert from_xml(xml) == REPORT


@pytest.mark.corpus
def test_the_samples_of_parsedmarc_are_read(corpus: Callable[[str], Path]) -> None:
    """Files as they are; one is not XML at all, and says so."""
    counted: dict[str, tuple[str, int, int]] = {}
    refused: dict[str, str] = {}
    place = corpus("dmarc") / "parsedmarc" / "samples"
    for path in sorted([*(place / "aggregate").iterdir(), *(place / "aggregate_invalid").iterdir(),
                        *(place / "extract_report").iterdir()]):  # fmt: skip
        octets = path.read_bytes()
        try:
            if looks_like_mail(octets):
                (found,) = read_mail(octets)
                assert found.report is not None, found.refusal
                report = found.report
            else:
                report = read_file(octets)
        except ReportError as error:
            refused[path.name] = error.reason
            continue
        counted[path.name[:30]] = (report.domain, report.messages, report.aligned)
        again = from_xml(to_xml(report))
        assert [one.count for one in again.records] == [one.count for one in report.records]
    assert refused == {"invalid_xml.xml": "it is not well-formed XML: not well-formed (invalid token) in line 5"}
    assert len(counted) == 23
    assert counted["rfc9990-sample.xml"] == ("example.com", 123, 123)
    assert counted["nice-input.xml.zip"] == counted["nice-input.xml.gz"] == ("example.com", 3047, 3047)
    assert counted["!large-example.com!1711897200!"] == ("example.com", 2286, 0)
    assert counted["mimecast-weird-gzip.eml"] == ("ab.id.au", 1, 1)
    assert counted["report_with_upper_cased_pass.x"] == ("example.com", 1, 1)
