"""Messages and key records of dkimpy, MimeKit and go-msgauth, and the example of RFC 8463 §A."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.dkim.dkim_samples import txt, verified

from danelaw.dkim import (
    BodyHashes,
    DKIMError,
    DKIMKeyRecord,
    DKIMSignature,
    PublicKey,
)
from danelaw.testing import FakeDNS

NOW = 1_700_000_000.0
# What each message must give, signature by signature, and what tells why it is not more.
MESSAGES = {
    "mimekit/gmail.msg": ["pass"],
    "mimekit/multipart-no-end-boundary.msg": ["pass"],
    "mimekit/related.msg": ["pass"],
    "mimekit/rfc8463-example.msg": ["pass", "pass"],
    "dkimpy/data/ed25519test.msg": [],
    "dkimpy/data/ed25519test2.msg": ["pass"],
    "dkimpy/data/message.mbox": ["permerror"],  # its key is not in the data; the body hash is checked below
    "dkimpy/data/rfc6376.msg": [],
    "dkimpy/data/rfc6376.signed.msg": ["pass", "pass"],
    "dkimpy/data/test.message": [],
    "dkimpy/data/test2.message": ["pass"],
    "dkimpy/data/test_extra.message": [],
    "dkimpy/data/test_nofrom.message": [],
}
RECORDS = {
    "badk.txt": "'ed25519-sha256', which is not implemented",
    "badversion.txt": "begins with v='DKIM1: g=*'",
    "test.txt": "",
    "test2.txt": "",
    "test_bad.txt": "p= holds no RSA key",
    "test_tlsrpt.txt": "",
    "ed25519test.dns": "",
    "eximtest.dns": "",
}
CASES = {
    "unsignedMailString": [],
    "verifiedMailString": ["pass"],
    "verifiedRawRSAMailString": ["pass"],
    "verifiedEd25519MailString": ["pass", "pass"],
    "tooManySignaturesMailString": ["pass", "pass", "neutral"],
}

pytestmark = pytest.mark.corpus


def crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.fixture
def data(corpus: Callable[[str], Path]) -> Path:
    return corpus("dkim")


@pytest.fixture
def dns(data: Path) -> FakeDNS:
    published = json.loads((data / "go-msgauth" / "verify.json").read_text("utf-8"))["dns_txt"]
    gmail = (data / "mimekit" / "gmail.pub").read_text("ascii").split("-----")[2].replace("\n", "")
    rsa = (data / "dkimpy" / "data" / "test.txt").read_text("ascii").strip()
    published["20120113._domainkey.gmail.com"] = f"v=DKIM1; k=rsa; p={gmail}"
    published["sed._domainkey.test.ex"] = (data / "dkimpy" / "data" / "eximtest.dns").read_text("ascii").strip()
    # RFC 8463 §A.2; the record in go-msgauth's data under this name is of another key.
    published["test._domainkey.football.example.com"] = rsa.replace(" g=*;", "")
    return FakeDNS(insecure="".join(txt(owner, text) for owner, text in published.items()))


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message(data: Path, dns: FakeDNS, name: str) -> None:
    outcome = verified(crlf((data / name).read_bytes()), dns, now=NOW)
    assert [verdict.result.value for verdict in outcome.verdicts] == MESSAGES[name], outcome


def test_no_message_of_the_collection_is_left_out(data: Path) -> None:
    found = {path.relative_to(data).as_posix() for path in data.rglob("*.m*") if path.is_file()}
    assert found == set(MESSAGES)


@pytest.mark.parametrize("name", CASES)
def test_every_case_of_go_msgauth(data: Path, dns: FakeDNS, name: str) -> None:
    cases = {
        case["name"]: case for case in json.loads((data / "go-msgauth" / "verify.json").read_text("utf-8"))["cases"]
    }
    assert set(cases) == set(CASES)
    most = 2 if name.startswith("tooMany") else 10
    outcome = verified(cases[name]["message_crlf"].encode(), dns, now=NOW, most_signatures=most)
    assert [verdict.result.value for verdict in outcome.verdicts] == CASES[name], outcome


@pytest.mark.parametrize("name", RECORDS)
def test_every_key_record(data: Path, name: str) -> None:
    text = (data / "dkimpy" / "data" / name).read_text("ascii").strip()
    if not RECORDS[name]:
        assert _usable_key(text).bits in (256, 1024)
        assert DKIMKeyRecord.from_text(text).for_mail is (name != "test_tlsrpt.txt")
        return
    with pytest.raises(DKIMError) as error:
        _usable_key(text)
    assert RECORDS[name] in error.value.reason


def _usable_key(text: str) -> PublicKey:
    record = DKIMKeyRecord.from_text(text)
    return PublicKey.from_octets(record.key_type, record.public_key)


def test_the_body_hash_of_a_message_without_published_key(data: Path) -> None:
    from danelaw.message import Header

    message = crlf((data / "dkimpy" / "data" / "message.mbox").read_bytes())
    header = Header.from_bytes(message)
    field = header.first("DKIM-Signature")
    assert field is not None
    signature = DKIMSignature.from_bytes(field.body)
    part = (signature.body_canonicalization, signature.length)
    hashes = BodyHashes([part])
    hashes.update(message[header.body_offset :])
    assert hashes.finish()[part].digest == signature.body_hash
