"""`danelaw dns`: look up a name and say what its signatures prove."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype

from danelaw.cli.network import Network, network, network_options
from danelaw.cli.options import output, output_options
from danelaw.cli.output import Output, Symbol, moment
from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.resolver import Resolver
from danelaw.resolver.records import expanded, record_lines

EXIT_STATUS = {
    DNSSECStatus.SECURE: 0,
    DNSSECStatus.INSECURE: 0,
    DNSSECStatus.BOGUS: 3,
    DNSSECStatus.INDETERMINATE: 4,
}
_SYMBOLS = {
    DNSSECStatus.SECURE: Symbol.VERIFIED,
    DNSSECStatus.INSECURE: Symbol.CLEAR,
    DNSSECStatus.BOGUS: Symbol.STOPPED,
    DNSSECStatus.INDETERMINATE: Symbol.STOPPED,
}
_PROVED = {
    DNSSECStatus.SECURE: "proved by signatures",
    DNSSECStatus.INSECURE: "not signed, so it could be forged on the way",
}
# Questions about transport or for whole zones (RFC 6895 §3.1): there is nothing to validate.
_NOT_ASKED = frozenset({dns.rdatatype.AXFR, dns.rdatatype.IXFR, dns.rdatatype.OPT}) | frozenset(
    {dns.rdatatype.TSIG, dns.rdatatype.TKEY, dns.rdatatype.MAILA, dns.rdatatype.MAILB, dns.rdatatype.NONE}
)


@click.command()
@click.argument("name")
@click.argument("rdtype", metavar="[TYPE]", default="A")
@network_options
@output_options
def command(
    name: str,
    rdtype: str,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Look up NAME and say what its signatures prove, with the whole chain.

    Signatures are checked here, whatever the asked resolver says about them. Exit status: 0 when the answer is
    secure or insecure (also "no such name"), 3 bogus, 4 indeterminate (what would prove it cannot be fetched).
    """
    question = parse_question(name, rdtype)
    asked = network(servers, anchor_file, at)
    answer = asyncio.run(_ask(asked, question))
    shown = output(ascii_only)
    if as_json:
        shown.json(as_object(answer))
    else:
        _print(shown, answer, asked)
    return EXIT_STATUS[answer.status] if not answer.failed else EXIT_STATUS.get(answer.status) or 4


def parse_question(name: str, rdtype: str) -> Question:
    """A question from the command line; U-labels become A-labels (RFC 5891). Raises `click.UsageError`."""
    try:
        kind = dns.rdatatype.from_text(rdtype)
    except (dns.exception.DNSException, ValueError):
        raise click.UsageError(f"{rdtype!r} is no record type; write A, AAAA, MX, TLSA or TYPE52") from None
    if kind in _NOT_ASKED:
        raise click.UsageError(f"{rdtype.upper()} is no type of record that can be validated; ask for A, MX, TLSA …")
    try:
        owner = dns.name.from_text(name, idna_codec=dns.name.IDNA_2008_UTS_46)
    except (dns.exception.DNSException, ValueError) as error:
        raise click.UsageError(f"{name!r} is not a domain name: {error}") from None
    return Question(owner, kind)


def as_object(answer: Answer) -> dict[str, Any]:
    """The JSON form. `status`, `rcode`, `ede` and `answer` are a contract with other tools; the rest is extra."""
    return {
        "status": answer.status.value,
        "rcode": dns.rcode.to_text(answer.rcode),
        "ede": answer.ede,
        "answer": record_lines(expanded(answer)),
        "question": str(answer.question),
        "canonical_name": answer.canonical_name.to_text(),
        "reason": answer.reason,
        "chain": [
            {"zone": link.zone.to_text(), "status": link.status.value, "text": link.text} for link in answer.chain
        ],
        "expires": int(answer.expires),
    }


async def _ask(asked: Network, question: Question) -> Answer:
    async with Resolver(asked.settings, clock=asked.clock) as resolver:
        return await resolver.ask(question)


def _print(shown: Output, answer: Answer, asked: Network) -> None:
    shown.headline(_SYMBOLS[answer.status], _headline(answer))
    for line in record_lines(expanded(answer)):
        shown.paragraph(line)
    if not answer.failed:
        now = asked.clock()
        shown.paragraph(f"good until {moment(answer.expires, now)}")
    if answer.chain:
        shown.line()
        shown.table(
            [(_SYMBOLS[link.status], (link.zone.to_text(), link.status.value, link.text)) for link in answer.chain],
            heads=("ZONE", "STATUS", "WHY"),
        )
    shown.line()
    shown.next(_next(answer))


def _headline(answer: Answer) -> str:
    name = answer.question.name.to_text(omit_final_dot=True)
    kind = dns.rdatatype.to_text(answer.question.rdtype)
    if answer.status is DNSSECStatus.BOGUS:
        return f"BOGUS: the answer for {name} {kind} does not verify and must not be used: {answer.reason}"
    if answer.failed:
        return f"No verdict on {name} {kind}: {answer.reason}"
    proved = _PROVED[answer.status]
    if answer.nxdomain:
        return f"{answer.canonical_name.to_text(omit_final_dot=True)} does not exist: {proved}."
    if answer.nodata:
        return f"{answer.canonical_name.to_text(omit_final_dot=True)} has no {kind} record: {proved}."
    count = len(answer.records)
    return f"{name} {kind}: {count} record{'s' if count != 1 else ''}, {proved}."


def _next(answer: Answer) -> str:
    if answer.failed:
        return "danelaw doctor   (is it this machine's resolver, or the zone?)"
    labels = answer.question.name.labels
    below = 2 if len(labels) > 3 and labels[0][:1] == b"_" and labels[1][:1] == b"_" else 0
    name = dns.name.Name(labels[below:]).to_text(omit_final_dot=True)
    if name in ("", "."):
        return "danelaw dns example.org MX"
    return f"danelaw check {name}"
