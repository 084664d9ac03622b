"""`danelaw send`: hand one message to a server, for trying."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import output, output_options
from danelaw.cli.output import Symbol
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    import smtplib

_SECONDS = 30.0
_MOST_BODY = 100 << 20


@click.command()
@click.option("--from", "sender", required=True, metavar="ADDRESS", help='Envelope sender; "" for the empty one.')
@click.option("--to", "recipients", required=True, multiple=True, metavar="ADDRESS", help="Recipient; may be repeated.")
@click.option("--server", default="127.0.0.1:25", show_default=True, metavar="HOST:PORT", help="Where to hand it in.")
@click.option("--subject", default="danelaw send", show_default=True, help="Subject of the message.")
@click.option(
    "--body",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    metavar="FILE",
    help="Text of the message, or a whole message when it begins with header fields; - reads standard input.",
)
@click.option("--helo", default="localhost", show_default=True, metavar="NAME", help="Name to say in EHLO.")
@click.option("--starttls", is_flag=True, help="Insist on STARTTLS; the certificate is not checked.")
@click.option(
    "--demand",
    type=click.Choice(["encrypted", "verified", "dane", "requiretls", "requiretls+dane"]),
    help="Ask the gateway for this protection on the way to all recipients (field Danelaw-Require).",
)
@click.option("--user", metavar="NAME", help="Log in by AUTH PLAIN; the password is asked for.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read the password from the first line of FILE instead.",
)
@output_options
def command(
    sender: str,
    recipients: tuple[str, ...],
    server: str,
    subject: str,
    body: Path | None,
    helo: str,
    starttls: bool,
    demand: str | None,
    user: str | None,
    password_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Hand a message to a server, for trying; says what the server answered.

    Exit status 0 when every recipient was accepted, 1 when not.
    """
    message, message_id = compose(sender, recipients, subject, _read(body))
    if demand is not None:
        message = f"Danelaw-Require: {demand}\r\n".encode() + message
    response = None if user is None else _login(user, password_file)
    reply, refused, protection = _submit(server, helo, starttls, sender, recipients, message, response)
    out = output(ascii_only)
    if as_json:
        result = {"server": server, "message_id": message_id, "reply": reply, "refused": refused, "tls": protection}
        out.json(result)
    else:
        symbol = Symbol.VERIFIED if not refused else Symbol.STOPPED
        taken = len(recipients) - len(refused)
        out.headline(symbol, f"{server} took it for {taken} of {len(recipients)}: {reply}")
        for address, words in refused.items():
            out.paragraph(f"{address}: {words}")
        out.next(f"danelaw explain '{message_id}'")
    if refused:
        sys.exit(1)


def _read(body: Path | None) -> bytes:
    if body is None:
        return b"A message to try the way.\n"
    try:
        stream = sys.stdin.buffer if str(body) == "-" else body.open("rb")
        with stream:
            data = stream.read(_MOST_BODY + 1)
    except OSError as error:
        raise DanelawError(f"{body} cannot be read: {error.strerror}", advice="name another file with --body") from None
    if len(data) > _MOST_BODY:
        raise DanelawError(f"{body} is larger than 100 MiB", advice="send something smaller")
    return data


def compose(sender: str, recipients: tuple[str, ...], subject: str, text: bytes) -> tuple[bytes, str]:
    """A whole message with CRLF line ends, and its Message-ID; text that already has a header is kept."""
    import email.utils
    import re

    canonical = re.sub(rb"\r\n|\r|\n", b"\r\n", text)
    if re.match(rb"[!-9;-~]+[ \t]*:", canonical):
        header = canonical.partition(b"\r\n\r\n")[0]
        found = re.search(rb"^Message-ID:\s*(<[^<>\s]+>)", header, re.IGNORECASE | re.MULTILINE)
        if found:
            return canonical, found[1].decode("ascii", "backslashreplace")
        message_id = email.utils.make_msgid("danelaw-send", "localhost")
        return f"Message-ID: {message_id}\r\n".encode() + canonical, message_id
    message_id = email.utils.make_msgid("danelaw-send", "localhost")
    fields = {
        "Date": email.utils.formatdate(localtime=True),
        "From": sender or "MAILER-DAEMON@localhost",
        "To": ", ".join(recipients),
        "Subject": subject,
        "Message-ID": message_id,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "7bit" if canonical.isascii() else "8bit",
    }
    if any("\r" in value or "\n" in value for value in fields.values()):
        raise DanelawError("an address or the subject has a line break", advice="write it on one line")
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return head.encode() + b"\r\n" + canonical, message_id


def _endpoint(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if not colon or "]" in port:
        return server.strip("[]"), 25
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise DanelawError(f"{server!r} is no server", advice="write --server HOST:PORT")
    return host.strip("[]"), int(port)


def _login(user: str, password_file: Path | None) -> bytes:
    """The response of PLAIN."""
    from danelaw.sasl import plain_response

    if password_file is None:
        return plain_response(user, str(click.prompt("Password", hide_input=True, err=True)))
    try:
        with password_file.open(encoding="utf-8") as file:
            return plain_response(user, file.readline(4096).rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise DanelawError(f"{password_file} cannot be read: {reason}", advice="leave out --password-file") from None


def _submit(
    server: str,
    helo: str,
    starttls: bool,
    sender: str,
    recipients: tuple[str, ...],
    message: bytes,
    response: bytes | None,
) -> tuple[str, dict[str, str], str | None]:
    """The server's last reply, what it said about refused recipients, and the TLS version in use."""
    import smtplib

    host, port = _endpoint(server)
    try:
        client = smtplib.SMTP(host, port, local_hostname=helo, timeout=_SECONDS)
        try:
            client.ehlo()
            protection = _secure(client, server) if starttls else None
            if response is not None:
                _authenticate(client, server, response)
            return (*_transact(client, sender, recipients, message), protection)
        finally:
            # How the server takes leave changes nothing about what it said before.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                client.quit()
            client.close()
    except smtplib.SMTPResponseException as error:
        advice = "log in: --user NAME" if error.smtp_code == 530 and response is None else None
        raise DanelawError(f"{server} refused: {_words(error.smtp_code, error.smtp_error)}", advice=advice) from None
    except (OSError, smtplib.SMTPException) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DanelawError(f"{server}: {reason}", advice="does the server run?  danelaw serve") from None


def _secure(client: smtplib.SMTP, server: str) -> str:
    import ssl

    if not client.has_extn("starttls"):
        raise DanelawError(f"{server} does not offer STARTTLS", advice="leave out --starttls, or set a [[certificate]]")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client.starttls(context=context)
    client.ehlo()
    version = client.sock.version() if isinstance(client.sock, ssl.SSLSocket) else None
    return version or "TLS"


def _authenticate(client: smtplib.SMTP, server: str, response: bytes) -> None:
    import base64
    import smtplib

    if "PLAIN" not in client.esmtp_features.get("auth", "").split():
        raise DanelawError(f"{server} does not offer AUTH PLAIN here", advice="inside TLS it may: --starttls")
    code, text = client.docmd("AUTH", f"PLAIN {base64.b64encode(response).decode('ascii')}")
    if code != 235:
        raise smtplib.SMTPResponseException(code, text)


def _transact(
    client: smtplib.SMTP, sender: str, recipients: tuple[str, ...], message: bytes
) -> tuple[str, dict[str, str]]:
    import smtplib

    international = not all(text.isascii() for text in (sender, *recipients))
    options = [f"SIZE={len(message)}"] if client.has_extn("size") else []
    if client.has_extn("8bitmime") and not message.isascii():
        options.append("BODY=8BITMIME")
    if international:
        if not client.has_extn("smtputf8"):
            raise DanelawError("the server does not take addresses outside ASCII (SMTPUTF8)", advice=None)
        options.append("SMTPUTF8")
        client.command_encoding = "utf-8"
    code, text = client.mail(sender, options)
    if code != 250:
        raise smtplib.SMTPResponseException(code, text)
    refused = {}
    for recipient in recipients:
        code, text = client.rcpt(recipient)
        if code not in (250, 251):
            refused[recipient] = _words(code, text)
    if len(refused) == len(recipients):
        return next(iter(refused.values())), refused
    code, text = client.data(message)
    if code != 250:
        raise smtplib.SMTPResponseException(code, text)
    return _words(code, text), refused


def _words(code: int, text: bytes | str) -> str:
    shown = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    return f"{code} {shown}".replace("\n", " ")
