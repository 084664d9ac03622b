"""`danelaw replay`: which verdicts on recorded tries this version would change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import load_config, output, output_options, seconds, spool_and_socket, spool_option
from danelaw.cli.output import Output, Symbol, absolute
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.dnssec import NegativeTrustAnchor
    from danelaw.outbound.rejudging import Replayed

_SHOWN = 20
_NONE: tuple[NegativeTrustAnchor, ...] = ()


@click.command()
@click.option("--since", default="30d", show_default=True, metavar="TIME", help="How far back, such as 30d or 12h.")
@click.option("--anchor", "anchor_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Trust anchors in zone-file form, in place of the configuration's.")  # fmt: skip
@spool_option
@output_options
def command(
    since: str, anchor_file: Path | None, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> int:
    """Judge recorded tries again with this version, and say which verdicts it would change.

    DNSSEC, the requirement and the judgement are worked out anew from the stored evidence; nothing is sent, looked up
    or changed. (Policy scripts are another matter: danelaw policy replay.) Exit status: 0 when no verdict changes,
    else 1.
    """
    from danelaw.gateway.settings import resolver_settings, trust_anchors
    from danelaw.outbound.rejudging import replay

    back = seconds(since, "--since")
    directory, _ = spool_and_socket(spool, config_file)
    anchors, negative = trust_anchors(anchor_file), _NONE
    if spool is None or config_file is not None:
        config = load_config(config_file)
        if config.resolver.mode == "trust-ad":
            raise DanelawError(
                "the verdicts here are those of another resolver (trust-ad), which left no evidence to judge again",
                advice='[resolver] mode = "validate"',
            )
        settings = resolver_settings(config)
        anchors, negative = settings.anchors if anchor_file is None else anchors, settings.negative
    now = time.time()
    found = replay(directory, now - back, anchors, negative)
    out = output(ascii_only)
    if as_json:
        out.json(_plain(found))
    else:
        _show(out, found, since, now)
    return int(bool(found.changed))


def _plain(found: Replayed) -> dict[str, Any]:
    return {
        "schema": "danelaw/replay/1",
        "tries": found.tries,
        "same": found.same,
        "other_words": found.worded,
        "not_judged": found.not_judged,
        "evidence_forgotten": found.forgotten,
        "changed": found.changed,
        "kinds": [
            {"before": before, "after": after, "count": count} for (before, after), count in found.kinds.most_common()
        ],
        "changes": [
            {
                "id": one.id,
                "time": one.time,
                "destination": one.destination,
                "host": one.host,
                "before": one.before,
                "after": one.after,
                "reason": one.reason,
            }
            for one in found.changes
        ],
    }


def _show(out: Output, found: Replayed, since: str, now: float) -> None:
    judged = found.same + found.changed
    if found.changed:
        out.headline(Symbol.STOPPED, f"{found.changed} of {judged} verdicts of the last {since} would be others now.")
    else:
        out.headline(Symbol.VERIFIED, f"No verdict would change: {judged} of the last {since} were judged again.")
    for count, words in (
        (found.worded, "are the same, and explained in other words"),
        (
            found.not_judged,
            "hold nothing to judge: no server was looked up, a carrier took the mail, or they are older",
        ),
        (found.forgotten, "have lost their evidence by age"),
    ):
        if count:
            out.line(f"  {count} {words}")
    if not found.changed:
        out.next("danelaw log verify")
        return
    out.line()
    kinds = found.kinds.most_common(_SHOWN)
    out.table(
        [(Symbol.NONE, (before, after, str(count))) for (before, after), count in kinds],
        heads=("WAS", "WOULD BE", "TRIES"),
    )
    out.line()
    rows = [
        (Symbol.NONE, (one.id, absolute(one.time, now), one.host or one.destination, f"{one.after}: {one.reason}"))
        for one in found.changes[:_SHOWN]
    ]
    out.table(rows, heads=("ID", "TRIED", "SERVER", "NOW"))
    if found.changed > _SHOWN:
        out.line(f"  and {found.changed - _SHOWN} more: --json lists up to 1000")
    out.next(f"danelaw explain {found.changes[0].id}")
