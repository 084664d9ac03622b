"""One message, its transaction, and a DNS in which everything about it is right."""

from __future__ import annotations

from ipaddress import ip_address

from tests.dkim.dkim_samples import MESSAGE, NOW, rsa_signer, signed

from danelaw.authentication import Examination, ExaminationSettings, Transaction, Verdicts
from danelaw.message import boundary
from danelaw.testing import FakeDNS, run_lookup

__all__ = ["MESSAGE", "NOW", "TRANSACTION", "examined", "internet", "said", "signed", "with_from"]


def said(mail_from: str = "joe@example.org", helo: str = "mx.example.org", ip: str = "192.0.2.1") -> Transaction:
    return Transaction(ip_address(ip), helo, mail_from)


TRANSACTION = said()
STRANGER = said("x@stranger.test", "mx.stranger.test", "203.0.113.9")


def internet(policy: str = "v=DMARC1; p=reject") -> FakeDNS:
    """example.org signs with the key of the samples and sends from 192.0.2.0/24; stranger.test from anywhere."""
    key = rsa_signer().key.record().to_zone("r._domainkey.example.org.").replace(" IN TXT", " TXT")
    return FakeDNS(
        secure=f"""
            example.org.        TXT "v=spf1 ip4:192.0.2.0/24 -all"
            mx.example.org.     TXT "v=spf1 ip4:192.0.2.0/24 -all"
            _dmarc.example.org. TXT "{policy}"
            {key}
        """,
        insecure="""
            stranger.test.      TXT "v=spf1 +all"
        """,
    )


def examined(
    message: bytes,
    dns: FakeDNS | None = None,
    transaction: Transaction = TRANSACTION,
    *,
    piece: int = 1 << 16,
    settings: ExaminationSettings | None = None,
) -> Verdicts:
    """Examine a message in pieces of a size."""
    end, body = boundary(message)
    examination = Examination(message[:end], transaction, now=NOW, settings=settings or ExaminationSettings())
    for start in range(body, len(message), piece):
        examination.update(message[start : start + piece])
    return run_lookup(examination.inquire(), dns or internet(), max_questions=400)


def with_from(*fields: bytes) -> bytes:
    """The sample message with other From fields."""
    old = b"From: Joe SixPack <joe@example.org>\r\n"
    assert old in MESSAGE
    return MESSAGE.replace(old, b"".join(field + b"\r\n" for field in fields))
