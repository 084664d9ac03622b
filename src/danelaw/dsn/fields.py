"""The second part of a notice: the fields a program reads (RFC 3464 §2, RFC 6533 §4.1)."""

from __future__ import annotations

import re
import textwrap

from danelaw.dsn.errors import DSNError
from danelaw.dsn.values import DSN, Action, DSNRecipient
from danelaw.dsn.xtext import decode_unitext, decode_xtext, encode_unitext
from danelaw.message import format_date

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_REPLY_CODE = re.compile(r"[245]\d\d(?:[ -]|\Z)", re.ASCII)
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]{1,64}\Z", re.ASCII)
_MAX_VALUE = 4_000
_LINE = 76


def delivery_status(dsn: DSN, *, utf8: bool) -> str:
    """The per-message group and one group per recipient, CRLF line ends; all ASCII unless `utf8`."""
    groups = [_per_message(dsn)]
    groups.extend(_per_recipient(recipient, utf8) for recipient in dsn.recipients)
    return "\r\n".join("".join(_line(name, value, utf8) for name, value in group) for group in groups)


def _per_message(dsn: DSN) -> list[tuple[str, str]]:
    fields = []
    if dsn.envid is not None:
        fields.append(("Original-Envelope-Id", dsn.envid))
    # RFC 3461 §6.3 b: type "dns" only for a fully qualified name.
    kind = "dns" if "." in dsn.reporting_mta else "x-local-hostname"
    fields.append(("Reporting-MTA", f"{kind}; {dsn.reporting_mta}"))
    if dsn.received_from is not None:
        fields.append(("Received-From-MTA", f"dns; {dsn.received_from}"))
    if dsn.arrival is not None:
        fields.append(("Arrival-Date", format_date(dsn.arrival)))
    return fields


def _per_recipient(recipient: DSNRecipient, utf8: bool) -> list[tuple[str, str]]:
    fields = []
    if recipient.orcpt is not None:
        fields.append(("Original-Recipient", _original(recipient.orcpt, utf8)))
    fields.append(("Final-Recipient", _typed(recipient.address, utf8)))
    fields.append(("Action", recipient.action.value))
    fields.append(("Status", recipient.status))
    if recipient.remote_mta is not None:
        fields.append(("Remote-MTA", f"dns; {recipient.remote_mta}"))
    if recipient.diagnostic is not None:
        # RFC 3461 §9.2: type smtp begins with a reply code; our own findings are no reply of a server.
        kind = "smtp" if _REPLY_CODE.match(recipient.diagnostic) else "x-danelaw"
        fields.append(("Diagnostic-Code", f"{kind}; {recipient.diagnostic}"))
    elif recipient.action in (Action.FAILED, Action.DELAYED):
        fields.append(("Diagnostic-Code", f"x-danelaw; {recipient.reason}"))
    if recipient.last_attempt is not None:
        fields.append(("Last-Attempt-Date", format_date(recipient.last_attempt)))
    if recipient.will_retry_until is not None and recipient.action is Action.DELAYED:
        fields.append(("Will-Retry-Until", format_date(recipient.will_retry_until)))
    return fields


def _typed(address: str, utf8: bool) -> str:
    """`rfc822;` for ASCII, else `utf-8;` plain or embedded (RFC 6533 §3, §4.1)."""
    if address.isascii():
        return f"rfc822;{address}"
    return f"utf-8;{address if utf8 else encode_unitext(address)}"


def _original(orcpt: str, utf8: bool) -> str:
    """ORCPT without its encoding (RFC 3461 §6.3 d, RFC 6533 §3). What is not well-formed is passed on as it is."""
    kind, found, value = orcpt.partition(";")
    if not found or not _ADDRESS_TYPE.match(kind):
        return f"rfc822;{orcpt}"
    if kind.lower() == "utf-8":
        plain = decode_unitext(value)
        if utf8 and not _CONTROLS.search(plain):
            return f"{kind};{plain}"
        return f"{kind};{value if value.isascii() else encode_unitext(value)}"
    try:
        decoded = decode_xtext(value)
    except DSNError:
        return f"{kind};{value}"
    text = decoded.decode("ascii", "replace")
    return f"{kind};{value if _CONTROLS.search(text) or not text.isascii() else text}"


def _line(name: str, value: str, utf8: bool) -> str:
    """One field, folded at spaces; a value from outside can neither end the line nor leave ASCII."""
    plain = _CONTROLS.sub(" ", value)[:_MAX_VALUE].strip()
    if not utf8 and not plain.isascii():
        plain = plain.encode("ascii", "replace").decode("ascii")
    whole = f"{name}: {plain}".rstrip()
    if len(whole) <= _LINE:  # wrapping takes longer than all else in a notice about thousands
        return f"{whole}\r\n"
    lines = textwrap.wrap(whole, _LINE, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)
    return "".join(f"{piece}\r\n" for line in lines for piece in _cut(line))


def _cut(line: str) -> list[str]:
    """Words longer than a line may be at all (RFC 5322 §2.1.1) are cut and folded."""
    pieces = []
    while len(line.encode()) > 900:
        pieces.append(line[:220])
        line = " " + line[220:]
    return [*pieces, line]
