"""Reading aggregate reports that others wrote: strict about what could hurt, tolerant about form.

The parser is expat with limits of our own. A document type declaration ends the reading: without it there are no
entities but the five of XML, so nothing can grow or be fetched. Each record becomes a value as soon as it is closed, so
that the tree of a large report never stands in memory.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from xml.parsers import expat

from danelaw.dmarcreport.errors import ReportError
from danelaw.dmarcreport.values import (
    ALIGNED,
    DISPOSITIONS,
    DKIM_RESULTS,
    OVERRIDES,
    POLICIES,
    SPF_RESULTS,
    AggregateReport,
    DKIMAuthResult,
    OverrideReason,
    PublishedPolicy,
    ReportRecord,
    SPFAuthResult,
)

_SPACE = " \t\r\n"
_MOST_REMARKS = 20
_MOST_AUTH_RESULTS = 100
_LONGEST_COUNT = 12
_NOT_CLOSED = expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]
# How words of older reporters are to be read: drafts of DMARC, RFC 5451 and RFC 7208 spelled them so.
_SAME_AS = {"hardfail": "fail", "error": "temperror", "unknown": "permerror", "temp_error": "temperror",
            "perm_error": "permerror", "forwarded": "other", "sampled_out": "other"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """`octets` of XML, `elements` in all, their `depth` within each other, `records`, characters of one `text`."""

    octets: int = 16 << 20
    elements: int = 500_000
    depth: int = 20
    records: int = 30_000
    text: int = 2_048


DEFAULT_LIMITS = ReadingLimits()


@dataclass(slots=True)
class _Node:
    name: str
    texts: list[str] = field(default_factory=list)
    size: int = 0
    children: list[_Node] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts).strip(_SPACE)

    def child(self, name: str) -> _Node | None:
        return next((one for one in self.children if one.name == name), None)

    def said(self, *path: str) -> str | None:
        """The text of the element there, None where there is none."""
        node: _Node | None = self
        for name in path:
            node = node.child(name) if node is not None else None
        return node.text if node is not None else None


def from_xml(octets: bytes, *, limits: ReadingLimits = DEFAULT_LIMITS) -> AggregateReport:
    """Read a report of RFC 9990 or RFC 7489.

    What is odd but harmless (unknown words, missing values, records without an address) is in `remarks`. Raises
    `ReportError` for what is too large or too deep, declares a document type, is not well-formed, or is no report.
    """
    if len(octets) > limits.octets:
        raise ReportError(f"the report has {len(octets)} octets; {limits.octets} are read at most")
    remarks = _Remarks()
    # Behind white space no XML declaration may stand (XML 1.0 §2.8), yet some put it there.
    reader = _Reader(limits, remarks)
    reader.read(_in_utf8(octets.lstrip(), remarks))
    return reader.report()


def _in_utf8(octets: bytes, remarks: _Remarks) -> bytes:
    """The same octets; where they are meant to be UTF-8 and are not, wrong ones are replaced."""
    declaration = octets[:200].partition(b"?>")[0].lower()
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff") or (b"encoding" in declaration and b"utf-8" not in declaration):
        return octets
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        remarks.note("it is not in UTF-8; wrong octets were replaced")
        return octets.decode("utf-8", "replace").encode("utf-8")
    return octets


class _Remarks(list[str]):
    def note(self, remark: str) -> None:
        if len(self) < _MOST_REMARKS and remark not in self:
            self.append(remark)


class _Reader:
    """Handlers for one document."""

    def __init__(self, limits: ReadingLimits, remarks: _Remarks) -> None:
        self._limits = limits
        self._remarks = remarks
        self._open: list[_Node] = []
        self._elements = 0
        self._namespace = ""
        self._foreign = 0
        self._first: dict[str, _Node] = {}
        self._records: list[ReportRecord] = []
        self._seen = 0
        self._wrapped = False

    def read(self, octets: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator="\n")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(octets, True)
        except expat.ExpatError as error:
            if self._wrapped and not self._open and self._first and error.code == _NOT_CLOSED:
                return  # the schema around it is left open by those who put it there
            words = expat.ErrorString(error.code)
            raise ReportError(f"it is not well-formed XML: {words} in line {error.lineno}") from None
        except (LookupError, ValueError) as error:
            if isinstance(error, ReportError):
                raise
            raise ReportError("its XML is in an encoding that is not known") from None

    def _doctype(self, *_: object) -> None:
        raise ReportError("it declares a document type or entities, which reports never need")

    def _start(self, tag: str, _: dict[str, str]) -> None:
        namespace, _sep, name = tag.rpartition("\n")
        self._elements += 1
        if self._elements > self._limits.elements:
            raise ReportError(f"it has more than {self._limits.elements} elements")
        if len(self._open) + self._foreign >= self._limits.depth:
            raise ReportError(f"its elements stand more than {self._limits.depth} deep")
        if not self._open and name == "schema" and self._elements == 1:
            self._wrapped = True  # some put the report into the schema that describes it
            self._remarks.note("it stands within an element schema")
            return
        if not self._open:
            if self._first or self._records:
                raise ReportError("it holds more than one report")
            if name != "feedback":
                raise ReportError(f"its root element is {name[:40]!r}, not feedback")
            self._namespace = namespace
        elif self._foreign or namespace != self._namespace:
            self._foreign += 1  # of an extension (RFC 9990 §5): not for us
            return
        node = _Node(name)
        if len(self._open) > 1:
            self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _: str) -> None:
        if self._foreign:
            self._foreign -= 1
            return
        if self._wrapped and not self._open:
            return
        node = self._open.pop()
        if len(self._open) != 1:
            return
        if node.name != "record":
            self._first.setdefault(node.name, node)
            return
        self._seen += 1
        if self._seen > self._limits.records:
            raise ReportError(f"it has more than {self._limits.records} records")
        record = _record(node, self._remarks)
        if record is not None:
            self._records.append(record)

    def _text(self, text: str) -> None:
        if self._foreign or len(self._open) < 3:
            return
        node = self._open[-1]
        node.size += len(text)
        if node.size <= self._limits.text:
            node.texts.append(text)
        else:
            self._remarks.note(f"a text of {node.name} is longer than {self._limits.text} characters and was cut")

    def report(self) -> AggregateReport:
        """What was read. Raises `ReportError` where something is missing that nothing can stand for."""
        metadata, policy = self._first.get("report_metadata"), self._first.get("policy_published")
        if metadata is None or policy is None:
            raise ReportError("it has no report_metadata" if metadata is None else "it has no policy_published")
        domain = (policy.said("domain") or "").lower().rstrip(".")
        if not domain:
            raise ReportError("it does not say which domain it is about")
        if not self._records:
            raise ReportError("it has no record that can be used")
        report_id = metadata.said("report_id") or ""
        if not report_id:
            self._remarks.note("it has no report_id")
        errors = tuple(one.text for one in metadata.children if one.name == "error" and one.text)
        return AggregateReport(
            org_name=metadata.said("org_name") or "",
            email=metadata.said("email") or "",
            report_id=report_id,
            begin=_moment(metadata.said("date_range", "begin"), "begin"),
            end=_moment(metadata.said("date_range", "end"), "end"),
            policy=_policy(policy, domain, self._remarks),
            records=tuple(self._records),
            extra_contact_info=metadata.said("extra_contact_info") or "",
            errors=errors,
            generator=metadata.said("generator") or "",
            namespace=self._namespace,
            remarks=tuple(self._remarks),
        )


def _moment(text: str | None, name: str) -> int:
    """Seconds since the epoch; some write fractions."""
    digits = (text or "").partition(".")[0]
    if not digits.isascii() or not digits.isdecimal() or len(digits) > _LONGEST_COUNT:
        raise ReportError(f"its period has no proper {name}: {(text or '')[:40]!r}")
    return int(digits)


def _policy(node: _Node, domain: str, remarks: _Remarks) -> PublishedPolicy:
    return PublishedPolicy(
        domain=domain,
        p=_known(node.said("p"), POLICIES, "p", remarks) or "none",
        sp=_known(node.said("sp"), POLICIES, "sp", remarks),
        np=_known(node.said("np"), POLICIES, "np", remarks),
        adkim=_known(node.said("adkim"), ("r", "s"), "adkim", remarks),
        aspf=_known(node.said("aspf"), ("r", "s"), "aspf", remarks),
        fo=node.said("fo") or None,
        testing=_known(node.said("testing"), ("n", "y"), "testing", remarks),
        discovery_method=_known(node.said("discovery_method"), ("psl", "treewalk"), "discovery_method", remarks),
        pct=node.said("pct") or None,
    )


def _record(node: _Node, remarks: _Remarks) -> ReportRecord | None:
    """One record, None where it says nothing that could be counted."""
    row, found = node.child("row"), node.child("auth_results") or _Node("auth_results")
    identifiers = node.child("identifiers") or node.child("identities") or _Node("identifiers")
    if row is None:
        remarks.note("a record without row was left out")
        return None
    try:
        address = str(ipaddress.ip_address(row.said("source_ip") or ""))
    except ValueError:
        remarks.note("a record whose source_ip is no address was left out")
        return None
    count = row.said("count") or ""
    if not count.isascii() or not count.isdecimal() or len(count) > _LONGEST_COUNT:
        remarks.note("a record without a proper count was left out")
        return None
    evaluated = row.child("policy_evaluated") or _Node("policy_evaluated")
    return ReportRecord(
        source_ip=address,
        count=int(count),
        disposition=_known(evaluated.said("disposition"), DISPOSITIONS, "disposition", remarks) or "none",
        dkim=_known(evaluated.said("dkim"), ALIGNED, "dkim", remarks) or "fail",
        spf=_known(evaluated.said("spf"), ALIGNED, "spf", remarks) or "fail",
        header_from=_domain(identifiers.said("header_from")) or "",
        envelope_from=_domain(identifiers.said("envelope_from")),
        envelope_to=_domain(identifiers.said("envelope_to")),
        reasons=tuple(_reasons(evaluated, remarks)),
        signatures=tuple(_signatures(found, remarks)),
        spf_results=tuple(_spf_results(found, remarks)),
    )


def _reasons(evaluated: _Node, remarks: _Remarks) -> list[OverrideReason]:
    """Empty ones, which some send for each record, are left out."""
    reasons = []
    for one in _named(evaluated, "reason"):
        kind = _known(one.said("type"), OVERRIDES, "type of a reason", remarks)
        comment = one.said("comment") or ""
        if kind or comment:
            reasons.append(OverrideReason(kind or "other", comment))
    return reasons


def _signatures(found: _Node, remarks: _Remarks) -> list[DKIMAuthResult]:
    return [
        DKIMAuthResult(
            _domain(one.said("domain")) or "",
            one.said("selector") or "",
            _known(one.said("result"), DKIM_RESULTS, "result of DKIM", remarks) or "none",
            one.said("human_result") or "",
        )
        for one in _named(found, "dkim")
    ]


def _spf_results(found: _Node, remarks: _Remarks) -> list[SPFAuthResult]:
    return [
        SPFAuthResult(
            _domain(one.said("domain")) or "",
            _known(one.said("result"), SPF_RESULTS, "result of SPF", remarks) or "none",
            _known(one.said("scope"), ("mfrom", "helo"), "scope of SPF", remarks) or "mfrom",
            one.said("human_result") or "",
        )
        for one in _named(found, "spf")
    ]


def _named(node: _Node, name: str) -> list[_Node]:
    return [one for one in node.children if one.name == name][:_MOST_AUTH_RESULTS]


def _domain(text: str | None) -> str | None:
    return None if text is None else text.lower().rstrip(".")


def _known(text: str | None, known: tuple[str, ...], what: str, remarks: _Remarks) -> str | None:
    """The word, in lower case; None where there is none, and for one that means nothing, which is remarked on."""
    if not text:
        return None
    word = text.lower()
    word = word if word in known else _SAME_AS.get(word, word)
    if word in known:
        return word
    remarks.note(f"{what} is {text[:40]!r}, which means nothing")
    return None
