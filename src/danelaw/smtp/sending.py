"""What a client sends for an envelope: MAIL with its parameters, RCPT with its own (RFC 5321 §4.1.1.2, §4.1.1.3)."""

from __future__ import annotations

from danelaw.smtp import xtext
from danelaw.smtp.clearance import Clearance
from danelaw.smtp.envelope import Envelope, Recipient
from danelaw.smtp.errors import ClearanceRefused, LocalProtocolError
from danelaw.smtp.extensions import Extensions


def check_clearance(clearance: object, envelope: Envelope, connection_id: int, *, tls: bool) -> Clearance:
    """Refuse with `ClearanceRefused` what is no clearance, or is one for another connection or a weaker demand."""
    if type(clearance) is not Clearance:
        raise ClearanceRefused("an envelope may be sent only with a clearance for the connection")
    if clearance.connection_id != connection_id:
        raise ClearanceRefused("the clearance was granted for another connection")
    if clearance.tls and not tls:
        raise ClearanceRefused("the clearance was granted for a connection inside TLS and this one is in the clear")
    # RFC 8689 §5: with an empty reverse-path REQUIRETLS must not cause the notice to be dropped.
    cleared = clearance.requiretls or clearance.without_extension
    if envelope.requiretls and not envelope.reverse_path.is_null and not cleared:
        raise ClearanceRefused("the sender requires TLS (REQUIRETLS) and the connection was not cleared for it")
    return clearance


def mail_line(envelope: Envelope, offered: Extensions, *, size: int | None, eight_bit: bool, requiretls: bool) -> str:
    """The MAIL command without CRLF. `requiretls` tells whether REQUIRETLS may go on the wire."""
    line = f"MAIL FROM:{envelope.reverse_path.to_text()}"
    if size is not None and offered.size_offered:
        line += f" SIZE={size}"
    if eight_bit and offered.eight_bit_mime:
        line += " BODY=8BITMIME"
    if envelope.smtputf8:
        line += " SMTPUTF8"
    if offered.dsn:
        if envelope.ret is not None:
            line += f" RET={envelope.ret.value}"
        if envelope.envid is not None:
            line += f" ENVID={xtext.encode(envelope.envid)}"
    if requiretls:
        line += " REQUIRETLS"
    return line


def rcpt_line(recipient: Recipient, offered: Extensions) -> str:
    """The RCPT command without CRLF."""
    line = f"RCPT TO:{recipient.forward_path.to_text()}"
    if offered.dsn:
        if recipient.notify is not None:
            line += f" NOTIFY={recipient.notify.to_text()}"
        if recipient.orcpt is not None:
            line += f" ORCPT={recipient.orcpt.to_text()}"
    return line


def wire(lines: list[str], *, smtputf8: bool) -> list[bytes]:
    """The lines as octets, each with CRLF. Raises `LocalProtocolError` when one would be read as something else."""
    encoded = [f"{line}\r\n".encode() for line in lines]
    for text, line in zip(lines, encoded, strict=True):
        if text.isascii() and text.isprintable():
            continue
        if line.count(b"\n") != 1 or line.count(b"\r") != 1 or b"\0" in line:
            raise LocalProtocolError(f"a command would contain a line end or NUL: {line[:80]!r}")
        if not smtputf8 and not line.isascii():
            raise LocalProtocolError(f"an address is not ASCII and the envelope does not say SMTPUTF8: {line[:80]!r}")
    return encoded
