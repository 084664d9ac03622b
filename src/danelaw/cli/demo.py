"""`danelaw demo`: every protection and every attack once, for real, on this machine."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.explain_page import show as show_explanation
from danelaw.cli.options import output, output_options
from danelaw.cli.output import Output, Symbol

if TYPE_CHECKING:
    from danelaw.gateway.rehearsal import Rehearsal, Result

_EXPLAINED = "forged-cert.lab"
_VERIFIED = ("DANE", "MTA-STS", "public CA (your setting)")
_WEAK = {"encrypted only": Symbol.ENCRYPTED, "host-only DANE": Symbol.ENCRYPTED, "clear text": Symbol.CLEAR}


@click.command()
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Leave configuration and spool in this directory, to look at afterwards.")  # fmt: skip
@output_options
def command(keep: Path | None, as_json: bool, ascii_only: bool) -> int:
    """Show every protection and attack once, on this machine: own DNS root, real servers, one gateway.

    Exit status 0 when every outcome is the documented one, 1 when not.
    """
    import uvloop

    out = output(ascii_only)
    with tempfile.TemporaryDirectory(prefix="danelaw-demo-") as temporary:
        directory = keep.absolute() if keep else Path(temporary)
        return uvloop.run(_demo(out, directory, as_json))


async def _demo(out: Output, directory: Path, as_json: bool) -> int:
    from danelaw.gateway.rehearsal import Rehearsal
    from danelaw.lab import SCENARIOS

    begin = time.monotonic()
    rows = sorted((item for item in SCENARIOS if item.demo is not None), key=lambda item: item.demo or 0)
    async with Rehearsal(SCENARIOS, directory) as rehearsal:
        if not as_json:
            _welcome(out, len(SCENARIOS), len(rows), time.monotonic() - begin)
        results = await asyncio.gather(*(rehearsal.play(scenario) for scenario in rows))
        exposed = [item.scenario.domain for item in results if item.outcome != "delivered"
                   and rehearsal.lab.exposed(item.scenario.domain)]  # fmt: skip
        safe = _on_disk(rehearsal, results)
        failures = [item for item in results if not item.as_documented]
        if as_json:
            out.json({"results": [_plain(item) for item in results], "exposed": exposed, "on_disk": safe})
        else:
            _table(out, results)
            _totals(out, results, safe, exposed)
            _explain(out, rehearsal)
    return int(bool(failures or exposed))


def _welcome(out: Output, destinations: int, messages: int, seconds: float) -> None:
    out.line(f"danelaw demo: an internet in a box, with its own root key and {destinations} mail destinations, "
             f"on this machine.   ready in {seconds:.1f} s")  # fmt: skip
    out.line(f"{messages} messages, one gateway; real DNS signatures, certificates, sockets. Nothing leaves loopback.")
    out.line()


def _table(out: Output, results: list[Result]) -> None:
    heads = ("TO", "PUBLISHES", "OUTCOME", "PROTECTED BY", "WHY")
    calm = [_row(item) for item in results if not item.scenario.attack]
    attacked = [_row(item) for item in results if item.scenario.attack]
    divider = (Symbol.NONE, ("attacks, each with a real attacker in the path", "", "", "", ""))
    widths = [max(len(cells[column]) for _, cells in [*calm, *attacked]) for column in range(4)]
    padded = [
        (symbol, (*(c.ljust(w) for c, w in zip(cells[:4], widths, strict=True)), cells[4])) for symbol, cells in calm
    ]
    out.table(padded, heads=heads, gap=1)
    out.line(f"  {divider[1][0]}")
    out.table(
        [(s, (*(c.ljust(w) for c, w in zip(cells[:4], widths, strict=True)), cells[4])) for s, cells in attacked], gap=1
    )
    out.line()


def _row(result: Result) -> tuple[Symbol, tuple[str, ...]]:
    scenario = result.scenario
    symbol = _WEAK.get(result.protection, Symbol.VERIFIED) if result.outcome == "delivered" else Symbol.STOPPED
    # The gateway's own words, of which the first clause says why and the others what follows.
    why = result.reason.split("; ")[0]
    if not result.as_documented:
        why = f"NOT AS DOCUMENTED ({scenario.outcome}, {scenario.protection}): {why}"
    return symbol, (scenario.domain, scenario.publishes, result.outcome, result.protection, why)


def _totals(out: Output, results: list[Result], safe: int, exposed: list[str]) -> None:
    delivered = [item for item in results if item.outcome == "delivered"]
    counts = {
        name: sum(item.protection == name for item in delivered)
        for name in dict.fromkeys(i.protection for i in delivered)
    }
    verified = sum(counts.get(name, 0) for name in _VERIFIED)
    stopped = len(results) - len(delivered)
    good = sum(item.as_documented for item in results)
    out.line(
        f"{len(delivered)} delivered ({verified} verified, {counts.get('encrypted only', 0)} encrypted only, "
        f"{counts.get('clear text', 0)} clear text) · {stopped} stopped, "
        f"{'all ' if safe == stopped else ''}{safe} on disk"
        f" · {good} of {len(results)} as documented"
    )
    shares = " · ".join(f"{name} {100 * count / len(results):.0f} %" for name, count in counts.items())
    out.line(f"Share of the traffic: {shares} · stopped {100 * stopped / len(results):.0f} %")
    if exposed:
        out.line(f"EXPOSED to somebody who should not have seen it: {', '.join(exposed)}")
    out.line()


def _explain(out: Output, rehearsal: Rehearsal) -> None:
    from danelaw.outbound.explanation import explanation

    out.line(f"$ danelaw explain {_EXPLAINED}")
    show_explanation(out, explanation(rehearsal.gateway.parts.spool.reader, _EXPLAINED, time.time()))
    out.line()
    out.line("A real domain:  danelaw check example.org     More destinations to write to:  danelaw lab")


def _on_disk(rehearsal: Rehearsal, results: list[Result]) -> int:
    """How many of the stopped messages can be read back from the spool, body and all."""
    from danelaw.queue import id_from_text
    from danelaw.spool.view import find_message

    spool, count = rehearsal.gateway.parts.spool, 0
    for item in results:
        if item.outcome == "waiting":
            message, finished = find_message(spool.reader, id_from_text(item.id))
            count += not finished and len(spool.read_body(message)) == message.size
    return count


def _plain(result: Result) -> dict[str, Any]:
    scenario = result.scenario
    return {
        "to": scenario.domain,
        "publishes": scenario.publishes,
        "outcome": result.outcome,
        "protected_by": result.protection,
        "why": result.reason,
        "as_documented": result.as_documented,
    }
