"""The conversation of LMTP (RFC 2033), without I/O: SMTP's, but each recipient has a reply of its own to the message.

A generator yields octets to send and is sent the reply that comes next; `BODY` stands for the message. It returns what
the server said about each recipient. Nothing is sent before the reply to what went before, which costs nothing on a
socket of the same machine.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from danelaw.carriers.parcel import Addressee, CarrierDown, Given, Result
from danelaw.smtp import Reply

BODY: Final = b"\0body"
"""Not sent as it is: the driver sends the message, with dots stuffed and its end mark."""
Talk: TypeAlias = Generator[bytes, Reply, None]
_NEEDS_UTF8 = Reply.of(553, "5.6.7", "The server takes no internationalised address")


@dataclass(slots=True)
class Heard:
    """What was said about recipients so far, by number. `sent`: the whole message is with the server."""

    replies: dict[int, Reply]
    sent: bool = False


def conversation(hostname: str, reverse_path: str, addressees: Sequence[Addressee], size: int, heard: Heard) -> Talk:
    """One message from greeting to QUIT; `heard` is filled on the way. Raises `CarrierDown`."""
    greeting = yield b""
    if greeting.code != 220:
        raise CarrierDown(f"the server takes no mail now: {greeting}")
    hello = yield f"LHLO {hostname}\r\n".encode()
    if not 200 <= hello.code < 300:
        raise CarrierDown(f"the server refuses LHLO: {hello}")
    offered = {line.split(" ")[0].upper() for line in hello.lines[1:]}
    everybody = "".join(one.address for one in addressees)
    utf8 = "SMTPUTF8" in offered and not (reverse_path + everybody).isascii()
    parameters = "".join(
        text
        for text, use in (
            (f" SIZE={size}", "SIZE" in offered),
            (" BODY=8BITMIME", "8BITMIME" in offered),
            (" SMTPUTF8", utf8),
        )
        if use
    )
    answer = yield f"MAIL FROM:<{reverse_path}>{parameters}\r\n".encode()
    if not 200 <= answer.code < 300:
        heard.replies.update(dict.fromkeys([one.number for one in addressees], answer))
        yield b"QUIT\r\n"
        return
    taken: list[Addressee] = []
    for one in addressees:
        if not utf8 and not one.address.isascii():
            heard.replies[one.number] = _NEEDS_UTF8
            continue
        answer = yield f"RCPT TO:<{one.address}>\r\n".encode()
        if 200 <= answer.code < 300:
            taken.append(one)
        else:
            heard.replies[one.number] = answer
    if taken:
        answer = yield b"DATA\r\n"
        if answer.code == 354:
            heard.sent = True
            yield from _verdicts(taken, heard)
        else:
            heard.replies.update(dict.fromkeys([one.number for one in taken], answer))
    yield b"QUIT\r\n"


def _verdicts(taken: Sequence[Addressee], heard: Heard) -> Talk:
    """The message, and a reply for every recipient that was taken, in their order (RFC 2033 §4.2)."""
    octets = BODY
    for one in taken:
        heard.replies[one.number] = yield octets
        octets = b""


def ends_of(addressees: Sequence[Addressee], heard: Heard, lost: str) -> Mapping[int, Given]:
    """What became of everybody; `lost` says why the conversation broke off, empty when it did not."""
    return {one.number: _end(heard.replies.get(one.number), heard, lost) for one in addressees}


def _end(reply: Reply | None, heard: Heard, lost: str) -> Given:
    if reply is None:
        twice = "; the whole message was sent before, so it may arrive twice" if heard.sent else ""
        return Given(Result.LATER, "4.4.2", "", f"the server broke off ({lost or 'without a reply'}){twice}")
    said, enhanced = str(reply), reply.enhanced
    if 200 <= reply.code < 300:
        return Given(Result.DELIVERED, "2.0.0", said, "the server took it")
    result = Result.REFUSED if reply.code >= 500 else Result.LATER
    digit = "5" if result is Result.REFUSED else "4"
    status = enhanced.to_text() if enhanced is not None else f"{digit}.0.0"
    words = "refused it" if result is Result.REFUSED else "asks to try again later"
    return Given(result, status, said, f"the server {words}: {said}")
