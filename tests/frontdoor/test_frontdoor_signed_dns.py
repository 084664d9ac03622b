"""The front door in the lab: real name servers, signed zones, and what somebody on the way makes of them."""

from __future__ import annotations

from pathlib import Path

from tests.ends import run
from tests.frontdoor.door import MESSAGE, STRANGERS, findings, front

from danelaw.lab.lab import Lab
from danelaw.lab.scenario import Fault, FaultKind
from danelaw.lab.sender import Sender

LISTED = ("5.0.0.127 A 127.0.0.2", '5.0.0.127 TXT "sends spam"', "2.0.0.127 A 127.0.0.2")
LISTS = (
    Sender(domain="signed.lab", records=LISTED),
    Sender(domain="unsigned.lab", records=LISTED, signed=False),
    Sender(
        domain="forged.lab",
        records=LISTED,
        faults=(Fault(kind=FaultKind.CORRUPT_SIGNATURES, name="5.0.0.127", types=("A",)),),
    ),
    Sender(
        domain="framed.lab",
        records=("2.0.0.127 A 127.0.0.2",),
        faults=(Fault(kind=FaultKind.FORGE, name="5.0.0.127", types=("A",), records=("5.0.0.127 A 127.0.0.2",)),),
    ),
    Sender(domain="helo.lab", records=("mx A 127.0.0.5",)),
)
SETTINGS = "".join(
    f'[[dns_list]]\nzone = "{name}.lab"\n{more}'
    for name, more in (
        ("signed", ""),
        ("unsigned", ""),
        ("forged", 'use = "refuse"\n'),
        ("framed", 'use = "refuse"\n'),
    )
)


def test_every_fact_has_its_dnssec_status_and_a_forged_listing_refuses_nobody(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab((), senders=LISTS) as lab:
            (tmp_path / "root.key").write_text(lab.anchors_text)
            host, port = lab.name_server.address
            replace = STRANGERS | {
                'servers = ["127.0.0.1:9"]\ntimeout = "50ms"\ndeadline = "100ms"': (
                    f'servers = ["{host}:{port}"]\nanchor_file = "{tmp_path}/root.key"'
                )
            }
            settings = SETTINGS + "[client_names]\nenabled = true\n"
            async with front(tmp_path, settings, replace=replace) as (running, sink):
                async with await running.client(source="127.0.0.5") as client:
                    await client.expect(250, "EHLO mx.helo.lab")
                    ident = await client.message(MESSAGE, "b@ours.test")
                await sink.messages()
                found = {reason.split(" ")[0]: (result, reason) for _, result, reason in findings(running, ident)}
                assert found["signed.lab"][0] == "listed"
                assert found["signed.lab"][1].endswith("(127.0.0.2): sends spam, score 1 (DNSSEC: secure)")
                assert found["unsigned.lab"][1].endswith("(DNSSEC: insecure)")
                for name in ("forged.lab", "framed.lab"):
                    assert found[name][0] == "failed", found[name]
                    assert found[name][1].endswith("(DNSSEC: bogus)")
                assert found["mx.helo.lab"] == ("pass", "mx.helo.lab has the address 127.0.0.5 (DNSSEC: secure)")

    run(play())
