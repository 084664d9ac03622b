"""The section about keys that sign mail on its way out (DKIM, RFC 6376)."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from danelaw.config.section import Section
from danelaw.config.values import FilePath, HostName, Text
from danelaw.dkim import PrivateKey, SigningKey
from danelaw.errors import DanelawError


class DKIMKey(Section):
    """A key that signs mail of users and of `[relay] networks` whose author is in its domain."""

    domain: HostName = Field(
        description="The author's domain, which is also the signing one (d=). Mail with one author in exactly this "
        "domain is signed.",
        examples=["example.org"],
    )
    selector: Text = Field(
        description="Selector of the key: its public half is published at `<selector>._domainkey.<domain>`.",
        examples=["2026a"],
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    key: FilePath = Field(
        description="File of the private key, PEM; `danelaw dkim key` makes one.", examples=["/etc/danelaw/dkim.key"]
    )


def signing_keys(tables: Iterable[DKIMKey]) -> tuple[SigningKey, ...]:
    """The keys, read from their files. Raises `DanelawError` naming the file."""
    return tuple(_key(table) for table in tables)


def _key(table: DKIMKey) -> SigningKey:
    try:
        key = PrivateKey.from_pem(table.key.read_bytes())
    except OSError as error:
        raise DanelawError(
            f"the key {table.key} cannot be read: {error.strerror}", advice="correct key in [[dkim_key]]"
        ) from None
    except DanelawError as error:
        raise DanelawError(f"{table.key}: {error.reason}", advice=error.advice) from None
    return SigningKey(table.domain, table.selector, key)
