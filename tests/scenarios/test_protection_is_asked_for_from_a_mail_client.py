"""A mail client asks for protection in a field or an address: obeyed with real DNSSEC and DANE, or refused."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.ends import Client, run, until

from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Behaviour, Host, Scenario
from danelaw.queue import id_from_text
from danelaw.spool.view import shown

GOOD, OTHER = Scenario(domain="good.lab"), Scenario(domain="other.lab")
PLAIN = Scenario(domain="plain.lab", hosts=(Host(tlsa=()),))
BACK = Scenario(domain="back.lab", hosts=(Host(behaviour=Behaviour(requiretls=True)),))
TAGS = "tls.shop.lab"
MORE = f"""
[demand]
tag_domain = "{TAGS}"
[queue]
warn_after = "1s"
"""
HEAD = b"From: anna@back.lab\r\nMessage-ID: <1@back.lab>\r\nSubject: hello\r\n"


class Asked(Rehearsal):
    """A rehearsal whose gateway knows tags."""

    def write_settings(self) -> None:
        super().write_settings()
        head, mark, routes = self.config_file.read_text().partition("[lab.routes]")
        self.config_file.write_text(f"{head}{MORE}{mark}{routes}")

    async def client(self) -> Client:
        """A client from a network that may relay."""
        client = await Client.connect(self.gateway.listening[0])
        await client.greeted()
        return client

    def look(self, number: str) -> dict[str, object]:
        """A message as `queue show` has it."""
        return dict(shown(self.gateway.parts.spool.reader, id_from_text(number), 0.0))

    def requests(self, by: str, demand: str) -> float:
        return self.gateway.metrics.demand_requests.cell(by, demand).value

    def came_of(self, demand: str, outcome: str) -> float:
        return self.gateway.metrics.sender_demands.cell(demand, outcome).value


def play(directory: Path, work: Callable[[Asked, Client], Awaitable[None]]) -> None:
    async def played() -> None:
        async with Asked((GOOD, OTHER, PLAIN, BACK), directory) as asked, await asked.client() as client:
            await work(asked, client)

    run(played())


def test_the_field_asks_for_all_recipients_and_is_gone(tmp_path: Path) -> None:
    async def work(asked: Asked, client: Client) -> None:
        body = HEAD + b"Danelaw-Require:\r\n DANE\r\nTo: bob@good.lab\r\n\r\nhi\r\n"
        number = await client.message(body, "bob@good.lab", "bob@plain.lab", sender="anna@back.lab")
        await until(lambda: asked.lab.received("good.lab"), "mail at good.lab")
        (taken,) = asked.lab.received("good.lab")
        assert b"danelaw-require" not in taken.data.lower()
        assert taken.data.endswith(b"Subject: hello\r\nTo: bob@good.lab\r\n\r\nhi\r\n")
        # plain.lab has no TLSA records: the mail waits, and its sender hears who asked for what.
        await until(lambda: asked.lab.received("back.lab"), "a notice")
        (notice,) = asked.lab.received("back.lab")
        words = " ".join(email.message_from_bytes(notice.data).as_string().split())
        assert "it was to travel only where DANE proves the server; you asked for it in the field" in words
        assert "Danelaw-Require" in words
        found = asked.look(number)
        assert [one["demand"] for one in found["recipients"]] == ["dane", "dane"]  # type: ignore[index,attr-defined]
        assert {
            "step": "demand",
            "result": "dane",
            "reason": "the sender asked for it in the field Danelaw-Require",
        } in (
            found["findings"]  # type: ignore[operator]
        )
        assert not asked.lab.exposed("plain.lab"), "nothing was sent where it cannot be had"
        assert asked.requests("field", "dane") == 2
        assert asked.came_of("dane", "delivered") == 1
        assert asked.came_of("dane", "waiting") >= 1

    play(tmp_path, work)


def test_a_tag_asks_for_one_recipient_and_is_gone_everywhere(tmp_path: Path) -> None:
    async def work(asked: Asked, client: Client) -> None:
        to = f"To: Bob <bob@good.lab.dane.{TAGS}>,\r\n Carol <carol@plain.lab>\r\n"
        rest = f"Cc: dave@other.lab.Verified.{TAGS}\r\n\r\nwrite to bob@good.lab.dane.{TAGS}\r\n"
        body = HEAD + (to + rest).encode()
        await client.expect(250, "MAIL FROM:<anna@back.lab>")
        tagged = f"bob@good.lab.dane.{TAGS}"
        await client.expect(250, f"RCPT TO:<{tagged}> NOTIFY=SUCCESS ORCPT=rfc822;{tagged}")
        await client.expect(250, "RCPT TO:<carol@plain.lab>")
        await client.expect(250, f"RCPT TO:<dave@other.lab.VERIFIED.{TAGS}>")
        await client.expect(354, "DATA")
        client.send(body + b".\r\n")
        number = (await client.expect(250)).text.rpartition(" ")[2]
        for domain in ("good.lab", "other.lab", "plain.lab"):
            await until(lambda domain=domain: asked.lab.received(domain), f"mail at {domain}")
            (taken,) = asked.lab.received(domain)
            header, _, rest = taken.data.partition(b"\r\n\r\n")
            assert TAGS.encode() not in header
            assert b"To: Bob <bob@good.lab>,\r\n Carol <carol@plain.lab>\r\nCc: dave@other.lab\r\n" in taken.data
            assert rest.endswith(f"bob@good.lab.dane.{TAGS}\r\n".encode()), "the body is nobody's to change"
        (good,) = asked.lab.received("good.lab")
        ((address, parameters),) = good.recipients
        assert address == "bob@good.lab"
        assert TAGS not in " ".join(parameters)
        # Three demands, three messages; the one with the id that the client was told has the first.
        found = asked.look(number)
        assert [(one["to"], one["demand"]) for one in found["recipients"]] == [("bob@good.lab", "dane")]  # type: ignore[attr-defined]
        assert asked.requests("address", "dane") == 1
        assert asked.requests("address", "verified") == 1

    play(tmp_path, work)


def test_the_same_recipient_with_and_without_a_tag_is_protected_both_times(tmp_path: Path) -> None:
    async def work(asked: Asked, client: Client) -> None:
        number = await client.message(HEAD + b"\r\nhi\r\n", "bob@plain.lab", f"Bob@plain.lab.dane.{TAGS}")
        found = asked.look(number)
        assert {one["demand"] for one in found["recipients"]} == {"dane"}  # type: ignore[attr-defined]
        assert not asked.lab.exposed("plain.lab")

    play(tmp_path, work)


def test_tags_of_others_are_gone_too_unless_a_signature_covers_them(tmp_path: Path) -> None:
    """Programs that send a message for each recipient repeat the tags of the others in To."""

    async def work(asked: Asked, client: Client) -> None:
        to = f"To: bob@good.lab, dave@other.lab.dane.{TAGS}\r\n".encode()
        signature = b"DKIM-Signature: v=1; h=From:To; d=b.lab\r\n"
        for body in (HEAD + to + b"\r\nhi\r\n", HEAD + signature + to + b"\r\nhi\r\n"):
            await client.message(body, "bob@good.lab")
        await until(lambda: len(asked.lab.received("good.lab")) == 2, "mail at good.lab")
        for taken in asked.lab.received("good.lab"):
            signed = signature in taken.data
            assert (to in taken.data) is signed
            assert (b"To: bob@good.lab, dave@other.lab\r\n" in taken.data) is not signed

    play(tmp_path, work)


def test_requiretls_from_a_mail_client(tmp_path: Path) -> None:
    async def work(asked: Asked, client: Client) -> None:
        body = HEAD + b"Danelaw-Require: requiretls\r\n\r\nhi\r\n"
        number = await client.message(body, "bob@back.lab", "bob@good.lab", sender="anna@back.lab")
        assert asked.look(number)["requiretls"] is True
        # back.lab offers the extension, good.lab does not: one arrives, the other comes back, both under REQUIRETLS.
        await until(lambda: len(asked.lab.received("back.lab")) == 2, "the message and the notice")
        for taken in asked.lab.received("back.lab"):
            assert "REQUIRETLS" in taken.mail_parameters
        notice = next(one for one in asked.lab.received("back.lab") if one.mail_from == "<>" or not one.mail_from)
        assert b"Status: 5.7.30" in notice.data
        assert not asked.lab.exposed("good.lab")

    play(tmp_path, work)


REFUSED_FIELDS = {
    "misspelt": (b"Danelaw-Require: dame\r\n", "'dame' is no protection; write one of: encrypted, verified, dane"),
    "empty": (b"Danelaw-Require:\r\n", "is empty; write one of: encrypted, verified, dane, requiretls"),
    "comment": (b"Danelaw-Require: dane (please)\r\n", "is no protection"),
    "twice": (b"Danelaw-Require: dane\r\nDanelaw-Require: dane\r\n", "has 2 fields Danelaw-Require; write one"),
    "contradiction": (b"TLS-Required: No\r\nDanelaw-Require: dane\r\n", "and says TLS-Required: No"),
    "waiver asked for": (b"Danelaw-Require: tls-required-no\r\n", "is no protection"),
    "signed": (
        b"Danelaw-Require: dane\r\nDKIM-Signature: v=1; a=x; d=b.lab; s=s;\r\n h=From:danelaw-require; bh=x; b=x\r\n",
        "your signature (DKIM) covers: danelaw-require",
    ),
}


def test_a_request_that_cannot_be_obeyed_is_refused(tmp_path: Path) -> None:
    async def work(asked: Asked, client: Client) -> None:
        for fields, words in REFUSED_FIELDS.values():
            answer = await client.offer(HEAD + fields + b"\r\nhi\r\n", "bob@good.lab")
            assert answer.code == 554, fields
            assert words in answer.text
        assert asked.requests("field", "refused") == len(REFUSED_FIELDS)
        await client.expect(250, "MAIL FROM:<anna@back.lab>")
        for tag, words in ((f"good.lab.dame.{TAGS}", "'dame' is no protection"), (TAGS, "a recipient is missing"),
                           (f"dane.{TAGS}", "a recipient is missing")):  # fmt: skip
            answer = await client.expect(553, f"RCPT TO:<bob@{tag}>")
            assert words in answer.text
        await client.expect(250, f"RCPT TO:<bob@good.lab.dane.{TAGS}>")
        await client.expect(354, "DATA")
        client.send(HEAD + b"TLS-Required: No\r\n\r\nhi\r\n.\r\n")
        assert "TLS-Required: No" in (await client.expect(554)).text, "a tag and a waiver contradict each other too"
        signed = f"To: bob@good.lab.dane.{TAGS}\r\nDKIM-Signature: v=1; h=From:To; d=b.lab\r\n".encode()
        answer = await client.offer(HEAD + signed + b"\r\nhi\r\n", f"bob@good.lab.dane.{TAGS}")
        assert (answer.code, "covers: to" in answer.text) == (554, True)
        assert not asked.lab.exposed("good.lab")
        assert not asked.gateway.parts.spool.reader.execute("SELECT 1 FROM message").fetchall()

    play(tmp_path, work)


@pytest.mark.parametrize("large", [False, True])
def test_a_strangers_field_has_no_effect_and_goes(tmp_path: Path, large: bool) -> None:
    class Strange(Asked):
        def write_settings(self) -> None:
            super().write_settings()
            text = self.config_file.read_text().replace('networks = ["127.0.0.0/8"]', 'networks = ["192.0.2.0/24"]')
            ours = '[[domain]]\nname = "good.lab"\n[[domain]]\nname = "plain.lab"\n[lab.routes]'
            self.config_file.write_text(text.replace("[lab.routes]", ours))

    async def played() -> None:
        async with Strange((GOOD, PLAIN), tmp_path) as asked, await asked.client() as client:
            rest = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * (100_000 if large else 1)
            body = HEAD + b"danelaw-require: nonsense\r\n" + rest
            number = await client.message(body, "bob@plain.lab")
            await until(lambda: asked.lab.received("plain.lab"), "mail at plain.lab")
            (taken,) = asked.lab.received("plain.lab")
            assert taken.data.endswith(HEAD + rest)
            found = asked.look(number)
            assert [one["demand"] for one in found["recipients"]] == [""]  # type: ignore[attr-defined]
            assert [one["step"] for one in found["findings"]] == ["demand-of-strangers"]  # type: ignore[attr-defined]
            assert (await client.say("MAIL FROM:<a@b.lab>")).code == 250
            await client.expect(550, f"RCPT TO:<bob@good.lab.dane.{TAGS}>")

    run(played())
