"""Mail hosts and attackers over real sockets, driven by smtplib and by hand."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import smtplib
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dns.name
import dns.rdatatype
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from lab_running import Running

from danelaw.lab import SCENARIOS, Lab
from danelaw.lab.catalogue.demo import DEMO
from danelaw.lab.channel import Channel, Closed
from danelaw.lab.mailhost import MailHost
from danelaw.lab.received import Journal
from danelaw.lab.scenario import Behaviour, Issuer

_COMMANDS = [
    b"EHLO c\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n", b".\r\n", b"BDAT 3 LAST\r\n", b"RSET\r\n",
    b"BDAT x\r\n", b"STARTTLS\r\n", b"NOOP\r\n", b"\r\n.\r\n",
]  # fmt: skip
BODY = b"Subject: x\r\n\r\n.dots\r\n..more\r\nend\r\n"


def unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def smtp(running: Running, domain: str, position: int = 0, *, tls: bool = True) -> Iterator[smtplib.SMTP]:
    client = smtplib.SMTP(local_hostname="client.lab", timeout=10)
    try:
        client.connect(*running.address(domain, position))
        client.ehlo()
        client._host = f"mx.{domain}"  # type: ignore[attr-defined]  # smtplib takes the SNI from here
        if tls:
            assert client.starttls(context=unchecked())[0] == 220
            client.ehlo()
        yield client
    finally:
        client.close()


@contextmanager
def raw(running: Running, domain: str) -> Iterator[socket.socket]:
    with socket.create_connection(running.address(domain), timeout=10) as connection:
        yield connection


def read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n"):
        more = connection.recv(1)
        if not more:
            break
        data += more
    return data


def test_a_message_arrives_as_it_was_sent_with_the_tls_it_came_by(running: Running) -> None:
    with smtp(running, "dane.lab") as client:
        client.sendmail("a@b.lab", ["anna@dane.lab"], BODY, ["SIZE=40"], ["NOTIFY=NEVER"])
    message = running.lab.received("DANE.lab")[-1]
    assert message.data == BODY
    assert message.recipients == (("anna@dane.lab", ("NOTIFY=NEVER",)),)
    assert "SIZE=40" in message.mail_parameters
    assert message.tls is not None
    assert (message.tls.version, message.tls.sni) == ("TLSv1.3", "mx.dane.lab")
    assert not message.spied
    assert running.lab.exposed("dane.lab")


@pytest.mark.parametrize("body", [b"\r\n", b"..\r\n", b"a\r\n" * 40000])
def test_bodies_of_all_shapes(running: Running, body: bytes) -> None:
    with smtp(running, "ee-sha512.lab") as client:
        client.sendmail("a@b.lab", ["anna@ee-sha512.lab"], body)
    assert running.lab.received("ee-sha512.lab")[-1].data == body


def test_pipelined_commands_and_chunks(running: Running) -> None:
    with raw(running, "ee-full-key.lab") as connection:
        connection.sendall(
            b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@ee-full-key.lab>\r\nBDAT 3\r\na\r\nBDAT 4 LAST\r\nb\r\n.QUIT\r\n"
        )
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    assert answer.splitlines()[-1].startswith(b"221")
    assert running.lab.received("ee-full-key.lab")[-1].data == b"a\r\nb\r\n."


@pytest.mark.parametrize(
    ("domain", "code"), [("starttls-454.lab", 454), ("dane-starttls-554.lab", 554), ("plain.lab", 502)]
)
def test_starttls_refused(running: Running, domain: str, code: int) -> None:
    with smtp(running, domain, tls=False) as client:
        assert client.docmd("STARTTLS")[0] == code
        assert client.has_extn("starttls") == (code != 502)


@pytest.mark.parametrize("domain", ["tls-garbage.lab", "tls-closed.lab"])
def test_no_tls_after_220(running: Running, domain: str) -> None:
    with smtp(running, domain, tls=False) as client, pytest.raises((ssl.SSLError, OSError)):
        client.starttls(context=unchecked())


def test_bytes_are_injected_before_the_handshake(running: Running) -> None:
    with raw(running, "injected.lab") as connection:
        read_line(connection)
        connection.sendall(b"STARTTLS\r\n")
        assert [read_line(connection)[:3] for _ in range(3)] == [b"220", b"250", b"250"]


def test_helo_only(running: Running) -> None:
    with smtp(running, "helo-only.lab", tls=False) as client:
        assert client.ehlo()[0] == 502
        assert client.helo()[0] == 250
        assert client.docmd("MAIL", "FROM:<a@b.lab>")[0] == 250


def test_old_tls_is_tls_1_0_and_nothing_later(running: Running) -> None:
    context = unchecked()
    with smtp(running, "old-tls.lab", tls=False) as client, pytest.raises(ssl.SSLError):
        client.starttls(context=context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with smtp(running, "old-tls.lab", tls=False) as client:
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.version() == "TLSv1"


@pytest.mark.parametrize(
    ("domain", "stage", "code"),
    [
        ("mail-later.lab", "MAIL FROM:<a@b.lab>", 452),
        ("greylist.lab", "RCPT TO:<anna@greylist.lab>", 451),
        ("no-such-user.lab", "RCPT TO:<anna@no-such-user.lab>", 550),
        ("data-later.lab", "DATA", 451),
        ("content-refused.lab", ".", 554),
    ],
)
def test_each_stage_answers_as_declared(running: Running, domain: str, stage: str, code: int) -> None:
    with smtp(running, domain) as client:
        for command in ("MAIL FROM:<a@b.lab>", f"RCPT TO:<anna@{domain}>", "DATA", "."):
            answer = client.docmd(command)[0]
            if command == stage:
                break
        assert answer == code
    assert running.lab.received(domain) == ()


def test_single_recipients_are_refused(running: Running) -> None:
    with smtp(running, "some-refused.lab") as client:
        refused = client.sendmail("a@b.lab", [f"{x}@some-refused.lab" for x in ("anna", "nobody", "later")], BODY)
    assert {address.partition("@")[0]: code for address, (code, _) in refused.items()} == {"nobody": 550, "later": 451}
    assert len(running.lab.received("some-refused.lab")[-1].recipients) == 1


def test_421_comes_first_and_ends_the_connection(running: Running) -> None:
    with raw(running, "busy.lab") as connection:
        assert read_line(connection).startswith(b"421")
        assert connection.recv(10) == b""


def test_a_closed_connection_without_a_word(running: Running) -> None:
    with raw(running, "accepts-and-closes.lab") as connection:
        assert connection.recv(10) == b""


def test_the_connection_drops_after_the_final_dot(running: Running) -> None:
    with smtp(running, "drops-after-dot.lab") as client, pytest.raises(smtplib.SMTPServerDisconnected):
        client.sendmail("a@b.lab", ["anna@drops-after-dot.lab"], BODY)
    assert running.lab.received("drops-after-dot.lab") == ()
    assert len(running.lab.exposed("drops-after-dot.lab")) == 1


@pytest.mark.parametrize(("domain", "position"), [("dead.lab", 0), ("first-mx-dead.lab", 0), ("ipv6-broken.lab", 1)])
def test_dead_addresses_refuse_connections(running: Running, domain: str, position: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(running.address(domain, position), timeout=5)


def test_an_ipv6_address_leads_somewhere(running: Running) -> None:
    assert [source for source in running.lab.routes if source[0].startswith("2001:db8:")]
    with smtp(running, "ipv6.lab") as client:
        assert client.noop()[0] == 250


def test_parameters_nobody_offered_are_refused(running: Running) -> None:
    with smtp(running, "bare.lab") as client:
        assert client.docmd("MAIL FROM:<a@b.lab> SIZE=1")[0] == 555
        assert client.docmd("MAIL FROM:<a@b.lab>")[0] == 250


def test_requiretls_is_offered_inside_tls_only(running: Running) -> None:
    with smtp(running, "requiretls.lab", tls=False) as client:
        assert not client.has_extn("requiretls")
    with smtp(running, "requiretls.lab") as client:
        assert client.has_extn("requiretls")
        assert client.docmd("MAIL FROM:<a@b.lab> REQUIRETLS")[0] == 250
    with smtp(running, "dane.lab") as client:
        assert client.docmd("MAIL FROM:<a@b.lab> REQUIRETLS")[0] == 555


def test_the_stripping_attacker_hides_starttls_and_reads_along(running: Running) -> None:
    with smtp(running, "stripped.lab", tls=False) as client:
        assert not client.has_extn("starttls")
        assert client.has_extn("pipelining")
        assert client.docmd("STARTTLS")[0] == 502
        client.sendmail("a@b.lab", ["anna@stripped.lab"], BODY)
    message = running.lab.received("stripped.lab")[-1]
    assert message.spied
    assert message.tls is None
    assert any(line.startswith("attacker") for line in running.lab.exposed("stripped.lab"))


def test_the_impersonating_attacker_shows_a_certificate_of_its_own_and_reads_along(running: Running) -> None:
    placed = next(h for h in running.lab.world.hosts if h.scenario.domain == "forged-cert.lab")
    with smtp(running, "forged-cert.lab") as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        shown = client.sock.getpeercert(binary_form=True)
        assert running.lab.exposed("forged-cert.lab") == ()
        client.sendmail("a@b.lab", ["anna@forged-cert.lab"], BODY)
    assert shown != placed.shown.certificate.public_bytes(Encoding.DER)
    assert any(line.startswith("attacker") for line in running.lab.exposed("forged-cert.lab"))
    assert running.lab.received("forged-cert.lab")[-1].spied


def test_every_host_shows_what_the_scenario_says(running: Running) -> None:
    """TLSA 3 1 1 in DNS is the key shown, names and dates are as declared, attackers excepted."""
    for placed in running.lab.world.hosts:
        certificate = placed.shown.certificate
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        declared = placed.host.certificate.names or (placed.name,)
        assert tuple(names.get_values_for_type(x509.DNSName)) == declared
        issuer = certificate.issuer.rfc4514_string()
        wanted = {Issuer.PUBLIC: "Public", Issuer.PRIVATE: "Private", Issuer.SELF: declared[0]}
        assert wanted[placed.host.certificate.issuer] in issuer


@pytest.mark.parametrize("domain", ["dane.lab", "expired-cert.lab", "rollover.lab", "ee-wrong-name.lab"])
def test_the_key_shown_is_the_key_published(running: Running, domain: str) -> None:
    with smtp(running, domain) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        shown = x509.load_der_x509_certificate(client.sock.getpeercert(binary_form=True) or b"")
    digest = hashlib.sha256(shown.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    found = running.lab.world.recursion.resolve(*_tlsa(domain))
    assert digest in [rdata.to_digestable()[3:] for rdata in found.answer[0]]


def _tlsa(domain: str) -> tuple[dns.name.Name, dns.rdatatype.RdataType]:
    return dns.name.from_text(f"_25._tcp.mx.{domain}."), dns.rdatatype.TLSA


def test_public_certificates_satisfy_a_verifying_client(running: Running) -> None:
    context = ssl.create_default_context(cadata=running.lab.roots_pem.decode())
    with smtp(running, "sts.lab", tls=False) as client:
        client.starttls(context=context)
    with smtp(running, "private-ca.lab", tls=False) as client, pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=context)


@given(st.lists(st.sampled_from(_COMMANDS) | st.binary(max_size=80), max_size=12))
def test_any_bytes_end_in_an_orderly_way(pieces: list[bytes]) -> None:
    async def converse() -> None:
        near, far = socket.socketpair()
        far.setblocking(False)
        channel = Channel(far)
        with near:
            near.sendall(b"".join(pieces))
            near.shutdown(socket.SHUT_WR)
            try:
                with contextlib.suppress(Closed):
                    await MailHost("mx.x.lab", Behaviour(), None, Journal()).converse(channel)
            finally:
                channel.close()
            assert near.recv(65536).startswith(b"220 ")

    asyncio.run(converse())


def test_nobody_wrote_to_the_others(running: Running) -> None:
    untouched = {"forged-dns.lab", "sts-downgrade.lab", "tlsa-silent.lab"}
    assert untouched <= {s.domain for s in SCENARIOS}
    assert [running.lab.exposed(domain) for domain in sorted(untouched)] == [(), (), ()]


@pytest.mark.skipif(os.geteuid() != 0, reason="port 25 belongs to root")
def test_with_root_port_25_is_used_directly() -> None:
    async def knock() -> tuple[bytes, set[int]]:
        lab = Lab([scenario for scenario in DEMO if scenario.domain in ("dane.lab", "sts.lab")], port25=True)
        try:
            await lab.start()
        except OSError as error:
            pytest.skip(f"port 25 cannot be had here: {error}")
        try:
            address = lab.world.hosts[0].addresses[0][0]
            reader, writer = await asyncio.open_connection(address, 25)
            greeting = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return greeting, {port for _, port in lab.routes}
        finally:
            await lab.close()

    greeting, routed = asyncio.run(knock())
    assert greeting == b"220 mx.dane.lab ESMTP lab\r\n"
    assert routed == {443}
