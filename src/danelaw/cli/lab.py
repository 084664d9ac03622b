"""`danelaw lab`: run the internet in a box, or write it out for other people's daemons."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import output, output_options
from danelaw.cli.output import Output, Symbol
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from danelaw.lab import Lab, Letter, Scenario, TrustLetter


class LabError(DanelawError):
    """The lab cannot run here."""


@click.command()
@click.option("--export", "export_to", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write zones, keys, certificates, and settings for nsd, unbound and Postfix; then end.")  # fmt: skip
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where to put danelaw.toml and what it names; otherwise a temporary directory.")  # fmt: skip
@click.option("--listen", default="127.0.0.1:2525", show_default=True, metavar="ADDRESS",
              help="Where the gateway of that danelaw.toml accepts mail.")  # fmt: skip
@click.option("--port25", is_flag=True, help="As root: mail servers on port 25 of their own loopback addresses.")
@click.option("--trust", is_flag=True, help="Another lab: a trust group with its masters, members and letters.")
@output_options
def command(
    export_to: Path | None,
    directory: Path | None,
    listen: str,
    port25: bool,
    trust: bool,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Run an internet in a box on this machine: DNS with its own root, mail servers, attackers.

    Nothing leaves loopback. Runs until interrupted.
    """
    out = output(ascii_only)
    if export_to is not None:
        from danelaw.lab.export import export

        written = export(export_to)
        out.line(f"{len(written)} files in {export_to}: zones, trust anchor, certificates, configuration.")
        out.next(f"less {export_to / 'README'}")
        return
    with tempfile.TemporaryDirectory(prefix="danelaw-lab-") as temporary:
        asyncio.run(_run_until_stopped(out, directory or Path(temporary), listen, port25, trust, as_json))


async def _run_until_stopped(*wanted: Any) -> None:
    from danelaw.cli.interrupting import interrupted_by_signals

    stop = asyncio.Event()
    with interrupted_by_signals(stop.set):
        await _run(stop, *wanted)


async def _run(
    stop: asyncio.Event, out: Output, directory: Path, listen: str, port25: bool, trust: bool, as_json: bool
) -> None:
    from danelaw.lab.settings import write_settings

    begin = time.monotonic()
    lab, write = _trust_lab(port25) if trust else _whole_lab(port25)
    try:
        await lab.start()
    except PermissionError:
        raise LabError("port 25 belongs to root", advice="danelaw lab (without --port25), or as root") from None
    except OSError as error:
        raise LabError(f"the lab cannot open its sockets: {error.strerror}", advice="ulimit -n 4096") from None
    try:
        config = write_settings(lab, directory, listen=listen)
        if trust:
            _say_trust(config)
        written = write(directory)
        if as_json:
            out.json(_facts(lab, config, {}) | _trust_letters(written) if trust else _facts(lab, config, written))
        else:
            _show(out, lab, config, written, time.monotonic() - begin)
        out.stream.flush()
        await stop.wait()
    finally:
        await lab.close()


def _whole_lab(port25: bool) -> tuple[Lab, Callable[[Path], Mapping[Any, Path]]]:
    from danelaw.lab import LETTERS, Lab, Letters
    from danelaw.lab.settings import write_letters

    letters = Letters(LETTERS)
    return Lab(port25=port25, letters=letters), lambda directory: write_letters(letters, directory)


def _trust_lab(port25: bool) -> tuple[Lab, Callable[[Path], Mapping[Any, Path]]]:
    from danelaw.lab import TRUST_LETTERS, TRUST_MASTERS, Lab, trust_members
    from danelaw.lab.lettersigning import LetterKeys

    keys = LetterKeys()

    def write(directory: Path) -> Mapping[Any, Path]:
        place = directory / "letters"
        place.mkdir(parents=True, exist_ok=True)
        files = {letter: place / f"{letter.name}.eml" for letter in TRUST_LETTERS}
        for letter, file in files.items():
            file.write_bytes(letter.write(keys))
        return files

    return Lab(trust_members(keys), senders=TRUST_MASTERS, port25=port25), write


def _trust_letters(letters: Mapping[TrustLetter, Path]) -> dict[str, object]:
    return {
        "letters": [
            {"file": str(file), "author": one.author, "tls": one.tls, "reply": one.reply, "status": one.status or None}
            for one, file in letters.items()
        ]
    }


def _say_trust(config: Path) -> None:
    """The group in the configuration, where tables of routes come last."""
    from danelaw.lab import TRUST_SECTION

    text, routes = config.read_text().split("[lab.routes]")
    config.write_text(f"{text}[authentication]\nenabled = true\n\n{TRUST_SECTION}\n[lab.routes]{routes}")


def _show(out: Output, lab: Lab, config: Path, letters: Mapping[Any, Path], seconds: float) -> None:
    """The table of destinations and what to do with them."""
    attacks = sum(scenario.attack for scenario in lab.scenarios)
    out.line(
        f"danelaw lab: an internet in a box, with its own root key and {len(lab.scenarios)} mail destinations."
        f"   ready in {seconds:.1f} s"
    )
    out.line(f"{attacks} of them are attacked. Nothing leaves loopback. Outcomes are those of a correct gateway.")
    out.line()
    rows = [(_symbol(s), (s.domain, s.publishes, s.outcome, s.protection, s.why_shown)) for s in lab.scenarios]
    out.table(rows, heads=("TO", "PUBLISHES", "OUTCOME", "PROTECTED BY", "WHY"))
    host, port = lab.name_server.address
    out.line()
    out.line(f"  resolver      {host}:{port}   UDP and TCP; does not validate, that is the gateway's work")
    out.line(f"  trust anchor  {lab.anchors_text.strip()}")
    out.line(f"  gateway       {config}   resolver, trust anchor, public CA and {len(lab.routes)} routes")
    out.line(f"  senders       {len(lab.senders)} domains to try danelaw spf with; --json lists them")
    out.line(f"  letters       {len(letters)} mails for danelaw auth in {config.parent / 'letters'}; --json lists them")
    out.line()
    mx = f"_25._tcp.mx.{lab.scenarios[0].domain}"
    out.line(f"  danelaw dns {mx} TLSA --server {host}:{port} --anchor {config.parent / 'root.key'}")
    out.line("  Ends with Ctrl-C.")
    out.next(f"danelaw serve --config {config}")


def _symbol(scenario: Scenario) -> Symbol:
    if scenario.outcome != "delivered":
        return Symbol.STOPPED
    return {"encrypted only": Symbol.ENCRYPTED, "host-only DANE": Symbol.ENCRYPTED, "clear text": Symbol.CLEAR}.get(
        scenario.protection, Symbol.VERIFIED
    )


def _facts(lab: Lab, config: Path, letters: Mapping[Letter, Path]) -> dict[str, object]:
    host, port = lab.name_server.address
    return {
        "resolver": f"{host}:{port}",
        "anchor": lab.anchors_text.strip(),
        "config": str(config),
        "destinations": [
            {
                "domain": s.domain,
                "publishes": s.publishes,
                "outcome": s.outcome,
                "protection": s.protection,
                "level": s.level,
                "why": s.why_shown,
                "attack": s.attack,
                "demand": s.demand,
                "rules": [*s.rules, *s.defects],
            }
            for s in lab.scenarios
        ],
        "senders": [
            {
                "domain": s.domain,
                "publishes": s.publishes,
                "client": s.client,
                "helo": s.helo,
                "mail_from": s.mail_from if s.identity == "mailfrom" else None,
                "spf": s.spf,
                "dnssec": s.dnssec,
                "attack": s.attack,
            }
            for s in lab.senders
        ],
        "letters": [
            {
                "file": str(file),
                "trick": letter.trick,
                "client": letter.client,
                "helo": letter.helo,
                "mail_from": letter.mail_from,
                "spf": letter.spf,
                "dkim": letter.dkim,
                "dmarc": letter.dmarc,
                "policy": letter.policy,
                "arc": letter.arc,
                "act": letter.act,
                "attack": letter.attack,
            }
            for letter, file in letters.items()
        ],
    }
