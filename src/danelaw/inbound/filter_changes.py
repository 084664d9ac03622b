"""What filters change of a message on its way in, and the fields that tell readers what they found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from danelaw.address import ForwardPath, MailboxError, ReversePath
from danelaw.filters import Action, FilterResult, Judgement, Verdict, edited_content_header, new_body
from danelaw.inbound.arrival import Finding
from danelaw.milter import AddHeader, AddRecipient, ChangeHeader, ChangeSender, DeleteRecipient, InsertHeader
from danelaw.smtp import Recipient, Reply
from danelaw.smtp.errors import CommandError
from danelaw.smtp.parameters import rcpt_parameters

if TYPE_CHECKING:
    from danelaw.filters import FilterEdit
    from danelaw.inbound.arrival import Arrival

_NAME = re.compile(r"[^A-Za-z0-9_.:/+-]+")
_MOST_NAMES = 100
_RCPT_KEYWORDS = frozenset({"NOTIFY", "ORCPT"})
_LINE = 76


def carry_out(arrival: Arrival, result: FilterResult) -> None:
    """Change the message as a filter wants. An address nobody could use is left out and said so in the findings."""
    header = edited_content_header(arrival.content.header, result.edits, leading_space=result.leading_space)
    if header != arrival.content.header:
        arrival.content = arrival.content.with_header(header)
    body = new_body(result.edits)
    if body is not None:
        arrival.content = arrival.content.with_body(body)
    for edit in result.edits:
        try:
            _change_envelope(arrival, edit)
        except (MailboxError, CommandError) as error:
            reason = error.reply.text if isinstance(error, CommandError) else error.reason
            arrival.findings.append(Finding(result.filter, "not done", f"{type(edit).__name__}: {reason}"))


def _change_envelope(arrival: Arrival, edit: FilterEdit) -> None:
    match edit:
        case ChangeSender(address, arguments):
            arrival.reverse_path = ReversePath.from_text(_bracketed(address))
            if arguments:
                raise CommandError(Reply.of(555, "5.5.4", f"parameters of a sender are not changed: {arguments[:80]}"))
        case AddRecipient(address, arguments):
            path = ForwardPath.from_text(_bracketed(address))
            if all(recipient.forward_path != path for recipient in arrival.recipients):
                arrival.recipients.append(Recipient(path))
                said = rcpt_parameters(arguments, _RCPT_KEYWORDS)
                arrival.recipients[-1] = Recipient(path, said.notify, said.orcpt)
        case DeleteRecipient(address):
            path = ForwardPath.from_text(_bracketed(address))
            arrival.recipients[:] = [one for one in arrival.recipients if one.forward_path != path]
        case _:
            pass


def _bracketed(address: str) -> str:
    return address if address.startswith("<") else f"<{address}>"


def result_fields(judgement: Judgement, required: float | None) -> list[bytes]:
    """X-Spam and X-Virus fields, topmost last. Nothing a filter says can make a field of its own."""
    fields = []
    marked = judgement.action in (Action.TAG, Action.HOLD)
    if judgement.score is not None:
        names = [name for result in judgement.results if result.score is not None for name in result.names]
        yes = "Yes" if marked else "No"
        limit = "" if required is None else f" required={required:g}"
        words = [f"{yes}, score={judgement.score:.4g}{limit}", *_tests(names)]
        fields.append(_folded("X-Spam-Status", words))
        fields.append(_folded("X-Spam-Score", [f"{judgement.score:.4g}"]))
    found = [result for result in judgement.results if result.verdict is Verdict.FOUND and result.score is None]
    viruses = [_plain(name) for result in found for name in result.names]
    if marked and viruses:
        fields.append(_folded("X-Virus-Status", ["Infected", *(f"({name})" for name in viruses[:10])]))
    if marked and not (viruses and len(found) == len(judgement.results)):
        fields.append(_folded("X-Spam-Flag", ["YES"]))
    return fields


def _tests(names: Sequence[str]) -> Iterable[str]:
    shown = list(dict.fromkeys(_plain(name) for name in names))[:_MOST_NAMES]
    if not shown:
        return
    yield "tests=" + shown[0] + ("," if len(shown) > 1 else "")
    for number, name in enumerate(shown[1:], 2):
        yield name + ("," if number < len(shown) else "")


def _plain(name: str) -> str:
    return _NAME.sub("_", name)[:60] or "_"


def _folded(name: str, words: Sequence[str]) -> bytes:
    lines, line = [], f"{name}:"
    for word in words:
        if len(line) + 1 + len(word) > _LINE and line.strip():
            lines.append(line)
            line = "\t" + word
        else:
            line += " " + word
    lines.append(line)
    return "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace")


def changes_of(edits: Sequence[FilterEdit]) -> str:
    """The edits in a few words, for findings."""
    fields = [edit.name.decode("ascii", "replace") for edit in edits if isinstance(edit, AddHeader | InsertHeader)]
    changed = [edit.name.decode("ascii", "replace") for edit in edits if isinstance(edit, ChangeHeader)]
    parts = []
    if fields:
        parts.append(f"adds {', '.join(dict.fromkeys(fields))}")
    if changed:
        parts.append(f"changes {', '.join(dict.fromkeys(changed))}")
    others = len(edits) - len(fields) - len(changed)
    if others:
        parts.append(f"{others} more changes")
    return "; ".join(parts)
