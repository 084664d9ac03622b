"""A policy decides who may log in, and knows afterwards who sends."""

from __future__ import annotations

from pathlib import Path

from tests.ends import Sink, certificate, certificate_section, gateway, run
from tests.scenarios.test_users_log_in_and_send import MAIL, plain
from tests.scripting.test_policies_in_a_gateway import policy, to


def test_scripts_say_who_may_log_in_and_one_that_fails_lets_nobody_in(tmp_path: Path) -> None:
    certificate(tmp_path, "gw.test")
    config = certificate_section(tmp_path) + policy(
        tmp_path,
        """
        @hook.auth
        async def book(ctx: AuthContext):
            if ctx.user == "broken":
                raise RuntimeError("the book burns")
            if ctx.user == "blocked":
                return Reject("this account is blocked", 535, "5.7.8")
            if (ctx.user, ctx.password) == ("anna@example.org", "secret"):
                ctx.identity = "anna"
                ctx.notes["plan"] = "gold"
                return Accept()

        @hook.end_of_data
        def sent(ctx: MessageContext):
            ctx.mail.add("X-Sent-By", f"{ctx.client.user} {ctx.notes.text('plan')}")

        @hook.disconnect
        def gone(ctx: DisconnectContext):
            ctx.library.log.event("gone", user=ctx.client.user, messages=ctx.messages)
        """,
    )
    submission = '[submission]\nfailure_delay = "0s"\n'

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(
                tmp_path,
                to(sink) + submission + config,
                listen='auth = "required"',
                replace={'"127.0.0.0/8"': '"10.0.0.0/8"'},
            ) as running,
            await running.client() as client,
        ):
            await client.start_tls()
            await client.expect(250, "EHLO c.test")
            assert (await plain(client, "broken", "x")).code == 454
            assert (await plain(client, "blocked", "x")).code == 535
            assert (await plain(client, "anna@example.org", "wrong")).code == 535
            assert (await plain(client, "anna@example.org", "secret")).code == 235
            await client.message(MAIL, "someone@elsewhere.test")
            assert b"X-Sent-By: anna gold\r\n" in (await sink.messages())[0].data
            assert not [line for line in running.lines("policy") if "gone" in line]

    run(play())
