"""The key of reports is tried before a receiver tries it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.dkim.dkim_samples import ed25519_key, rsa_key

from danelaw.config import loads
from danelaw.dkim import PrivateKey
from danelaw.doctor import Finding, Severity
from danelaw.doctor.reports import dkim_keys, report_key
from danelaw.testing import FakeDNS, FakeResolver

RECORD = PrivateKey.from_key(ed25519_key()).record().to_zone("r._domainkey.example.org.").replace(" IN TXT", " TXT")


def found(tmp_path: Path, dns: FakeDNS, key: bytes | None = None, what: str = "send") -> list[Finding]:
    file = tmp_path / "dkim.key"
    file.write_bytes(key or ed25519_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    config = loads(
        f'hostname = "gw.example.org"\n[authentication]\nenabled = true\n[reports]\n{what} = true\n'
        f'dkim_domain = "example.org"\ndkim_selector = "r"\ndkim_key = "{file}"\n'
    )
    resolver: Any = FakeResolver(dns)
    return asyncio.run(report_key(config, resolver))


def test_a_published_key_is_fine(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, FakeDNS(secure=RECORD))
    assert finding.severity is Severity.OK


def test_a_key_that_is_not_published_and_another_one_come_with_the_record(tmp_path: Path) -> None:
    rsa = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for dns, key in ((FakeDNS(), None), (FakeDNS(secure=RECORD), rsa)):
        (finding,) = found(tmp_path, dns, key)
        assert finding.severity is Severity.ERROR
        assert "would not pass DMARC" in finding.what
        assert finding.fix.startswith("publish: r._domainkey.example.org.")


def test_a_key_that_is_not_said_to_be_for_tls_reports_comes_with_the_record(tmp_path: Path) -> None:
    for_tls = RECORD.replace("v=DKIM1;", "v=DKIM1; s=email:tlsrpt;")
    assert for_tls != RECORD
    (_, service) = found(tmp_path, FakeDNS(secure=for_tls), what="tls_send")
    assert (service.check, service.severity) == ("tls-report-key", Severity.OK)
    (_, service) = found(tmp_path, FakeDNS(secure=RECORD), what="tls_send")
    assert service.severity is Severity.WARNING
    assert "s=email:tlsrpt" in service.fix
    (missing,) = found(tmp_path, FakeDNS(), what="tls_send")
    assert "s=email:tlsrpt" in missing.fix


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, FakeDNS(), b"no key")
    assert "dkim.key: there is no private key" in finding.what


def test_keys_that_sign_mail_are_tried_in_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "dkim.key").write_bytes(ed25519_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    section = f'[[dkim_key]]\ndomain = "example.org"\nselector = "r"\nkey = "{tmp_path}/dkim.key"\n'
    config = loads(f'hostname = "gw.example.org"\n{section}')
    for dns, severity in ((FakeDNS(secure=RECORD), Severity.OK), (FakeDNS(), Severity.ERROR)):
        resolver: Any = FakeResolver(dns)
        (finding,) = asyncio.run(dkim_keys(config, resolver))
        assert finding.severity is severity
    assert finding.fix.startswith("publish: r._domainkey.example.org.")
    (tmp_path / "dkim.key").write_text("no key")
    (finding,) = asyncio.run(dkim_keys(config, resolver))
    assert "there is no private key" in finding.what


def test_who_sends_no_reports_hears_nothing() -> None:
    resolver: Any = FakeResolver(FakeDNS())
    assert asyncio.run(report_key(loads('hostname = "gw.example.org"'), resolver)) == []
