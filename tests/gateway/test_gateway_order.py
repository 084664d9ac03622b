"""The order of asking that `config effective` prints is that of the steps of a gateway."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.dkim.dkim_samples import ed25519_key
from tests.ends import gateway, run

from danelaw.config.asking import arriving

EVERYTHING = """
[[listen]]
address = "127.0.0.2:0"
tls = "none"
auth = "required"
auth_without_tls = true
[tarpit]
greeting_delay = "1ms"
[client_names]
enabled = true
[[dns_list]]
zone = "list.test"
[greylisting]
enabled = true
[look_alikes]
enabled = true
[correspondents]
enabled = true
[authentication]
enabled = true
[reports]
dmarc_address = "dmarc@ours.test"
feedback = ["fbl@ours.test"]
[[domain]]
name = "ours.test"
recipients = "{maps}"
[[domain]]
name = "srs.test"
[srs]
domain = "srs.test"
keys = ["{keys}"]
[[filter]]
name = "clamav"
kind = "clamd"
address = ["127.0.0.1:1"]
[[trust_group]]
name = "partners"
members = ["partner.test"]
send = "dane"
header = "X-Partner"
[[dkim_key]]
domain = "ours.test"
selector = "s"
key = "{dkim}"
[[rule]]
name = "one"
action = "hold"
[policy]
directory = "{policy}"
"""


@pytest.mark.parametrize("more", ["", EVERYTHING], ids=["nothing", "everything"])
def test_the_printed_order_is_the_order_of_the_steps(tmp_path: Path, more: str) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "empty.py").write_text("")
    (tmp_path / "maps").write_text("anna@ours.test\n")
    (tmp_path / "keys").write_text("0123456789abcdef0123456789abcdef\n")
    key = ed25519_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "dkim").write_bytes(key)
    text = more.format(**{name: tmp_path / name for name in ("maps", "keys", "policy", "dkim")})

    async def play() -> None:
        async with gateway(tmp_path / "g", text) as running:
            printed = [one.step for one in arriving(running.gateway.config, 0.0)]
            steps = [step.name for step in running.gateway.parts.steps.all]
            assert list(dict.fromkeys(printed)) == steps
            if more:
                assert steps == documented()

    run(play())


def documented() -> list[str]:
    """The steps in the table of docs/policy-which.md."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "policy-which.md").read_text()
    rows = re.findall(
        r"^\| \d+ \| (.*?) \|", page.partition("mail that arrives")[2].partition("\n## ")[0], re.MULTILINE
    )
    return [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)]
