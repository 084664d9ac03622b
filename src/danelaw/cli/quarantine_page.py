"""How held messages are printed. What strangers wrote reaches the terminal through `Output` only, which makes control
and direction characters harmless.
"""

from __future__ import annotations

from typing import Any

from danelaw.cli.output import Output, Symbol, duration, moment, size

_MOST_HEADER_LINES = 120


def show_list(out: Output, page: dict[str, Any], words: str) -> None:
    """A page of what is held; `words` is the filter that named it."""
    messages, now = page["messages"], page["now"]
    if not messages:
        out.headline(Symbol.NONE, "nothing held matches" if page["filter"] else "nothing is held")
        out.next("danelaw queue list")
        return
    out.table([(Symbol.STOPPED, _cells(row, now)) for row in messages], heads=("ID", "HELD", "BY", "FROM", "TO", "WHY"))
    out.line()
    if page["after"]:
        out.next(f"danelaw quarantine list{' ' + repr(words) if words else ''} --after {page['after']}")
    else:
        out.next(f"danelaw quarantine show {messages[0]['id']}")


def _cells(row: dict[str, Any], now: float) -> list[str]:
    recipients, holds = row["recipients"], row["holds"]
    more = f" +{len(recipients) - 1}" if len(recipients) > 1 else ""
    why = "; ".join(hold["reason"] for hold in holds)
    subject = f" — {row['subject']}" if row["subject"] else ""
    end = "" if row["until"] is None else f"; until {moment(row['until'], now)}"
    return [
        row["id"],
        duration(now - row["since"]),
        ",".join(dict.fromkeys(hold["step"] for hold in holds)),
        row["from"] or "<>",
        recipients[0]["to"] + more,
        f"{why}{subject}{end}",
    ]


def show_message(out: Output, found: dict[str, Any], now: float) -> None:
    """One held message."""
    message = found["message"]
    custody = message["held"]
    out.headline(Symbol.STOPPED, f"HELD: {message['id']} from {message['from'] or '<> (a notice)'}")
    out.paragraph(f"subject: {found['subject'] or 'none'}")
    out.paragraph(f"author: {found['author'] or 'none'}")
    client = message["client"]
    out.paragraph(
        f"received {moment(message['received_at'], now)} from {client['address'] or 'this machine'} {client['helo']}, "
        f"{client['tls'] or 'clear text'}; {size(message['size'])}; Message-ID {message['message_id'] or 'none'}"
    )
    for hold in custody["holds"]:
        out.paragraph(f"held by {hold['step']}: {hold['reason']}")
    end = "somebody releases it" if custody["until"] is None else moment(custody["until"], now)
    out.paragraph(f"held since {moment(custody['since'], now)} until {end}")
    for finding in message["findings"]:
        out.paragraph(f"{finding['step']}: {finding['result']}; {finding['reason']}")
    for recipient in message["recipients"]:
        out.paragraph(f"{recipient['to']}: {recipient['state']}")
    out.line("header:")
    lines = found["header"].replace("\r\n", "\n").split("\n")
    for line in lines[:_MOST_HEADER_LINES]:
        out.paragraph(line.replace("\t", " "), hang=2)
    if len(lines) > _MOST_HEADER_LINES:
        out.paragraph(f"… and {len(lines) - _MOST_HEADER_LINES} lines more (--raw FILE, or --json)")
    out.line("parts:")
    for part in found["parts"]:
        name = f" “{part['name']}”" if part["name"] else ""
        out.paragraph(f"{part['type']}{name}, {size(part['octets'])}", indent=2 + 2 * part["depth"])
    if not found["whole"]:
        out.paragraph("… and more than is shown here")
    out.next(f"danelaw quarantine release id:{message['id']} --because TICKET")
