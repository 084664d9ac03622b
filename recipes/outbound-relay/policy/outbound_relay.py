"""A rate for each user, over all workers; who knocks beyond it, or sends to many who are not there, is stopped."""

from danelaw.policy import AttemptContext, Defer, Library, MailContext, RecipientContext, Reject, hook

RECIPIENTS_PER_HOUR = 200
MOST_REFUSED = 50  # recipients turned down in an hour, by us for the rate or by others as unknown
STOPPED = Reject("this account is stopped, since it may be in strange hands; ask your postmaster", 550, "5.7.0")


@hook.mail_from
async def stopped(ctx: MailContext) -> Reject | None:
    blocked = ctx.library.state.set("blocked-users", kept=True)
    return STOPPED if ctx.client.user and await blocked.contains("blocked", ctx.client.user) else None


@hook.rcpt_to
async def counted(ctx: RecipientContext) -> Defer | Reject | None:
    user = ctx.client.user
    if not user:
        return None
    ctx.notes["user"] = user
    sent = ctx.library.state.rate("recipients-per-user", limit=RECIPIENTS_PER_HOUR, span=3600)
    if await sent.take(user):
        return None
    if await suspicious(ctx.library, user, "far beyond its rate"):
        return STOPPED
    return Defer("you have written to enough people for an hour; try again later", 452, "4.7.1")


@hook.post_delivery
async def unknown(ctx: AttemptContext) -> None:
    """Mail to addresses that others do not know is what stolen accounts send."""
    user = ctx.notes.text("user")
    for result in ctx.results:
        if user and result.outcome == "returned" and result.bounce_class == "bad-mailbox":
            await suspicious(ctx.library, user, "many recipients that nobody knows")


async def suspicious(library: Library, user: str, why: str) -> bool:
    """Count against a user; the one too many stops it, and says so once. True when it is stopped."""
    if await library.state.counter("refused-per-user").add(user, expires=3600) < MOST_REFUSED:
        return False
    if await library.state.set("blocked-users", kept=True).add("blocked", user):
        library.log.warning("user stopped", user=user, why=why)
        library.measures.count("users_stopped")
    return True
