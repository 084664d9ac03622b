"""Each recipient's mail goes to the place where the mailbox is; who is in no table is refused at RCPT."""

from danelaw.policy import Copy, Handling, Library, MessageContext, Queue, RecipientContext, Reject, cached, hook

PLACES = {"oslo": "[mail.oslo.example]", "lima": "[mail.lima.example]"}


@cached(ttl=300, negative_ttl=30)
async def place_of(library: Library, address: str) -> str:
    """Where a mailbox is, empty for nowhere; remembered for five minutes."""
    rows = await library.sql.query("people", "SELECT place FROM people WHERE address = ?", (address.lower(),))
    return str(rows[0]["place"]) if rows else ""


@hook.rcpt_to
async def known(ctx: RecipientContext) -> Reject | None:
    if ctx.recipient.domain == "example.org" and not await place_of(ctx.library, ctx.recipient):
        return Reject("nobody of this name works here", 550, "5.1.1")
    return None


@hook.end_of_data
async def divided(ctx: MessageContext) -> Queue | None:
    at: dict[str, list[str]] = {}
    for address in ctx.recipients:
        place = await place_of(ctx.library, address) if address.domain == "example.org" else ""
        at.setdefault(PLACES.get(place, ""), []).append(address)
    if set(at) == {""}:
        return None
    return Queue(
        tuple(Copy(tuple(addresses), handling=Handling(next_hop=next_hop)) for next_hop, addresses in at.items())
    )
