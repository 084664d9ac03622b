"""Hosts inside write as `root@db7.internal.example`; outside they are `db7@example.org`, in envelope and header."""

import re

from danelaw.policy import Address, MessageContext, hook

INSIDE = re.compile(r"[\w.+-]+@([\w-]+)\.internal\.example\b", re.ASCII)
OUTSIDE = r"\1@example.org"


@hook.end_of_data
def rewritten(ctx: MessageContext) -> None:
    if not ctx.client.trusted:
        return
    ctx.reverse_path = Address(INSIDE.sub(OUTSIDE, ctx.reverse_path))
    for name in ("From", "Sender", "Reply-To"):
        for text in ctx.mail.all(name)[:1]:
            changed = INSIDE.sub(OUTSIDE, text)
            if changed != text:
                ctx.mail.set(name, changed)
