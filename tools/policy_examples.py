"""One short example for each hook, for docs/policy.md; a test loads and checks them all."""

from __future__ import annotations

EXAMPLES: dict[str, str] = {
    "connect": """
@hook.connect
async def listed(ctx: ConnectContext) -> Reject | None:
    if await ctx.library.dns.listed(ctx.client.address, "zen.dnsbl.example"):
        return Reject("your address is on a list", 554, "5.7.1")
    return None
""",
    "proxy": """
@hook.proxy
def no_probing(ctx: CommandContext) -> Reject | None:
    return Reject("we do not say who is here", 502, "5.5.1") if ctx.line[:4].upper() == "VRFY" else None
""",
    "helo": """
@hook.helo
def names_us(ctx: HeloContext) -> Disconnect | None:
    return Disconnect("that is our name") if ctx.client.helo.lower() == "mx.example.org" else None
""",
    "auth": """
@hook.auth
async def by_directory(ctx: AuthContext) -> Accept | Reject | None:
    found = await ctx.library.ldap.search("people", "(&(uid={user})(!(locked=TRUE)))", {"user": ctx.user})
    return None if found else Reject("this account is locked", 535, "5.7.8")
""",
    "mail_from": """
@hook.mail_from
async def not_too_many(ctx: MailContext) -> Defer | None:
    sent = ctx.library.state.rate("per-client", limit=500, span=3600, mode="leased")
    return None if await sent.take(ctx.client.address) else Defer("too much mail in an hour", 450, "4.7.1")
""",
    "rcpt_to": """
@hook.rcpt_to
async def known(ctx: RecipientContext) -> Accept | Reject | Redirect | None:
    if ctx.recipient == "info@example.org":
        return Redirect(("anna@example.org", "bert@example.org"))
    if ctx.recipient.within(".hosted.example"):
        return Accept(relay=True)
    return None
""",
    "end_of_data": """
@hook.end_of_data(seconds=5.0)
async def scanned(ctx: MessageContext) -> Hold | None:
    for part in ctx.mail.attachments:
        facts = await ctx.library.files.examine(part.content(max_octets=16 << 20), part.filename or "")
        if facts.macros:
            return Hold(f"{part.filename} has macros")
    ctx.mail.set("Subject", f"[external] {ctx.mail.subject}")
    ctx.handling = Handling(tenant="inbound", demand="encrypted")
    return None
""",
    "disconnect": """
@hook.disconnect
def counted(ctx: DisconnectContext) -> None:
    if not ctx.messages:
        ctx.library.measures.count("left_without_mail")
""",
    "pre_delivery": """
@hook.pre_delivery
def by_tenant(ctx: DeliveryContext) -> Route | Carry | None:
    if ctx.next_hop == "archive.example":
        return Carry(Maildir("/var/mail/archive/{local}"))
    return Route(local_address="192.0.2.25", helo="out1.example.org") if ctx.tenant == "news" else None
""",
    "post_delivery": """
@hook.post_delivery
def patient(ctx: AttemptContext) -> Amend | None:
    if any(result.bounce_class == "greylisted" for result in ctx.results):
        return Amend(retry_in=330.0)
    return None
""",
    "report": """
@hook.report
async def complained(ctx: ReportContext) -> None:
    if ctx.kind == "arf":
        ctx.library.log.event("complaint", reporter=ctx.reporter, about=str(ctx.facts["mail_from"]))
""",
    "timer": """
@hook.timer(every=3600)
async def refreshed(ctx: TimerContext) -> None:
    answer = await ctx.library.http.get("https://lists.example.org/blocked.json")
    await ctx.library.state.value("blocked").put("all", answer.json())
""",
}
