"""Journaling: whom a message was really for stands in the envelope (Bcc!), so the journal is told the envelope.

The copy has the null reverse-path: when the journal cannot be reached nobody outside hears of it, and it waits.
"""

from danelaw.policy import Copy, Handling, MessageContext, Queue, hook

JOURNAL = "journal@example.org"


@hook.end_of_data(order=100)  # behind everything that may change or refuse it
def journaled(ctx: MessageContext) -> Queue:
    kept = ctx.mail.copy()
    for address in reversed(ctx.recipients):
        kept.add("X-Journal-Recipient", address)
    kept.add("X-Journal-Sender", ctx.reverse_path or "<>")
    kept.add("X-Journal-User", ctx.client.user or ctx.client.address)
    return Queue(
        (
            Copy(tuple(ctx.recipients)),
            Copy((JOURNAL,), reverse_path="", mail=kept, handling=Handling(next_hop="carrier:journal", job="journal")),
        )
    )
