"""Hooks that are asked over HTTP, in any language."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from danelaw.config.section import Section
from danelaw.config.values import Count, Duration, FilePath, Size, Text
from danelaw.policy import POINTS

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z", re.ASCII)
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z", re.ASCII)
_OURS = frozenset({"authorization", "connection", "content-encoding", "content-length", "content-type", "host",
                   "transfer-encoding", "expect"})  # fmt: skip


class HTTPHook(Section):
    """A server that is asked by POST with JSON at steps of a mail's life, like a hook of the policy."""

    name: Text = Field(
        description="One word: in the log, in metrics and in `explain`, as `http:NAME@STEP`.", examples=["crm"]
    )
    url: Text = Field(
        description="Where to ask. `https://`; `http://` only to this machine, since mail goes over it.",
        examples=["https://hooks.example.org/mail"],
    )
    at: tuple[Text, ...] = Field(
        min_length=1,
        description="The steps at which it is asked, by the names of hooks.",
        examples=[["rcpt_to", "end_of_data"]],
    )
    order: Count = Field(
        default=0,
        ge=-1000,
        le=1000,
        description="Its place among hooks; behind scripts of the same order.",
        examples=[-1],
    )
    time: Duration = Field(
        default=timedelta(seconds=5),
        gt=timedelta(),
        le=timedelta(seconds=110),
        description="For everything: a connection, the question, the answer.",
        examples=["2s"],
    )
    on_failure: Literal["defer", "ignore"] = Field(
        default="defer",
        description="When it does not answer, or answers nonsense: `defer` the mail, or `ignore` it, as if it had "
        "nothing to say.",
        examples=["ignore"],
    )
    body: Literal["none", "header", "whole"] = Field(
        default="none",
        description="What is sent of the message itself, where there is one: nothing, the fields of its `header` in "
        "the JSON, or also the `whole` message, as octets in a second part beside the JSON.",
        examples=["whole"],
    )
    largest: Size = Field(
        default=10 << 20, description="Of a larger message only the header is sent.", examples=["50M"]
    )
    at_once: Count = Field(
        default=50, ge=1, le=10_000, description="Connections at a time; they are kept.", examples=[10]
    )
    headers: dict[Text, Text] = Field(
        default={}, description="Fields added to every request.", examples=[{"X-Gateway": "mx1"}]
    )
    secret: FilePath | None = Field(
        default=None,
        description="File with a token, sent as `Authorization: Bearer`. Read anew when it has changed.",
        examples=["/etc/danelaw/crm.token"],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of authorities that may sign the server's certificate. Absent: the system's.",
        examples=["/etc/danelaw/hooks-ca.pem"],
    )

    @field_validator("name")
    @classmethod
    def _one_word(cls, value: str) -> str:
        if not _NAME.match(value):
            raise ValueError(f"{value!r} is no name; use lower-case letters, digits, - and _, such as crm-1")
        return value

    @field_validator("at")
    @classmethod
    def _known_steps(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in POINTS or name == "timer":
                known = ", ".join(one for one in POINTS if one != "timer")
                raise ValueError(f"{name!r} is no step; the steps are {known}")
        if len(set(value)) < len(value):
            raise ValueError("a step appears twice; keep one of them")
        return value

    @field_validator("url")
    @classmethod
    def _mail_is_not_sent_in_clear(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"{value!r} is no URL; {error}") from None
        if parts.scheme not in ("http", "https") or not host or parts.fragment:
            raise ValueError(f'{value!r} is no URL of HTTP; write "https://host/path"')
        if parts.username is not None:
            raise ValueError("a URL with a password ends up in logs; put a token into a file and name it in secret")
        if parts.scheme == "http" and not _is_here(host):
            raise ValueError(f"mail would go to {host} in clear text; write https://")
        return value

    @field_validator("headers")
    @classmethod
    def _sendable_fields(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _FIELD.match(name) or name.lower() in _OURS:
                raise ValueError(f"{name!r} cannot be set here; tokens belong into secret")
            if not text.isprintable():
                raise ValueError(f"the value of {name} has control characters; write one line of text")
        return value


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
