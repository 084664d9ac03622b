"""Sections about running the gateway: storage, history, logs, HTTP, control socket, lab, doctor."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict, field_validator, model_validator

from danelaw.address import Domain, SocketAddress
from danelaw.config.section import Section
from danelaw.config.values import (
    Duration,
    FilePath,
    HostName,
    ListenAddress,
    Size,
    Switch,
    Text,
    explained,
)


class Server(Section):
    """The processes of the running gateway."""

    workers: Literal["auto"] | Annotated[int, Strict(), Field(ge=0, le=32)] = Field(
        default=0,
        description="Processes that carry mail. 0: one process does everything. With more a supervisor keeps the "
        'listening sockets and replaces workers that die or hang; `"auto"` is one for each processor but the first.',
        examples=["auto", 4],
    )
    worker_stall_limit: Duration = Field(
        default=timedelta(seconds=30),
        description="A worker that gives no sign of life for so long is killed and replaced. Accepted mail stays on "
        "disk; a message that was in hand twice when that happened is held.",
        examples=["1m"],
    )
    shared_state: Size = Field(
        default=64 << 20,
        ge=1 << 16,
        description="Room for what policy scripts share: counters, rates, sets, values, semaphores.",
        examples=["256M"],
    )

    @property
    def worker_count(self) -> int:
        """`workers` as a number on this machine."""
        if self.workers == "auto":
            return max(1, len(os.sched_getaffinity(0)) - 1)
        return self.workers


class Spool(Section):
    """Where accepted mail lives until it is delivered."""

    directory: FilePath = Field(
        default=Path("/var/lib/danelaw"),
        description="Directory of the spool, on a disk that honours fsync; one per running gateway.",
        examples=["/var/lib/danelaw"],
    )
    min_free: Size = Field(
        default=256 << 20,
        description="Free space below which new mail is answered with 452 4.3.1 (RFC 3463 §3.4) until there is more.",
        examples=["2G"],
    )


class History(Section):
    """What is remembered about finished messages, with the evidence for each verdict."""

    keep: Duration = Field(default=timedelta(days=30), description="Age at which it is forgotten.", examples=["7d"])
    max_size: Size = Field(
        default=1 << 30, description="Space for history and evidence; the oldest go first.", examples=["200M"]
    )
    redact: Switch = Field(
        default=False,
        description="Keep no local parts of addresses: `a…@example.org` in history, once a message is finished.",
        examples=[True],
    )


class Log(Section):
    """Where events are written and how."""

    to: Literal["stdout", "file", "syslog"] = Field(default="stdout", description="Destination.", examples=["syslog"])
    format: Literal["text", "json"] = Field(
        default="text", description="`text` for people, `json` one object per line.", examples=["json"]
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least important level written.", examples=["warning"]
    )
    file: FilePath | None = Field(
        default=None, description="For `file`: the path; reopened on SIGHUP.", examples=["/var/log/danelaw.log"]
    )
    syslog: Text = Field(
        default="/dev/log",
        description="For `syslog`: path of the local socket, or `udp://address:port` (RFC 5424, RFC 5426).",
        examples=["udp://192.0.2.7:514"],
    )

    @field_validator("syslog")
    @classmethod
    def _syslog_target(cls, value: str) -> str:
        if value.startswith("udp://"):
            explained(lambda: SocketAddress.from_text(value.removeprefix("udp://"), 514))
        elif not value.startswith("/"):
            raise ValueError(f'{value!r} is neither a path nor udp://address:port; write "/dev/log"')
        return value

    @model_validator(mode="after")
    def _file_named(self) -> Log:
        if self.to == "file" and self.file is None:
            raise ValueError('to = "file" needs a path; add file = "/var/log/danelaw.log"')
        return self


class HTTP(Section):
    """A small HTTP server for /metrics, /healthy and /ready."""

    listen: ListenAddress | None = Field(
        default=None,
        description="Address and port; absent: no HTTP server. It has no access control.",
        examples=["127.0.0.1:8025"],
    )


class Control(Section):
    """The socket over which commands reach the running gateway."""

    socket: FilePath | None = Field(
        default=None,
        description="Path of the Unix socket. Absent: `control.sock` in the spool.",
        examples=["/run/danelaw/control.sock"],
    )
    group: Text | None = Field(
        default=None, description="Unix group that may use it beside the gateway's own user.", examples=["postmaster"]
    )


class Lab(Section):
    """Only for laboratories on one machine."""

    routes: dict[Text, Text] = Field(
        default={},
        description="Where a connection to an address and port really goes, both as `address:port`. Names, policies "
        "and TLSA owners stay those of the address asked for.",
        examples=[{"127.1.0.1:25": "127.0.0.1:10025"}],
    )

    @field_validator("routes")
    @classmethod
    def _socket_addresses(cls, value: dict[str, str]) -> dict[str, str]:
        def normal(text: str) -> str:
            address: SocketAddress = explained(lambda: SocketAddress.from_text(text))
            return address.to_text()

        return {normal(source): normal(target) for source, target in value.items()}

    @property
    def dial(self) -> dict[tuple[str, int], tuple[str, int]]:
        """The routes as `net.dialer` takes them."""
        return {
            SocketAddress.from_text(source).pair: SocketAddress.from_text(target).pair
            for source, target in self.routes.items()
        }


class Doctor(Section):
    """What `danelaw doctor` and the start of the gateway try out."""

    port25_hosts: tuple[HostName, ...] = Field(
        default=(Domain("gmail-smtp-in.l.google.com"), Domain("mxext1.mailbox.org"), Domain("mx-ha02.web.de")),
        description="Unrelated mail servers that are contacted (greeting only) to see whether this network lets port "
        "25 out. Empty: not tried.",
        examples=[["mx.example.net"]],
    )
    at_start: Switch = Field(default=True, description="Run the checks when the gateway starts.", examples=[False])
