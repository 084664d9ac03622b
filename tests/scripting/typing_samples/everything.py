"""Every step and what is most used of it, without a mistake: mypy --strict finds none, and an editor has all names."""

import asyncio
from typing import assert_type

from danelaw.policy import (
    Accept,
    Address,
    Amend,
    AttemptContext,
    AuthContext,
    Carry,
    CommandContext,
    ConnectContext,
    Copy,
    Defer,
    DeliveryContext,
    Discard,
    Disconnect,
    DisconnectContext,
    DNSAnswer,
    Handling,
    HeloContext,
    Hold,
    HTTPPost,
    LibraryError,
    MailContext,
    MessageContext,
    Queue,
    RecipientContext,
    Redirect,
    Reject,
    ReportContext,
    Route,
    TimerContext,
    hook,
)


@hook.connect
async def connect(ctx: ConnectContext) -> Reject | Defer | None:
    try:
        listed = await ctx.library.dns.listed(ctx.client.address, "dnsbl.example")
    except LibraryError:
        return Defer("try again later")
    assert_type(listed, tuple[str, ...])
    return Reject("listed", 554, "5.7.1") if listed else None


@hook.proxy
def proxy(ctx: CommandContext) -> Disconnect | None:
    return Disconnect() if ctx.line.startswith("GET ") else None


@hook.helo(order=3, seconds=1.0)
def helo(ctx: HeloContext) -> Reject | None:
    return Reject("your own name, please") if ctx.client.helo == "localhost" else None


@hook.auth
def auth(ctx: AuthContext) -> Accept | Reject:
    return Accept() if ctx.user else Reject("no", 535, "5.7.8")


@hook.mail_from
def mail_from(ctx: MailContext) -> None:
    assert_type(ctx.reverse_path, Address)
    ctx.notes["domain"] = ctx.reverse_path.domain


@hook.rcpt_to
def rcpt_to(ctx: RecipientContext) -> Redirect | Accept | None:
    if ctx.recipient.within("example.org"):
        return Redirect(("b@example.org",))
    return Accept(relay=True) if ctx.client.within("192.0.2.0/24") else None


@hook.end_of_data(on_failure="ignore")
async def end_of_data(ctx: MessageContext) -> Hold | Queue | Discard | None:
    one, other = await asyncio.gather(
        ctx.library.dns.lookup("example.org", "MX"), ctx.library.dns.lookup("example.org", "TXT")
    )
    assert_type(one, DNSAnswer)
    if ctx.origin is not None and not ctx.origin.is_proven and one.is_secure and other.exists:
        return Hold("not proven", seconds=3600)
    copy = ctx.mail.copy()
    copy.set("Subject", f"[copy] {ctx.mail.subject}")
    ctx.handling = Handling(demand="verified", priority=1)
    ctx.tags.add("journaled")
    ctx.recipients.append(Address("c@example.org"))
    return Queue((Copy(tuple(ctx.recipients)), Copy(("journal@example.org",), mail=copy)))


@hook.disconnect
def disconnect(ctx: DisconnectContext) -> None:
    ctx.library.log.event("gone", messages=ctx.messages)
    ctx.library.measures.count("clients")


@hook.pre_delivery
async def pre_delivery(ctx: DeliveryContext) -> Route | Carry | None:
    if ctx.recipients[0].tries > 3:
        return Route(next_hop="backup.example", demand="encrypted")
    return Carry(HTTPPost("https://api.example/mail")) if ctx.job == "api" else None


@hook.post_delivery
def post_delivery(ctx: AttemptContext) -> Amend | None:
    return Amend(retry_in=60.0) if any(one.outcome == "waiting" for one in ctx.results) else None


@hook.report
def report(ctx: ReportContext) -> Discard | None:
    return Discard("not ours") if ctx.kind == "arf" else None


@hook.timer(every=300)
async def timer(ctx: TimerContext) -> None:
    assert_type(await ctx.library.dns.addresses("example.org"), tuple[str, ...])
