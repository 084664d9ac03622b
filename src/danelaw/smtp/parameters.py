"""The parameters of MAIL and RCPT (RFC 5321 §4.1.2 and the extensions that define each)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from danelaw.smtp import xtext
from danelaw.smtp.envelope import Body, Notify, Ret
from danelaw.smtp.errors import CommandError
from danelaw.smtp.reply import Reply
from danelaw.smtp.xtext import OriginalRecipient, XtextError

# esmtp-keyword "=" esmtp-value; RFC 6531 §3.3 lets UTF-8 into the value.
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e\u0080-\U0010ffff]+))?\Z")
_SIZE = re.compile(r"[0-9]{1,20}\Z", re.ASCII)
_ENVID_CHARACTERS = 100  # RFC 3461 §4.4
_ORCPT_CHARACTERS = 500  # RFC 3461 §4.2
_AUTH_CHARACTERS = 500  # RFC 4954 §3

Value = str | None


@dataclass(frozen=True, slots=True)
class MailParameters:
    """The parameters of MAIL, each None or False when absent. `size` in octets; `envid` decoded."""

    size: int | None = None
    body: Body | None = None
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    requiretls: bool = False
    auth: str | None = None


@dataclass(frozen=True, slots=True)
class RcptParameters:
    """The parameters of RCPT."""

    notify: Notify | None = None
    orcpt: OriginalRecipient | None = None


NO_MAIL_PARAMETERS = MailParameters()
NO_RCPT_PARAMETERS = RcptParameters()

_Reader = Callable[[Value], tuple[str, object]]


def _bad(keyword: str, because: str) -> CommandError:
    return CommandError(Reply.of(501, "5.5.4", f"Bad {keyword} parameter: {because}"))


def _size(value: Value) -> tuple[str, object]:
    if value is None or not _SIZE.match(value):
        raise _bad("SIZE", "a number of at most 20 digits is expected")
    return "size", int(value)


def _body(value: Value) -> tuple[str, object]:
    try:
        return "body", Body((value or "").upper())
    except ValueError:
        raise _bad("BODY", "7BIT or 8BITMIME is expected") from None


def _smtputf8(value: Value) -> tuple[str, object]:
    if value is not None:
        raise _bad("SMTPUTF8", "it takes no value")
    return "smtputf8", True


def _requiretls(value: Value) -> tuple[str, object]:
    if value is not None:
        raise _bad("REQUIRETLS", "it takes no value")
    return "requiretls", True


def _ret(value: Value) -> tuple[str, object]:
    try:
        return "ret", Ret((value or "").upper())
    except ValueError:
        raise _bad("RET", "FULL or HDRS is expected") from None


def _envid(value: Value) -> tuple[str, object]:
    try:
        envid = xtext.decode(value or "")
    except XtextError:
        envid = ""
    # RFC 3461 §4.4: what was encoded must be printable ASCII.
    if not envid or not envid.isprintable() or len(value or "") > _ENVID_CHARACTERS:
        raise _bad("ENVID", "xtext of at most 100 characters is expected")
    return "envid", envid


def _auth(value: Value) -> tuple[str, object]:
    if value == "<>":
        return "auth", ""
    try:
        auth = xtext.decode(value or "")
    except XtextError:
        auth = ""
    # RFC 4954 §5: a mailbox in xtext. Nothing is done with it, so it need not be read further.
    if not auth or not auth.isprintable() or len(value or "") > _AUTH_CHARACTERS:
        raise _bad("AUTH", "<> or an address in xtext is expected")
    return "auth", auth


def _notify(value: Value) -> tuple[str, object]:
    notify = Notify(0)
    for word in (value or "").upper().split(","):
        if word not in Notify.__members__ or Notify[word] in notify:
            raise _bad("NOTIFY", "NEVER, or a list of SUCCESS, FAILURE, DELAY is expected")
        notify |= Notify[word]
    if Notify.NEVER in notify and notify is not Notify.NEVER:
        raise _bad("NOTIFY", "NEVER stands alone")
    return "notify", notify


def _orcpt(value: Value) -> tuple[str, object]:
    try:
        if value is None or len(value) > _ORCPT_CHARACTERS:
            raise XtextError("missing or too long")
        return "orcpt", OriginalRecipient.from_text(value)
    except XtextError:
        raise _bad("ORCPT", "an address type, a semicolon and an encoded address are expected") from None


_MAIL: dict[str, _Reader] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "RET": _ret,
    "ENVID": _envid,
    "REQUIRETLS": _requiretls,
    "AUTH": _auth,
}
_RCPT: dict[str, _Reader] = {"NOTIFY": _notify, "ORCPT": _orcpt}


def mail_parameters(text: str, offered: frozenset[str]) -> MailParameters:
    """Parse what follows the path of MAIL. `offered` holds the keywords valid now, such as `SIZE` and `REQUIRETLS`.

    Raises `CommandError`: 555 5.5.4 for an unknown keyword, 501 5.5.4 for a bad or repeated one.
    """
    return MailParameters(**_parse(text, offered, _MAIL))


def rcpt_parameters(text: str, offered: frozenset[str]) -> RcptParameters:
    """Parse what follows the path of RCPT. Raises `CommandError` as `mail_parameters` does."""
    return RcptParameters(**_parse(text, offered, _RCPT))


def _parse(text: str, offered: frozenset[str], readers: dict[str, _Reader]) -> dict[str, Any]:
    """The fields to set. Each keyword sets a field of its own, so a field already set is a keyword given twice."""
    fields: dict[str, Any] = {}
    for word in text.split(" "):
        # One space separates parameters (RFC 5321 §4.1.1.11); clients that send more are understood.
        if not word:
            continue
        match = _PARAMETER.match(word)
        if match is None:
            raise CommandError(Reply.of(501, "5.5.4", "Syntax error in parameters"))
        keyword = match[1].upper()
        if keyword not in offered or keyword not in readers:
            raise CommandError(Reply.of(555, "5.5.4", f"Parameter {keyword[:40]} is not recognized"))
        field, value = readers[keyword](match[2])
        if field in fields:
            raise _bad(keyword, "it is given twice")
        fields[field] = value
    return fields
