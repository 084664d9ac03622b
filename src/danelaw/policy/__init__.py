"""Policy: what an operator's Python says at each step of a mail's life. Scripts import everything they need from here.

    # policy/inbound.py
    from danelaw.policy import Hold, MessageContext, RecipientContext, Reject, hook

    @hook.rcpt_to
    def closed(ctx: RecipientContext) -> Reject | None:
        if ctx.recipient == "old@example.org":
            return Reject("this mailbox is closed; write to info@example.org")
        return None

    @hook.end_of_data
    async def banner(ctx: MessageContext) -> Hold | None:
        if any(part.filename and part.filename.endswith(".iso") for part in ctx.mail.attachments):
            return Hold("a disk image")
        if not ctx.client.trusted:
            ctx.mail.set("Subject", f"[external] {ctx.mail.subject}")
        return None

`hook` has a decorator for every step (`POINTS`); a hook is given one context, changes what may be changed on it, and
gives a verdict, or None to go on. Verdicts are values; nothing happens until whoever asked carries them out. A hook
that raises or takes too long defers, never accepts. No hook can weaken REQUIRETLS, and none can make a `Clearance`:
mail is judged as without a policy.

`ctx.library` does what takes time: DNS with its DNSSEC status, HTTP, shared counters, LDAP, SQL and more. `ctx.notes`
is the script's own memory of a message, from the first hook to the last.

Public names: `hook`, `POINTS`, `HookPoint`, `FailurePolicy`, `Hook`, `Declarations`, `DeclarationError`; the contexts
`ConnectContext CommandContext HeloContext AuthContext MailContext RecipientContext MessageContext DisconnectContext
DeliveryContext AttemptContext ReportContext TimerContext`; the verdicts `Accept Reject Defer Disconnect Discard Hold
Redirect Queue Copy Route Carry Amend`; the carriers `Maildir Pipe HTTPPost`; `Handling`, `Notes`, `Mail`, `Address`,
`Client`, `Finding`, `Origin`, `VerdictError`, `HandlingError`, `NoteError`; `cached`, `Library`, `LibraryError` and
what its calls give: `DNSAnswer HTTPResponse RecipientAnswer TLSProbe CertificateFacts FileFacts Member`.
"""

from danelaw.policy.answers import (
    CertificateFacts,
    DNSAnswer,
    FileFacts,
    HTTPResponse,
    LibraryError,
    Member,
    RecipientAnswer,
    TLSProbe,
)
from danelaw.policy.cached import cached
from danelaw.policy.carriers import Carrier, HTTPPost, Maildir, Pipe
from danelaw.policy.contexts import (
    AttemptContext,
    AuthContext,
    CommandContext,
    ConnectContext,
    Context,
    DeliveryContext,
    DisconnectContext,
    HeloContext,
    HostTried,
    MailContext,
    MessageContext,
    RecipientContext,
    ReportContext,
    Result,
    TimerContext,
    Waiting,
)
from danelaw.policy.declare import DeclarationError, Declarations, Hook, hook
from danelaw.policy.facts import TLS, Address, Client, Finding, Origin, Signature
from danelaw.policy.handling import Handling, HandlingError
from danelaw.policy.library import Library
from danelaw.policy.mail import Mail
from danelaw.policy.notes import JSON, NoteError, Notes
from danelaw.policy.points import POINTS, FailurePolicy, HookPoint
from danelaw.policy.verdicts import (
    Accept,
    Amend,
    Carry,
    Copy,
    Defer,
    Discard,
    Disconnect,
    Hold,
    Queue,
    Redirect,
    Reject,
    Route,
    Verdict,
    VerdictError,
)

__all__ = [
    "JSON",
    "POINTS",
    "TLS",
    "Accept",
    "Address",
    "Amend",
    "AttemptContext",
    "AuthContext",
    "Carrier",
    "Carry",
    "CertificateFacts",
    "Client",
    "CommandContext",
    "ConnectContext",
    "Context",
    "Copy",
    "DNSAnswer",
    "DeclarationError",
    "Declarations",
    "Defer",
    "DeliveryContext",
    "Discard",
    "Disconnect",
    "DisconnectContext",
    "FailurePolicy",
    "FileFacts",
    "Finding",
    "HTTPPost",
    "HTTPResponse",
    "Handling",
    "HandlingError",
    "HeloContext",
    "Hold",
    "Hook",
    "HookPoint",
    "HostTried",
    "Library",
    "LibraryError",
    "Mail",
    "MailContext",
    "Maildir",
    "Member",
    "MessageContext",
    "NoteError",
    "Notes",
    "Origin",
    "Pipe",
    "Queue",
    "RecipientAnswer",
    "RecipientContext",
    "Redirect",
    "Reject",
    "ReportContext",
    "Result",
    "Route",
    "Signature",
    "TLSProbe",
    "TimerContext",
    "Verdict",
    "VerdictError",
    "Waiting",
    "cached",
    "hook",
]
