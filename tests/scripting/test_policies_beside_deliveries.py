"""Before a delivery a policy chooses its way or ends it; after a try it changes what follows."""

from __future__ import annotations

from pathlib import Path

from tests.ends import Sink, gateway, run, until
from tests.scripting.test_policies_in_a_gateway import MESSAGE, policy, to


def test_a_route_chosen_before_delivery_is_taken_under_the_other_queue(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as usual, Sink() as other:
            config = policy(
                tmp_path,
                f"""
                @hook.end_of_data
                def noted(ctx: MessageContext):
                    ctx.notes["subject"] = ctx.mail.subject

                @hook.pre_delivery
                def by_subject(ctx: DeliveryContext):
                    if ctx.notes.text("subject") == "hello" and ctx.next_hop != "{other.hop}":
                        return Route(next_hop="{other.hop}")
                """,
            )
            async with gateway(tmp_path, to(usual) + config) as running:
                first = await running.send("b@example.org", body=MESSAGE)
                second = await running.send("b@example.org", body=MESSAGE.replace(b"hello", b"other"))
                await running.reaches(first, "delivered")
                await running.reaches(second, "delivered")
            assert len(usual.taken) == len(other.taken) == 1

    run(play())


def test_mail_is_returned_held_or_put_off_without_a_delivery(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.pre_delivery
        def decides(ctx: DeliveryContext):
            whom = ctx.recipients[0].address.localpart
            if whom == "no":
                return Reject("we send nothing there", 550, "5.7.1")
            if whom == "people":
                return Hold("somebody must look")
            if whom == "later":
                return Defer("not before noon", seconds=3600.0)
            if whom == "broken":
                raise RuntimeError("oops")
        """,
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + config) as running:
            ids = {whom: await running.send(f"{whom}@example.org") for whom in ("no", "people", "later", "broken")}
            returned = await running.reaches(ids["no"], "returned")
            assert "we send nothing there" in str(returned)
            assert "somebody must look" in str(await running.reaches(ids["people"], "held"))
            await until(lambda: "not before noon" in str(running.look(ids["later"])), "the reason")
            await until(lambda: "no verdict" in str(running.look(ids["broken"])), "the failure")
            assert running.lines("hook-failed")
            (notice,) = await sink.messages(1)
            assert b"we send nothing there" in notice.data

    run(play())


def test_after_a_try_a_policy_changes_what_follows_and_what_the_sender_reads(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.post_delivery
        def softer(ctx: AttemptContext):
            result = ctx.results[0]
            ctx.notes["tries"] = ctx.notes.number("tries") + 1
            if result.outcome == "returned" and "mailbox full" in result.reply:
                return Amend(keep=True, retry_in=1800.0)
            if result.outcome == "returned":
                return Amend(text="Write to postmaster@gw.test if you think this is wrong.")
        """,
    )

    async def play() -> None:
        def answer(verb: str, line: str, connection: int) -> str | None:
            if "full@" in line:
                return "552 5.2.2 mailbox full"
            return "550 5.1.1 nobody" if "gone@" in line else None

        async with Sink(answer) as sink, gateway(tmp_path, to(sink) + config) as running:
            full = await running.send("full@example.org")
            gone = await running.send("gone@example.org")
            await running.reaches(gone, "returned")
            found = await running.tried(full)
            assert found["state"] == "waiting"
            assert found["recipients"][0]["next_try"] > running.gateway.clock() + 1000
            await until(lambda: running.look(full)["context"].get("notes") == {"tries": 1}, "the note")
            (notice,) = await sink.messages(1)
            assert b"Write to postmaster@gw.test" in b" ".join(notice.data.split())

    run(play())


def test_a_policy_delivers_by_carriers_of_its_own(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        f"""
        @hook.pre_delivery
        def here(ctx: DeliveryContext):
            whom = ctx.recipients[0].address.localpart
            if whom == "box":
                return Carry(Maildir("{tmp_path}/mail/{{local}}"))
            if whom == "program":
                return Carry(Pipe(("/bin/sh", "-c", "cat > {tmp_path}/program; echo no room; exit 75")))
        """,
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + config) as running:
            box = await running.send("box@example.org", body=MESSAGE)
            program = await running.send("program@example.org", body=MESSAGE)
            found = await running.reaches(box, "delivered")
            assert found["attempts"][0]["protection"] == "handed over"
            (file,) = (tmp_path / "mail/box/new").iterdir()
            assert b"Subject: hello" in file.read_bytes()
            await running.tried(program)
            assert running.look(program)["state"] == "waiting"
            assert b"Subject: hello" in (tmp_path / "program").read_bytes()
            assert not sink.taken

    run(play())
