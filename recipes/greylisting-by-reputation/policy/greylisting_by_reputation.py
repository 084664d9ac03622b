"""Greylisting (RFC 6647) for strangers without a name: a network earns its way past with mail that was taken."""

from ipaddress import ip_network

from danelaw.policy import Client, Defer, DisconnectContext, MessageContext, RecipientContext, hook

WAIT, PATIENCE = 300.0, 86_400.0
KNOWN = 3  # messages taken within 30 days
DAYS_30 = 30 * 86_400.0


def network(client: Client) -> str:
    """Large senders try again from another host of theirs."""
    bits = 24 if client.ip.version == 4 else 64
    return str(ip_network(f"{client.address.partition('%')[0]}/{bits}", strict=False))


@hook.rcpt_to
async def must_wait(ctx: RecipientContext) -> Defer | None:
    if ctx.client.trusted or not ctx.relaying:
        return None
    where = network(ctx.client)
    if await ctx.library.state.counter("taken-from", mode="leased", kept=True).get(where) >= KNOWN:
        return None
    first = ctx.library.state.value("first-seen", kept=True)
    key = f"{where} {ctx.reverse_path} {ctx.recipient}".lower()[:250]
    seen = await first.get(key)
    if not isinstance(seen, float):
        await first.put(key, ctx.now, expires=PATIENCE)
        return Defer("you are new here; try again in five minutes", 451, "4.7.1")
    return Defer("you are too early; try again in five minutes", 451, "4.7.1") if ctx.now - seen < WAIT else None


@hook.end_of_data(order=100)
async def taken(ctx: MessageContext) -> None:
    """Good mail counts; what a filter marks makes a network start anew."""
    counter = ctx.library.state.counter("taken-from", mode="leased", kept=True)
    if any(one.result == "tag" for one in ctx.findings):
        await counter.clear(network(ctx.client))
    elif not ctx.client.trusted:
        await counter.add(network(ctx.client), expires=DAYS_30, prolong=True)


@hook.disconnect
def noted(ctx: DisconnectContext) -> None:
    if not ctx.client.trusted and not ctx.messages:
        ctx.library.measures.count("left_without_mail")
