"""One mistake a line, each with what mypy must say about it: `# error: CODE`. Not run, only looked at."""

from danelaw.policy import (
    Accept,
    Address,
    Amend,
    AttemptContext,
    Carry,
    ConnectContext,
    Copy,
    Defer,
    DeliveryContext,
    DisconnectContext,
    Handling,
    Hold,
    MailContext,
    Maildir,
    MessageContext,
    Pipe,
    Queue,
    RecipientContext,
    Redirect,
    Reject,
    Route,
    TimerContext,
    hook,
)


@hook.rcpt_to  # error: arg-type
def verdict_of_another_step(ctx: RecipientContext) -> Hold:
    return Hold("not at this step")


@hook.end_of_data  # error: arg-type
def context_of_another_step(ctx: RecipientContext) -> Reject | None:
    return None


@hook.connect  # error: arg-type
def a_number_is_no_verdict(ctx: ConnectContext) -> int:
    return 250


@hook.disconnect  # error: arg-type
def nobody_is_there_any_more(ctx: DisconnectContext) -> Reject:
    return Reject("too late")


@hook.pre_delivery  # error: arg-type
async def no_discard_in_the_queue(ctx: DeliveryContext) -> Redirect:
    return Redirect(("b@example.org",))


@hook.post_delivery  # error: arg-type
def only_amendments(ctx: AttemptContext) -> Defer:
    return Defer()


@hook.mail_from  # error: arg-type
def two_arguments(ctx: MailContext, more: str) -> Reject | None:
    return None


@hook.rcpt  # error: attr-defined
def no_such_step(ctx: RecipientContext) -> None: ...


@hook.timer  # error: call-arg, arg-type
def without_its_period(ctx: TimerContext) -> None: ...


@hook.rcpt_to(order="first")  # error: call-overload
def order_is_a_number(ctx: RecipientContext) -> None: ...


@hook.rcpt_to(on_failure="accept")  # error: call-overload
def nothing_is_accepted_by_failing(ctx: RecipientContext) -> None: ...


@hook.rcpt_to
def wrong_attributes(ctx: RecipientContext) -> Reject | None:
    if ctx.recipiant == "a@example.org":  # error: attr-defined
        return Reject("no", reason="why")  # error: call-arg
    if ctx.recipient.local_part == "a":  # error: attr-defined
        return Reject(550, "no")  # error: arg-type
    if ctx.client.within(192):  # error: arg-type
        return "no"  # error: return-value
    return Accept()  # error: return-value


@hook.end_of_data
async def wrong_calls(ctx: MessageContext) -> Hold | Queue | None:
    ctx.library.dns.lookup("example.org", "MX")  # error: unused-coroutine
    answer = ctx.library.dns.lookup("example.org", "MX")
    if answer.is_secure:  # error: attr-defined
        return None
    found = await ctx.library.dns.lookup("example.org")  # error: call-arg
    if found.records == "10 mx.example.org":  # error: comparison-overlap
        return Hold()  # error: call-arg
    await ctx.library.log.event("seen")  # error: func-returns-value
    await ctx.library.dns.resolve("example.org", "MX")  # error: attr-defined
    ctx.mail.subject = "no"  # error: misc
    ctx.mail.set("Subject", None)  # error: arg-type
    del ctx.mail.body  # error: attr-defined
    ctx.notes["when"] = object()  # error: assignment
    ctx.tags.append("spam")  # error: attr-defined
    ctx.recipients = "a@example.org"  # error: assignment
    ctx.recipients.append("a@example.org")  # error: arg-type
    ctx.handling = Handling(priority="high")  # error: arg-type
    if ctx.origin.dmarc == "pass":  # error: union-attr
        return None
    copy = Copy("a@example.org")  # error: arg-type
    return Queue([copy])  # error: arg-type


@hook.pre_delivery
def wrong_carriers(ctx: DeliveryContext) -> Route | Carry | None:
    ctx.mail.first("Subject").decode()  # error: attr-defined
    if ctx.recipients[0].tries > "3":  # error: operator
        return Carry("/var/mail")  # error: arg-type
    if ctx.size:
        return Carry(Pipe("/bin/cat"))  # error: arg-type
    if ctx.demand:
        return Carry(Maildir(5))  # error: arg-type
    return Route(nexthop="example.org")  # error: call-arg


@hook.post_delivery
def wrong_amendment(ctx: AttemptContext) -> Amend | None:
    for result in ctx.results:
        if result.outcome is Address:  # error: comparison-overlap
            result.text = "more"  # error: attr-defined
    return Amend(retry="soon")  # error: call-arg
