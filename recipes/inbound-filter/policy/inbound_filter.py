"""Strangers' mail gets points; with 5 it waits for people, with 10 it is refused. Each point has its reason."""

from danelaw.policy import Hold, MessageContext, Reject, hook

HOLD, REFUSE = 5.0, 10.0
NEVER = frozenset({"exe", "scr", "js", "vbs", "lnk", "iso", "img"})


@hook.end_of_data
async def scored(ctx: MessageContext) -> Hold | Reject | None:
    if ctx.client.trusted:
        return None
    points = [*origin(ctx), *scanners(ctx), *await attached(ctx)]
    if not ctx.mail.has("Message-ID"):
        points.append((1.0, "no Message-ID"))
    score = sum(value for value, _ in points)
    reasons = "; ".join(f"{reason} {value:+g}" for value, reason in points)
    ctx.notes["score"] = score
    ctx.mail.add("X-Score", f"{score:g}" + (f" ({reasons})" if reasons else ""))
    ctx.library.measures.count("scored_refused" if score >= REFUSE else "scored_held" if score >= HOLD else "scored")
    if score >= REFUSE:
        return Reject(f"refused as spam: {reasons}", 554, "5.7.1")
    return Hold(f"{score:g} points: {reasons}") if score >= HOLD else None


def origin(ctx: MessageContext) -> list[tuple[float, str]]:
    """What SPF and DMARC say; a proven author is worth something."""
    if ctx.origin is None:
        return []
    found = [(-1.0, "DMARC passes")] if ctx.origin.is_proven else []
    if ctx.origin.dmarc == "fail":
        found.append((3.0, "DMARC fails"))
    if ctx.origin.spf in ("fail", "softfail"):
        found.append((2.0, f"SPF {ctx.origin.spf}"))
    return found


def scanners(ctx: MessageContext) -> list[tuple[float, str]]:
    """What a `[[filter]]` said that only marks (`action = "tag"`)."""
    return [(4.0, f"{one.step}: {one.reason}") for one in ctx.findings if one.result == "tag"]


async def attached(ctx: MessageContext) -> list[tuple[float, str]]:
    """Files that are not what they say, or what nobody sends by mail."""
    found: list[tuple[float, str]] = []
    for part in ctx.mail.attachments[:20]:
        name = part.filename or "file"
        facts = await ctx.library.files.examine(part.content(max_octets=16 << 20), name)
        names = [name, *(member.path for member in facts.members)]
        if any(one.lower().rpartition(".")[2] in NEVER for one in names):
            found.append((REFUSE, f"{name} holds a program"))
        found += [(4.0, f"{name}: {odd}") for odd in facts.odd]
        if facts.macros:
            found.append((5.0, f"{name} has macros"))
    return found
