"""Exim as sender and as next hop: in clear text and with STARTTLS, with BDAT, and every octet where it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.exim import Exim, program
from interop.exported import Exported
from interop.gateway import Gateway
from interop.mail import Receiver, message, submit, without_trace
from interop.report import Report

pytestmark = [
    pytest.mark.needs("postfix", "nsd", "unbound"),
    pytest.mark.namespace,
    pytest.mark.skipif(program() is None, reason="Exim could not be unpacked"),
    pytest.mark.timeout(240),
]
SECTION = "Exim"
# Mail host of a domain of the lab with a TLSA record, played by Exim.
NEXT_HOP = "ee-certificate.lab"
PLAIN_HOP = "signed-no-tlsa.lab"


def place_for(exported: Exported, name: str) -> Path:
    """A directory for one Exim, beside the export."""
    return exported.directory.parent / f"exim-{name}"


@pytest.fixture
def next_hop(request: pytest.FixtureRequest, exported: Exported) -> Iterator[Exim]:
    domain, tls = request.param
    host = exported.host(domain)
    exim = Exim(
        place_for(exported, domain), name=host.name, address=host.address, port=25,
        certificate=host.certificate, domain=domain, tls_in=tls,
    )  # fmt: skip
    try:
        exim.start()
        yield exim
    finally:
        exim.stop()


@pytest.mark.parametrize("next_hop", [(NEXT_HOP, True), (PLAIN_HOP, False)], indirect=True, ids=["dane", "clear"])
def test_exim_receives(next_hop: Exim, gateway: Gateway, report: Report, request: pytest.FixtureRequest) -> None:
    domain, tls = request.node.callspec.params["next_hop"]
    identity = f"to-exim-{domain}"
    submit(gateway.host.address, 25, [f"anna@{domain}"], message(identity))
    arrived = next_hop.wait_for(identity)
    assert without_trace(arrived) == message(identity).replace(b"\r\n", b"\n")
    attempt = gateway.first_attempt(identity)
    assert attempt["protection"] == ("DANE" if tls else "clear text"), attempt
    line = next(line for line in next_hop.log.splitlines() if " <= " in line and identity in line)
    assert ("X=TLS" in line) == tls, line
    report.text(
        SECTION,
        f"- danelaw to Exim, {'STARTTLS, verified by DANE' if tls else 'clear text'}: byte for byte; Exim logs "
        f"`{' '.join(word for word in line.split() if word.startswith(('P=', 'X=', 'K', 'S=')))}`",
    )


@pytest.mark.parametrize("tls", [True, False], ids=["starttls", "clear"])
def test_exim_sends_with_bdat(
    tls: bool, exported: Exported, gateway: Gateway, receiver: Receiver, report: Report
) -> None:
    port = 2527 + tls
    exim = Exim(
        place_for(exported, f"sender-{port}"), name="client.example", address="127.0.0.1", port=port,
        certificate=exported.host(NEXT_HOP).certificate, next_hop=gateway.host.address, tls_out=tls,
    )  # fmt: skip
    exim.start()
    try:
        for number, more in enumerate((b"", b"0123456789 \xc3\xa9 abc\r\n" * 20_000)):
            identity = f"from-exim-{tls}-{number}"
            data = message(identity, more=more)
            submit("127.0.0.1", port, ["anna@dane.lab"], data)
            assert without_trace(receiver.wait_for(identity)) == data.replace(b"\r\n", b"\n")
        lines = [line for line in exim.log.splitlines() if " => anna@dane.lab" in line]
    finally:
        exim.stop()
    assert len(lines) == 2, exim.log
    for line in lines:
        assert " K " in line, f"no BDAT: {line}"
        assert ("X=TLS" in line) == tls, line
    report.text(
        SECTION,
        f"- Exim to danelaw, {'STARTTLS' if tls else 'clear text'}, CHUNKING (BDAT): 2 messages, the larger of "
        f"{len(data)} octets, byte for byte on to Postfix; Exim logs `{'X=TLS… K' if tls else 'K'}`",
    )
