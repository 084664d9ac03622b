"""The replies a server gives on its own, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from danelaw.smtp.commands import Verb
from danelaw.smtp.reply import Reply

SENDER_OK = Reply.of(250, "2.1.0", "Sender ok")
RECIPIENT_OK = Reply.of(250, "2.1.5", "Recipient ok")
START_INPUT = Reply.of(354, None, "Send the message, end with CRLF.CRLF")
CHUNK_OK = Reply.of(250, "2.0.0", "Chunk ok")
MESSAGE_OK = Reply.of(250, "2.0.0", "Ok")
RESET_OK = Reply.of(250, "2.0.0", "Reset")
NOOP_OK = Reply.of(250, "2.0.0", "Ok")
GOODBYE = Reply.of(221, "2.0.0", "Goodbye")
READY_FOR_TLS = Reply.of(220, "2.0.0", "Ready to start TLS")
HELP = Reply.of(214, "2.0.0", "See RFC 5321; this server relays mail")
# RFC 5321 §3.5.3 and §7.3: without saying whether the mailbox exists.
VRFY = Reply.of(252, "2.5.0", "Cannot VRFY user, but will accept message and attempt delivery")
EXPN = Reply.of(502, "5.5.1", "EXPN is not provided")

UNKNOWN_COMMAND = Reply.of(500, "5.5.1", "Command not recognized")
NOT_PROVIDED = Reply.of(502, "5.5.1", "Command not implemented")
LINE_TOO_LONG = Reply.of(500, "5.5.2", "Line too long")
BARE_NEWLINE = Reply.of(500, "5.5.2", "Command contains a bare CR or LF: lines end with CR LF")
CONTROL_CHARACTER = Reply.of(501, "5.5.2", "Command contains a control character")
NOT_UTF8 = Reply.of(501, "5.5.2", "Command contains octets that are not UTF-8")
NON_ASCII = Reply.of(501, "5.5.2", "Command contains non-ASCII characters")
HELLO_SYNTAX = Reply.of(501, "5.5.4", "Say EHLO or HELO with your host name")
NO_ARGUMENT = Reply.of(501, "5.5.4", "No argument is allowed here")
MAIL_SYNTAX = Reply.of(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
RCPT_SYNTAX = Reply.of(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
VRFY_SYNTAX = Reply.of(501, "5.5.4", "Say whose address to verify")
BDAT_SYNTAX = Reply.of(501, "5.5.4", "Syntax: BDAT size [LAST]; closing, since chunk and commands cannot be told apart")
BDAT_NOT_OFFERED = Reply.of(502, "5.5.1", "BDAT is not offered here; closing, since a chunk may follow")
SENDER_SYNTAX = Reply.of(501, "5.1.7", "Bad sender address syntax")
RECIPIENT_SYNTAX = Reply.of(501, "5.1.3", "Bad recipient address syntax")
SENDER_NEEDS_SMTPUTF8 = Reply.of(553, "5.6.7", "Non-ASCII sender address without SMTPUTF8")
RECIPIENT_NEEDS_SMTPUTF8 = Reply.of(553, "5.6.7", "Non-ASCII recipient address without SMTPUTF8")

NO_SERVICE = Reply.of(503, "5.5.1", "No SMTP service here")
HELLO_FIRST = Reply.of(503, "5.5.1", "Say EHLO first")
NESTED_MAIL = Reply.of(503, "5.5.1", "A transaction is already open")
MAIL_FIRST = Reply.of(503, "5.5.1", "Say MAIL first")
RCPT_FIRST = Reply.of(503, "5.5.1", "Say RCPT first")
NO_RECIPIENTS = Reply.of(554, "5.5.1", "No valid recipients")
CHUNKS_STARTED = Reply.of(503, "5.5.1", "BDAT is under way: only BDAT, RSET or QUIT can follow")
RESET_FIRST = Reply.of(503, "5.5.1", "The transaction failed: say RSET first")
TLS_ACTIVE = Reply.of(503, "5.5.1", "TLS is already active")
TLS_FIRST = Reply.of(530, "5.7.0", "Must issue a STARTTLS command first")
TLS_INJECTION = Reply.of(554, "5.5.1", "Nothing may follow STARTTLS before the handshake; closing")

AUTHENTICATED = Reply.of(235, "2.7.0", "Authentication succeeded")
AUTH_SYNTAX = Reply.of(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
AUTH_BASE64 = Reply.of(501, "5.5.2", "The response is not base64; authentication ended")
AUTH_LINE_TOO_LONG = Reply.of(500, "5.5.6", "The response is too long; authentication ended")
AUTH_CANCELLED = Reply.of(501, "5.7.0", "Authentication cancelled")
AUTH_MECHANISM = Reply.of(504, "5.5.4", "That mechanism is not offered")
AUTH_NEEDS_TLS = Reply.of(538, "5.7.11", "Encryption is required for authentication: say STARTTLS first")
AUTH_DONE = Reply.of(503, "5.5.1", "You are authenticated already")
AUTH_FIRST = Reply.of(530, "5.7.0", "Authentication required")
TOO_MANY_FAILURES = Reply.of(421, "4.7.0", "Too many failed authentications; closing")

TOO_MANY_RECIPIENTS = Reply.of(452, "4.5.3", "Too many recipients")
TOO_BIG = Reply.of(552, "5.3.4", "Message size exceeds the limit")
MESSAGE_BARE_NEWLINE = Reply.of(554, "5.6.0", "Message contains a bare CR or LF: lines end with CR LF (RFC 5321 2.3.8)")
MESSAGE_LONG_LINE = Reply.of(554, "5.6.0", "Message contains a line that is too long")
MESSAGE_NUL = Reply.of(554, "5.6.0", "Message contains a NUL octet")
MESSAGE_8BIT = Reply.of(554, "5.6.3", "Message contains 8-bit data without BODY=8BITMIME")

TOO_MANY_ERRORS = Reply.of(421, "4.7.0", "Too many errors; closing")
TOO_MANY_COMMANDS = Reply.of(421, "4.7.0", "Too many commands; closing")
TOO_MANY_MESSAGES = Reply.of(421, "4.7.0", "Too many messages on one connection; closing, please connect again")
ENDLESS_LINE = Reply.of(421, "4.7.0", "A line without end; closing")
NOT_HTTP = Reply.of(421, "4.7.0", "This is a mail server; closing")
NOT_TLS = Reply.of(421, "4.7.0", "TLS starts with STARTTLS here; closing")

OUT_OF_SEQUENCE: Mapping[Verb, Reply] = MappingProxyType(
    {Verb.MAIL: NESTED_MAIL, Verb.RCPT: MAIL_FIRST, Verb.DATA: MAIL_FIRST, Verb.BDAT: MAIL_FIRST}
)
"""What a verb gets that comes before its time, apart from the cases `state.refusal` knows better."""
