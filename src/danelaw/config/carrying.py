"""`[[carrier]]`: ways to hand mail over that are not SMTP."""

from __future__ import annotations

import functools
import ipaddress
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from danelaw.address import SocketAddress
from danelaw.carriers import Template
from danelaw.config.section import Section
from danelaw.config.values import Duration, FilePath, Size, Switch, Text, explained


class Carrier(Section):
    """A folder, a program or a service that mail is handed to. `next_hop = "carrier:NAME"` in `[[domain]]`, `[[route]]`
    or `[delivery]` sends mail there, as policy steps can. Give one of `maildir`, `lmtp`, `pipe` and `url`.
    """

    name: Text = Field(
        pattern="^[a-z0-9][a-z0-9._-]{0,39}$",
        description="What next hops call it: small letters, digits, dots, hyphens.",
        examples=["mailboxes"],
    )
    maildir: Text | None = Field(
        default=None,
        description="A folder in maildir form for each recipient, made when missing: `{local}` and `{domain}` stand "
        "for the recipient in small letters.",
        examples=["/var/mail/{domain}/{local}"],
    )
    lmtp: Text | None = Field(
        default=None,
        description="The socket of a mailbox server on this machine (RFC 2033): `unix:` and a path, or a loopback "
        "address with its port.",
        examples=["unix:/run/dovecot/lmtp"],
    )
    pipe: tuple[Text, ...] = Field(
        default=(),
        description="A program by its absolute path, and its arguments; run without a shell for each recipient, the "
        "message on its standard input. Also `{address}`, `{sender}` and `{id}`. Exit status 0 is delivered, 75 (and "
        "71, 73, 74, 78) try again, others return it.",
        examples=[["/usr/local/bin/archive", "--for", "{address}"]],
    )
    url: Text | None = Field(
        default=None,
        description="Where to post the message, `https://`, or `http://` on this machine. 2xx is delivered, 4xx but "
        "408, 425 and 429 returns it, everything else tries again.",
        examples=["https://desk.example.org/mail"],
    )
    token_file: FilePath | None = Field(
        default=None,
        description="With `url`: a file with the bearer token for it (RFC 6750).",
        examples=["/etc/danelaw/desk.token"],
    )
    quota: Size | None = Field(
        default=None, description="With `maildir`: what fits into one folder; beyond it mail waits.", examples=["2G"]
    )
    timeout: Duration = Field(
        default=timedelta(minutes=1),
        ge=timedelta(milliseconds=100),
        le=timedelta(minutes=30),
        description="With `lmtp`, `pipe` and `url`: the longest time for one message, run or request.",
        examples=["5m"],
    )
    last_stop: Switch | None = Field(
        default=None,
        description="Mail handed over goes no further, so that REQUIRETLS ends there (RFC 8689). Absent: true for "
        "`maildir` and `lmtp`, else false; mail under REQUIRETLS is then returned, and mail for which `encrypted`, "
        "`verified` or `dane` is demanded waits.",
        examples=[True],
    )

    @field_validator("maildir")
    @classmethod
    def _folder(cls, value: str | None) -> str | None:
        if value is not None:
            explained(lambda: Template(value))
            if not value.startswith("/") or "/../" in f"{value}/":
                raise ValueError("write the folder as an absolute path without ..")
            if "{local}" not in value and "{address}" not in value:
                raise ValueError("all recipients would share one folder; put {local} into it")
        return value

    @field_validator("lmtp")
    @classmethod
    def _socket(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.startswith("unix:/") and len(value.encode()) <= 112 and value.isprintable():
            return value
        address = explained(lambda: SocketAddress.from_text(value))
        if not _is_here(address.host):
            raise ValueError("LMTP is for this machine; to others mail goes by SMTP")
        return value

    @field_validator("pipe")
    @classmethod
    def _program(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            explained(functools.partial(Template, text))
        if value and (not value[0].startswith("/") or "{" in value[0]):
            raise ValueError("write the program as an absolute path")
        return value

    @field_validator("url")
    @classmethod
    def _service(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = explained(lambda: urlsplit(value))
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or not value.isascii():
            raise ValueError('write "https://host/path"')
        if parts.scheme == "http" and not _is_here(parts.hostname):
            raise ValueError("http:// can be read on the way; use https://, or an address of this machine")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Carrier:
        kinds = [name for name in ("maildir", "lmtp", "pipe", "url") if getattr(self, name)]
        if len(kinds) != 1:
            raise ValueError("give one of maildir, lmtp, pipe and url")
        if self.quota is not None and kinds != ["maildir"]:
            raise ValueError("quota means something with maildir only")
        if self.token_file is not None and kinds != ["url"]:
            raise ValueError("token_file means something with url only")
        return self

    @property
    def is_last_stop(self) -> bool:
        """Whether mail goes no further from there."""
        return bool(self.maildir or self.lmtp) if self.last_stop is None else self.last_stop


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
