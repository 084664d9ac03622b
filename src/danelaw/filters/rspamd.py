"""rspamd: the message in an HTTP POST to /checkv2, the envelope in header fields of the request, JSON in the answer."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any

from danelaw.filters.engine import Engine, exchange
from danelaw.filters.http import LARGEST_HEAD, field_line, is_whole, reply_body
from danelaw.filters.result import FilterEdit, FilterError, FilterResult, RemoveField, Verdict, plain
from danelaw.filters.specimen import Specimen, pieces
from danelaw.filters.stream import ServerAddress, Stream
from danelaw.milter import AddHeader, AddRecipient, ChangeHeader, ChangeSender, DeleteRecipient, InsertHeader

_LARGEST_ANSWER = 1 << 20
_MOST_EDITS = 100
_MOST_NAMES = 200
_DEEPEST = 40
_VERDICTS = {
    "no action": Verdict.CLEAN,
    "greylist": Verdict.GREYLIST,
    "add header": Verdict.TAG,
    "rewrite subject": Verdict.TAG,
    "soft reject": Verdict.DEFER,
    "reject": Verdict.FOUND,
    "discard": Verdict.DISCARD,
    "quarantine": Verdict.HOLD,
}


class Rspamd(Engine):
    """rspamd's normal worker (port 11333), or its proxy worker in scan mode."""

    kind = "rspamd"

    async def examine(self, server: ServerAddress, specimen: Specimen) -> FilterResult:
        """Show it the message with everything it is told by mail servers."""
        async with await Stream.open(server) as stream:
            answer = await exchange(stream, _request(server, specimen), lambda: _reply(stream))
        return result_of(reply_body(answer))

    async def ping(self, server: ServerAddress) -> str:
        """GET /ping."""
        async with await Stream.open(server) as stream:
            await stream.send(
                b"GET /ping HTTP/1.1\r\n" + field_line("Host", str(server)) + b"Connection: close\r\n\r\n"
            )
            body = reply_body(await _reply(stream))
        if body.strip() != b"pong":
            raise FilterError(f"it answers /ping with {plain(body.decode('utf-8', 'replace'), 60)!r}")
        return "pong"


async def _reply(stream: Stream) -> bytes:
    octets = b""
    while not is_whole(octets):
        data = await stream.read()
        if not data:
            break
        octets += data
        if len(octets) > _LARGEST_ANSWER + LARGEST_HEAD:
            raise FilterError(f"its answer is longer than {_LARGEST_ANSWER} octets")
    return octets


async def _request(server: ServerAddress, specimen: Specimen) -> AsyncIterator[bytes]:
    fields = [
        ("Host", "rspamd" if server.path else str(server)),
        ("Connection", "close"),
        ("Content-Length", str(specimen.content.size)),
        ("Pass", "all"),
        ("Queue-Id", specimen.ident),
        ("MTA-Name", specimen.hostname),
        ("Ip", specimen.client_address),
        ("Helo", specimen.helo),
        ("From", specimen.sender),
        *(("Rcpt", recipient) for recipient in specimen.recipients),
    ]
    if specimen.recipients:
        fields.append(("Deliver-To", specimen.recipients[0]))
    if specimen.client_name:
        fields.append(("Hostname", specimen.client_name))
    if specimen.user:
        fields.append(("User", specimen.user))
    if specimen.tls is not None:
        fields += [("TLS-Version", specimen.tls[0]), ("TLS-Cipher", specimen.tls[1])]
    head = b"POST /checkv2 HTTP/1.1\r\n" + b"".join(field_line(name, value) for name, value in fields) + b"\r\n"
    yield head
    async for piece in pieces(specimen.content):
        yield piece


def result_of(body: bytes) -> FilterResult:
    """The result in rspamd's JSON. Raises `FilterError` for what does not have its form."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise FilterError("its answer is no JSON") from None
    if not isinstance(answer, dict):
        raise FilterError("its answer is no object")
    if isinstance(answer.get("error"), str):
        raise FilterError(f"it says: {plain(answer['error'], 100)}")
    action = answer.get("action")
    if not isinstance(action, str):
        raise FilterError("its answer has no action")
    # `is_skipped` says nothing: the test pattern is skipped and rejected at once.
    verdict = _VERDICTS.get(action)
    if verdict is None:
        raise FilterError(f"its action {plain(action, 40)!r} is none that is known here")
    score, required = _number(answer.get("score")), _number(answer.get("required_score"))
    reason = action if score is None else f"{action}, {score:g}" + ("" if required is None else f" of {required:g}")
    return FilterResult(
        "", verdict, reason, score, required, _names(answer.get("symbols")), _edits(answer, action), _own_words(answer)
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value) + 0.0
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _names(symbols: Any) -> tuple[str, ...]:
    if not isinstance(symbols, dict):
        return ()
    weights = []
    for name, facts in symbols.items():
        score = _number(facts.get("score")) if isinstance(facts, dict) else None
        weights.append((-abs(score or 0.0), plain(name, 100)))
    return tuple(name for _, name in sorted(weights)[:_MOST_NAMES])


def _own_words(answer: dict[str, Any]) -> tuple[int, str | None, tuple[str, ...]] | None:
    messages = answer.get("messages")
    text = messages.get("smtp_message") if isinstance(messages, dict) else None
    if not isinstance(text, str) or not text.strip():
        return None
    temporary = answer["action"] in ("soft reject", "greylist")
    return (451, "4.7.1", (plain(text, 300),)) if temporary else (554, "5.7.1", (plain(text, 300),))


def _edits(answer: dict[str, Any], action: str) -> tuple[FilterEdit, ...]:
    edits: list[FilterEdit] = []
    milter = answer.get("milter")
    if isinstance(milter, dict):
        removed, added = milter.get("remove_headers"), milter.get("add_headers")
        for name, order in removed.items() if isinstance(removed, dict) else ():
            edits += [RemoveField(octets, _whole(number)) for number in _listed(order) if (octets := _field_name(name))]
        for name, value in added.items() if isinstance(added, dict) else ():
            edits += _added(name, value)
        edits += _envelope(milter)
    signature = answer.get("dkim-signature")
    for text in _listed(signature):
        if isinstance(text, str) and text.strip():
            edits.append(InsertHeader(0, b"DKIM-Signature", text.encode("utf-8", "replace")))
    subject = answer.get("subject")
    if action == "rewrite subject" and isinstance(subject, str):
        edits.append(ChangeHeader(1, b"Subject", subject.encode("utf-8", "replace")))
    if len(edits) > _MOST_EDITS:
        raise FilterError(f"it wants more than {_MOST_EDITS} changes")
    return tuple(edits)


def _added(name: Any, value: Any) -> list[FilterEdit]:
    """`"X-Spam": "yes"`, or with a place `{"value": "yes", "order": 1}`, or a list of either."""
    octets = _field_name(name)
    edits: list[FilterEdit] = []
    for one in _listed(value) if octets else ():
        text, order = (one.get("value"), one.get("order")) if isinstance(one, dict) else (one, None)
        if not isinstance(text, str):
            continue
        content = text.encode("utf-8", "replace")
        number = _whole(order) if order is not None else -1
        edits.append(InsertHeader(max(number - 1, 0), octets, content) if number >= 0 else AddHeader(octets, content))
    return edits


def _envelope(milter: dict[str, Any]) -> list[FilterEdit]:
    edits: list[FilterEdit] = []
    if isinstance(milter.get("change_from"), str):
        edits.append(ChangeSender(milter["change_from"]))
    edits += [AddRecipient(one) for one in _listed(milter.get("add_rcpt")) if isinstance(one, str)]
    edits += [DeleteRecipient(one) for one in _listed(milter.get("del_rcpt")) if isinstance(one, str)]
    return edits


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value[: _MOST_EDITS + 1] if isinstance(value, list) else [value]


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and abs(value) < 1 << 31 else 0


def _field_name(name: Any) -> bytes:
    octets = name.encode("utf-8", "replace") if isinstance(name, str) else b""
    return octets if 0 < len(octets) <= 500 and all(33 <= c <= 126 and c != 58 for c in octets) else b""
