"""`danelaw spf`: may this client use that domain in MAIL FROM or HELO?"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import click

from danelaw.authres import AuthenticationResults, MethodResult, Property, ReceivedSPF, UnwritableField
from danelaw.cli.network import UNPROVED, Network, network, network_options, with_or_without_dnssec
from danelaw.cli.options import output, output_options
from danelaw.cli.output import Output, Symbol
from danelaw.dnsdata import Answer, DNSSECStatus
from danelaw.resolver import Resolver
from danelaw.spf import Evaluation, Identity, Request, SPFResult, Step, evaluate

EXIT_STATUS = {
    SPFResult.PASS: 0,
    SPFResult.NONE: 0,
    SPFResult.NEUTRAL: 0,
    SPFResult.SOFTFAIL: 0,
    SPFResult.FAIL: 3,
    SPFResult.TEMPERROR: 4,
    SPFResult.PERMERROR: 5,
}
_SYMBOLS = {
    SPFResult.PASS: Symbol.VERIFIED,
    SPFResult.FAIL: Symbol.STOPPED,
    SPFResult.TEMPERROR: Symbol.STOPPED,
    SPFResult.PERMERROR: Symbol.STOPPED,
}
_MEANING = {
    SPFResult.PASS: "{client} may use {domain}",
    SPFResult.FAIL: "{client} may not use {domain}",
    SPFResult.SOFTFAIL: "{domain} believes that {client} may not use it, and does not say so firmly",
    SPFResult.NEUTRAL: "{domain} says nothing about {client}",
    SPFResult.NONE: "{domain} publishes no SPF record to go by",
    SPFResult.TEMPERROR: "the record of {domain} cannot be evaluated now",
    SPFResult.PERMERROR: "the record of {domain} cannot be evaluated until it is mended",
}
_DNSSEC = {
    None: "nothing was asked of DNS",
    DNSSECStatus.SECURE: "every answer is proved by signatures",
    DNSSECStatus.INSECURE: "not everything it rests on is signed, so it could be forged on the way",
    DNSSECStatus.BOGUS: "an answer does not verify: forged, or the zone is broken",
    DNSSECStatus.INDETERMINATE: "an answer could not be had",
}


@click.command()
@click.option("--ip", "client", required=True, metavar="IP", help="Address of the client.")
@click.option("--helo", required=True, metavar="NAME", help="What it said in HELO or EHLO.")
@click.option(
    "--mail-from",
    metavar="ADDR",
    help='What it said in MAIL FROM, "" for the null reverse-path; without it the HELO name is checked.',
)
@click.option("--receiver", default="unknown", metavar="NAME", help="Our own name, for explanations and fields.")
@network_options
@output_options
def command(
    client: str,
    helo: str,
    mail_from: str | None,
    receiver: str,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Say whether a client may use a domain (SPF), term by term, with the DNSSEC status of every answer.

    Answers that fail or do not verify give temperror. Exit status: 0 for pass, none, neutral and softfail, 3 fail,
    4 temperror, 5 permerror.
    """
    request = _request(client_address(client), helo, mail_from)
    asked = asyncio.run(with_or_without_dnssec(network(servers, anchor_file, at)))
    evaluation = asyncio.run(_evaluate(asked, request, receiver))
    shown = output(ascii_only)
    if as_json:
        shown.json(evaluation.as_object() | _fields(request, evaluation, receiver))
    else:
        _print(shown, request, evaluation, asked.unproved)
    return EXIT_STATUS[evaluation.result]


def client_address(text: str) -> IPv4Address | IPv6Address:
    """The address `--ip` names, in brackets or not. Raises `click.UsageError`."""
    try:
        return ip_address(text.removeprefix("[").removesuffix("]").removeprefix("IPv6:"))
    except ValueError:
        raise click.UsageError(f"--ip: {text!r} is not an IP address; write 192.0.2.1 or 2001:db8::1") from None


def reverse_path(text: str) -> str:
    """What was said in MAIL FROM as SPF takes it: without angle brackets and what follows them (parameters of ESMTP),
    and without a source route, which is to be ignored (RFC 5321 §4.1.1.3, appendix C).
    """
    path = text.strip()
    if path.startswith("<"):
        path = path[1:].rpartition(">")[0] if ">" in path else path[1:]
    return path.partition(":")[2] if path.startswith("@") and ":" in path else path


def _request(client: IPv4Address | IPv6Address, helo: str, mail_from: str | None) -> Request:
    if mail_from is None:
        return Request.of_helo(client, helo)
    return Request.mail_from(client, reverse_path(mail_from), helo)


async def _evaluate(asked: Network, request: Request, receiver: str) -> Evaluation:
    async with Resolver(asked.settings, clock=asked.clock) as resolver:
        return await resolver.run(evaluate(request, receiver=receiver, now=asked.clock()))


def _fields(request: Request, evaluation: Evaluation, receiver: str) -> dict[str, Any]:
    """The two header fields a receiver would write; None for what no field can hold."""
    mail_from = request.identity is Identity.MAILFROM
    checked = Property("smtp", request.identity.value, evaluation.sender if mail_from else evaluation.domain)
    method = MethodResult("spf", evaluation.result.value, evaluation.reason, (checked,))
    error = evaluation.result in (SPFResult.TEMPERROR, SPFResult.PERMERROR)
    received = ReceivedSPF.of(
        evaluation.result.value,
        f"{receiver}: {evaluation.reason}",
        receiver=receiver,
        client_ip=str(request.ip),
        envelope_from=evaluation.sender if mail_from else "",
        helo=request.helo,
        identity=request.identity.value,
        mechanism=evaluation.mechanism,
        problem=evaluation.reason if error else "",
    )
    found: dict[str, Any] = {}
    for name, field in (
        ("authentication_results", AuthenticationResults(receiver, (method,))),
        ("received_spf", received),
    ):
        try:
            found[name] = field.to_bytes(utf8=True).decode()
        except UnwritableField:
            found[name] = None
    return found


def _print(shown: Output, request: Request, evaluation: Evaluation, unproved: bool) -> None:
    result = evaluation.result
    meaning = _MEANING[result].format(client=request.ip, domain=evaluation.domain)
    shown.headline(_SYMBOLS.get(result, Symbol.CLEAR), f"{result.value}: {meaning}.")
    identity = "MAIL FROM" if request.identity is Identity.MAILFROM else "HELO"
    checked = evaluation.sender if request.identity is Identity.MAILFROM else evaluation.domain
    shown.paragraph(f"checked: {identity} {checked}")
    shown.paragraph(f"why: {evaluation.reason}")
    shown.paragraph(f"DNS: {_DNSSEC[evaluation.dnssec]}; {evaluation.terms} of 10 terms with look-ups used")
    if unproved:
        shown.paragraph(UNPROVED)
    if evaluation.explains:
        shown.paragraph(evaluation.explains)
    shown.line()
    rows = [(_step_symbol(step), _cells(step)) for step in evaluation.trace]
    shown.table(rows, heads=("RECORD OF", "TERM", "OUTCOME", "DNSSEC", "WHY"))
    shown.line()
    shown.next(_next(evaluation))


def _step_symbol(step: Step) -> Symbol:
    if step.outcome == "match" and step.term[:1] == "-":
        return Symbol.STOPPED
    if step.outcome in ("match", "record"):
        return Symbol.VERIFIED if all(answer.secure for answer in step.answers) else Symbol.CLEAR
    return Symbol.STOPPED if step.outcome in (SPFResult.TEMPERROR.value, SPFResult.PERMERROR.value) else Symbol.NONE


def _cells(step: Step) -> tuple[str, str, str, str, str]:
    statuses = dict.fromkeys(answer.status.value for answer in step.answers)
    asked = f" (asked {_questions(step.answers)})" if step.term and step.answers else ""
    return "  " * step.depth + step.domain, step.term or "(TXT)", step.outcome, ", ".join(statuses), step.note + asked


def _questions(answers: tuple[Answer, ...]) -> str:
    shown = ", ".join(str(answer.question) for answer in answers[:3])
    return shown + (f" and {len(answers) - 3} more" if len(answers) > 3 else "")


def _next(evaluation: Evaluation) -> str:
    failed = next((answer for answer in evaluation.answers if answer.failed), None)
    if evaluation.result is SPFResult.TEMPERROR and failed is not None:
        name, _, rdtype = str(failed.question).partition(" ")
        return f"danelaw dns {name.removesuffix('.')} {rdtype}"
    steps = [step.domain for step in evaluation.trace if step.outcome == evaluation.result.value]
    return f"danelaw dns {steps[-1] if steps else evaluation.domain} TXT"
