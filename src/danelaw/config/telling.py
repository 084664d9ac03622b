"""Sections about telling others how mail travels: the safety API, and the Danelaw-Transport field."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, Strict, field_validator, model_validator

from danelaw.config.section import Section
from danelaw.config.values import Duration, FilePath, IPNetwork, ListenAddress, Switch, Text, explained
from danelaw.net.forbidden import PRIVATE
from danelaw.queue.rates import Rate


class Safety(Section):
    """The safety API: "how safe is this address?" over HTTP, for webmails and other programs."""

    listen: ListenAddress | None = Field(
        default=None,
        description="Address and port; absent: no API. It speaks HTTP without TLS: loopback, or behind a TLS front.",
        examples=["127.0.0.1:8027"],
    )
    tokens: FilePath | None = Field(
        default=None,
        description="File of those who may ask, one `NAME sha256:HEX` a line, made by `danelaw safety token`. Read "
        "again when it changes.",
        examples=["/etc/danelaw/safety-tokens"],
    )
    allow: tuple[IPNetwork, ...] = Field(
        default=(),
        description="Clients that need no token, by the address they connect from. Behind a front everybody has the "
        "front's address: use tokens there.",
        examples=[["127.0.0.1", "10.0.0.0/8"]],
    )
    rate: Text = Field(
        default="1200/min", description="Addresses that one token or client may ask about.", examples=["100/s"]
    )
    live_rate: Text = Field(
        default="240/min",
        description="How many of them may need a look-up, since nothing is remembered of them.",
        examples=["60/min"],
    )
    bulk: Annotated[int, Strict(), Field(ge=1, le=1000)] = Field(
        default=100, description="Most addresses in one request.", examples=[20]
    )
    deadline: Duration = Field(
        default=timedelta(seconds=2),
        description="How long an answer may take where the request does not say; what is known by then is answered, "
        "and marked as partial.",
        examples=["1s"],
    )
    longest_deadline: Duration = Field(
        default=timedelta(seconds=10), description="The longest that a request may wish for.", examples=["5s"]
    )
    cache: Duration = Field(
        default=timedelta(minutes=10),
        description="For how long an answer is remembered at most; DNS may say less.",
        examples=["1h"],
    )
    cache_entries: Annotated[int, Strict(), Field(ge=100, le=1_000_000)] = Field(
        default=10_000, description="Domains, and addresses, that are remembered.", examples=[50000]
    )
    at_once: Annotated[int, Strict(), Field(ge=1, le=1000)] = Field(
        default=64, description="Look-ups under way at once.", examples=[16]
    )
    keys: Switch = Field(
        default=True,
        description="Look for keys of end-to-end encryption too. The web key directory of the domain is asked over "
        "HTTPS, so its owner sees that somebody wants to write.",
        examples=[False],
    )
    probe: Switch = Field(
        default=False,
        description="Connect to the servers of a domain as far as the end of the TLS handshake to see what they offer. "
        "Nothing is sent. Off: DNS, policies and our own deliveries tell.",
        examples=[True],
    )
    probe_every: Duration = Field(
        default=timedelta(minutes=10), ge=timedelta(minutes=1),
        description="One probe per domain in this time.", examples=["1h"],
    )  # fmt: skip
    probes_at_once: Annotated[int, Strict(), Field(ge=1, le=64)] = Field(
        default=4, description="Domains probed at once.", examples=[8]
    )
    forbidden_networks: tuple[IPNetwork, ...] = Field(
        default=PRIVATE,
        description="Never connected to for a question, whatever name leads there: neither by probes nor for keys or "
        "policies; also not as IPv4 addresses within IPv6 ones (NAT64, 6to4). By default the private and special "
        "networks.",
        examples=[["10.0.0.0/8", "127.0.0.0/8"]],
    )
    origins: tuple[Text, ...] = Field(
        default=(),
        description="Web origins whose pages may read answers (CORS). Empty: none; a webmail's server asks for it.",
        examples=[["https://mail.example.org"]],
    )

    @field_validator("rate", "live_rate")
    @classmethod
    def _rates(cls, value: str) -> str:
        rate: Rate = explained(lambda: Rate.from_text(value))
        if rate.count == 0:
            raise ValueError('a rate of nothing answers nobody; leave listen out, or write at least "1/min"')
        return value

    @field_validator("origins", mode="after")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not text.startswith(("https://", "http://")) or text.count("/") != 2 or not text.isascii():
                raise ValueError(f'{text!r} is no web origin; write "https://mail.example.org"')
        return value

    @model_validator(mode="after")
    def _somebody_may_ask(self) -> Safety:
        if self.listen is not None and self.tokens is None and not self.allow:
            raise ValueError("nobody may ask; add tokens or allow")
        return self


class TransportField(Section):
    """The Danelaw-Transport field: tells a webmail how a message came to this gateway."""

    add: Switch = Field(
        default=False,
        description="Add it to mail for our own domains (`[[domain]]`), when it is handed on. Off, as it changes what "
        "is delivered. Fields of that name in mail that comes in are removed in any case.",
        examples=[True],
    )
