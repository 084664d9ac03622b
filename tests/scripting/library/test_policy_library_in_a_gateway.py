"""The library as a policy in a running gateway has it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.ends import Sink, gateway, run, until
from tests.scripting.test_policies_in_a_gateway import MESSAGE, policy, to


def test_lines_and_calls_belong_to_their_hook_and_message(tmp_path: Path) -> None:
    """Two clients at once, whose hooks wait for each other: nobody's line has the other's id."""
    config = policy(
        tmp_path,
        """
        import asyncio

        @cached(ttl=60)
        async def greeting(library: Library, name: str) -> str:
            library.log.event("computed", name=name)
            return "hello " + name

        @hook.mail_from
        async def counted(ctx: MailContext):
            tried = await ctx.library.state.counter("mails").add("all")
            ctx.library.log.event("counted", tried=tried)

        @hook.end_of_data
        async def together(ctx: MessageContext):
            waiting = ctx.library.state.counter("waiting")
            await waiting.add("all")
            while await waiting.get("all") < 2:
                await asyncio.sleep(0.001)
            ctx.library.log.event("met", subject=ctx.mail.subject, said=await greeting(ctx.library, "all"), hook="mine")
            ctx.library.measures.count("met")
        """,
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + config) as running:

            async def one(subject: bytes) -> str:
                async with await running.client() as client:
                    return await client.message(MESSAGE.replace(b"hello", subject), "b@example.org")

            ids = await asyncio.gather(one(b"first"), one(b"second"))
            await sink.messages(2)
            await until(lambda: len(running.lines("policy")) >= 5, "log lines")
            lines = running.lines("policy")
            for subject, number in zip(("first", "second"), ids, strict=True):
                (line,) = [line for line in lines if f"subject={subject}" in line]
                assert f"id={number}" in line
                assert "hook=together" in line
                assert 'said="hello all"' in line
            assert sum("text=computed" in line for line in lines) == 1
            counted = [line for line in lines if "text=counted" in line]
            assert sorted(line.partition("tried=")[2][0] for line in counted) == ["1", "2"]
            assert all("hook=counted" in line and "id=" not in line for line in counted)

    run(play())
