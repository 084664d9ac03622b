"""The safety API over real sockets, before a lab with real signatures, certificates and attackers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.ends import run
from tests.keydiscovery.samples import ANNA, ANNA_FINGERPRINT
from tests.safety.schema import problems, response_schema

from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab import SCENARIOS
from danelaw.lab.scenario import Scenario
from danelaw.safety import line_of, web

TOKEN = "dlw_secret"
DIGEST = hashlib.sha256(b"anna").digest()[:28].hex()
KEYS = Scenario(
    domain="keys.lab",
    records=(
        f"{DIGEST}._openpgpkey OPENPGPKEY {base64.b64encode(ANNA).decode()}",
        f"{DIGEST}._smimecert SMIMEA 3 0 1 {'ab' * 32}",
        "openpgpkey A 127.99.0.1",
    ),
)
UNSIGNED = Scenario(
    domain="keys.unsigned",
    signed=False,
    records=(f"{DIGEST}._openpgpkey OPENPGPKEY {base64.b64encode(ANNA).decode()}",),
)
WANTED = {
    "sts.lab": ("mta-sts", "mta-sts", "probe"),
    "plain.lab": ("clear", "clear", "probe"),
    "stripped.lab": ("waits", "dane", "probe"),
    "forged-cert.lab": ("waits", "dane", "probe"),
    "weakest.lab": ("encrypted", "clear", "probe"),
    "odd-tlsa.lab": ("encrypted", "encrypted", "probe"),
}
CHOSEN = tuple(one for one in SCENARIOS if one.domain in WANTED or one.domain == "null-mx.lab")


class Place(Rehearsal):
    """A rehearsal whose gateway has the API."""

    more = ""

    def write_settings(self) -> None:
        super().write_settings()
        tokens = self.directory / "tokens"
        tokens.write_text(f"# who may ask\n{line_of('webmail', TOKEN)}\n")
        section = f'[safety]\nlisten = "127.0.0.1:0"\ntokens = "{tokens}"\nforbidden_networks = []\n{self.more}'
        self.config_file.write_text(f"{self.config_file.read_text()}\n{section}")

    @property
    def address(self) -> tuple[str, int]:
        assert self.gateway.http.safety_address is not None
        return self.gateway.http.safety_address


async def ask(
    place: Place, target: str, body: object = None, token: str | None = TOKEN
) -> tuple[int, dict[str, Any], str]:
    """One request; the answer is held against the description. Gives status, JSON and head."""
    reader, writer = await asyncio.open_connection(*place.address)
    data = b"" if body is None else json.dumps(body).encode()
    head = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1", "Host: x", "Connection: close"]
    head += [f"Authorization: Bearer {token}"] if token is not None else []
    head += ["Content-Type: application/json", f"Content-Length: {len(data)}"] if data else []
    writer.write("\r\n".join([*head, "", ""]).encode() + data)
    answer = await reader.read()
    writer.close()
    text, _, rest = answer.partition(b"\r\n\r\n")
    status, found = int(text.split()[1]), json.loads(rest)
    if target.startswith("/v1/safety"):
        schema = response_schema("/v1/safety", "get" if body is None else "post", status)
        assert not problems(found, schema)
    return status, found, text.decode()


@asynccontextmanager
async def directory_of_keys(place: Place, directory: Path):  # type: ignore[no-untyped-def]
    """The web server of keys.lab's Web Key Directory."""
    shown = place.lab.world.authorities.public.issue(("openpgpkey.keys.lab",))
    (directory / "wkd.pem").write_bytes(shown.key_pem + shown.chain_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "wkd.pem")
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(ANNA) + ANNA)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    place.lab.routes["127.99.0.1", 443] = server.sockets[0].getsockname()[:2]
    try:
        yield seen
    finally:
        server.close()


def test_probed_levels_keys_and_what_is_remembered(tmp_path: Path) -> None:
    async def play() -> None:
        place = Place((KEYS, UNSIGNED, *CHOSEN), tmp_path)
        place.more = "probe = true\n"
        async with directory_of_keys(place, tmp_path) as fetched, place:
            status, found, _ = await ask(place, "/v1/safety?address=anna@keys.lab&deadline=10s")
            assert (status, found["state"], found["missing"]) == (200, "fresh", [])
            assert (found["level"], found["label"], found["guaranteed"]) == ("dane", "DANE", "dane")
            (host,) = found["hosts"]
            assert (host["basis"], host["tls"]) == ("probe", "TLSv1.3")
            assert found["requirement"]["waits_rather_than_unverified"]
            pgp, smime, web = found["end_to_end"]["sources"]
            assert found["end_to_end"]["possible"]
            assert [key["fingerprint"] for key in (*pgp["keys"], *web["keys"])] == [ANNA_FINGERPRINT] * 2
            # Anna's key names another address: signed DNS says whose it is, the web does not.
            assert [key["usable"] for key in (*pgp["keys"], *web["keys"])] == [True, False]
            assert (smime["state"], web["state"]) == ("unusable", "unusable")
            assert len(fetched) == 1

            _, again, _ = await ask(place, "/v1/safety?address=anna@keys.lab")
            assert again["state"] == "cached"
            assert again["checked"] == found["checked"]
            assert again["hosts"] == found["hosts"]
            assert len(fetched) == 1
            _, domain, _ = await ask(place, "/v1/safety?domain=keys.lab")
            assert "end_to_end" not in domain

            status, many, _ = await ask(
                place,
                "/v1/safety",
                {"subjects": [*WANTED, "anna@keys.unsigned", "null-mx.lab", "a@[192.0.2.1]"], "deadline": "10s"},
            )
            answers = {one.get("domain", one.get("asked")): one for one in many["answers"]}
            levels = {name: (one["level"], one["guaranteed"], one["hosts"][0]["basis"]) for name, one in answers.items()
                      if name in WANTED}  # fmt: skip
            assert levels == WANTED
            assert "literal" in answers["a@[192.0.2.1]"]["error"]
            unsigned = answers["keys.unsigned"]["end_to_end"]
            assert unsigned["possible"] is not True
            assert "not signed" in unsigned["sources"][0]["reason"]
            for journal in ("keys.lab", "plain.lab"):
                assert not place.lab.exposed(journal)  # nothing was sent

    run(play())


def test_without_probes_own_deliveries_tell_and_nobody_is_connected_to(tmp_path: Path) -> None:
    async def play() -> None:
        async with Place(tuple(one for one in CHOSEN if one.domain in ("plain.lab", "sts.lab")), tmp_path) as place:
            _, found, _ = await ask(place, "/v1/safety?domain=plain.lab&deadline=10s")
            assert (found["level"], found["guaranteed"], found["hosts"][0]["basis"]) == ("unknown", "clear", "dns")
            assert "postcard" in found["words"]["people"]
            _, found, _ = await ask(place, "/v1/safety?domain=sts.lab&deadline=10s")
            assert (found["level"], found["hosts"][0]["basis"]) == ("mta-sts", "dns")
            await place.play(place.lab.scenario("plain.lab"))
            place.gateway.http.safety.service.forget()  # type: ignore[union-attr]
            _, found, _ = await ask(place, "/v1/safety?domain=plain.lab&deadline=10s")
            (host,) = found["hosts"]
            assert (found["level"], host["basis"], host["tls"]) == ("clear", "delivery", None)
            assert host["seen"] <= time.time()

    run(play())


def test_what_a_trust_group_demands_is_part_of_the_answer(tmp_path: Path) -> None:
    async def play() -> None:
        place = Place(tuple(one for one in CHOSEN if one.domain in ("plain.lab", "sts.lab")), tmp_path)
        place.more = '[[trust_group]]\nname = "friends"\nmembers = ["plain.lab"]\nsend = "dane"\n'
        async with place:
            _, found, _ = await ask(place, "/v1/safety?domain=plain.lab&deadline=10s")
            assert (found["level"], found["requirement"]["trust_groups"]) == ("waits", ["friends"])
            _, other, _ = await ask(place, "/v1/safety?domain=sts.lab&deadline=10s")
            assert (other["level"], other["requirement"]["trust_groups"]) == ("mta-sts", [])

    run(play())


def test_a_deadline_gives_what_is_known_and_the_rest_later(tmp_path: Path) -> None:
    async def play() -> None:
        async with Place((KEYS,), tmp_path) as place:
            _, found, _ = await ask(place, "/v1/safety?address=anna@keys.lab&deadline=0s")
            assert (found["state"], found["level"]) == ("partial", "unknown")
            assert found["missing"] == ["dns", "OPENPGPKEY", "SMIMEA", "WKD"]
            assert found["end_to_end"] == {"possible": None, "sources": []}
            # The look-ups go on, and whoever asks again gets them.
            _, found, _ = await ask(place, "/v1/safety?address=anna@keys.lab&deadline=10s")
            assert (found["missing"], found["level"]) == ([], "dane")
            assert found["end_to_end"]["possible"]

    run(play())


def test_who_may_ask_and_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_REFUSED_SECONDS", 0.0)

    async def play() -> None:
        place = Place((KEYS,), tmp_path)
        place.more = 'rate = "30/min"\nlive_rate = "6/min"\nbulk = 4\norigins = ["https://mail.lab"]\n'
        async with place:
            target = "/v1/safety?domain=keys.lab"
            for token in (None, "", "wrong", TOKEN + "x", "é"):
                status, found, head = await ask(place, target, token=token)
                assert status == 401, token
                assert "WWW-Authenticate: Bearer" in head
            assert (await ask(place, "/v1/openapi.json", token=None))[0] == 200
            status, found, head = await ask(place, target)
            assert status == 200
            assert "Access-Control" not in head
            # The bucket of look-ups holds one, ten seconds' worth of six a minute.
            status, found, head = await ask(place, "/v1/safety?domain=other.lab")
            assert (status, found["error"]) == (429, "too many look-ups in a short time")
            assert "Retry-After: " in head
            assert (await ask(place, target))[0] == 200  # what is remembered is answered
            assert (await ask(place, "/v1/safety", ["keys.lab"] * 5))[0] == 400
            statuses = [(await ask(place, target))[0] for _ in range(6)]
            assert statuses[-1] == 429
            tokens = tmp_path / "tokens"
            tokens.write_text("")
            place.gateway.http.safety.tokens.look_again()  # type: ignore[union-attr]
            assert (await ask(place, target))[0] == 401

    run(play())
