"""Newsletters: VERP and List-Unsubscribe on the way out; bounces and complaints coming in feed a suppression list."""

from typing import Any

from danelaw.feedback import VERP
from danelaw.policy import Context, Copy, Discard, Handling, MessageContext, Queue, ReportContext, hook

SENDER = "news@lists.example.org"
ENOUGH = 3  # mails in a row that came back for now only


def verp(ctx: Context) -> VERP:
    return VERP("bounces@lists.example.org", ctx.library.secrets.get("verp"))


@hook.end_of_data
async def one_each(ctx: MessageContext) -> Queue | Discard | None:
    if not ctx.client.trusted or ctx.reverse_path != SENDER:
        return None
    suppressed, copies = ctx.library.state.set("suppressed", kept=True), []
    for address in ctx.recipients:
        if await suppressed.contains("news", address.lower()):
            ctx.library.measures.count("suppressed")
            continue
        back = verp(ctx).reverse_path(address)
        mail = ctx.mail.copy()
        mail.set("List-Unsubscribe", f"<https://lists.example.org/u/{back.partition('@')[0].partition('+')[2]}>")
        mail.set("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
        copies.append(Copy((address,), reverse_path=back, mail=mail, handling=Handling(job="news", priority=-1)))
    return Queue(tuple(copies)) if copies else Discard("everybody on it wants no more of it")


@hook.report
async def came_back(ctx: ReportContext) -> None:
    """Only an address that we signed ourselves is believed: anybody can write a report about anybody."""
    facts: dict[str, Any] = ctx.facts
    about = verp(ctx).recipient(str(facts.get("to", ""))) or verp(ctx).recipient(str(facts.get("mail_from", "")))
    if about is None or ctx.kind not in ("arf", "dsn", "bounce"):
        return
    permanent = any(one["is_permanent"] for one in facts.get("recipients", ()) if isinstance(one, dict))
    failures = ctx.library.state.counter("came-back", kept=True)
    suppressed = ctx.library.state.set("suppressed", kept=True)
    if ctx.kind == "dsn" and any(one["action"] == "delayed" for one in facts["recipients"]):
        return
    enough = ctx.kind == "arf" or permanent
    enough = enough or await failures.add(about.lower(), expires=30 * 86_400) >= ENOUGH
    if enough and await suppressed.add("news", about.lower()):
        ctx.library.log.event("suppressed", recipient=about, because=ctx.kind)
