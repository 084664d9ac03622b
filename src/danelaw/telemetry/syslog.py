"""Syslog headers around a line.

Over UDP they follow RFC 5424. Local daemons (journald, rsyslog's imuxsock) parse what the C library's
syslog(3) writes, the older form of RFC 3164 §4.1.2, and show an RFC 5424 header as part of the text.
"""

from __future__ import annotations

import os
import time

from danelaw.telemetry.lines import DEBUG, ERROR, INFO, WARNING, Fields, Form, Stamp

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FACILITY_MAIL = 2
_SEVERITY = {DEBUG: 7, INFO: 6, WARNING: 4, ERROR: 3}
_PRIORITY = {level: _FACILITY_MAIL * 8 + severity for level, severity in _SEVERITY.items()}


def local_form(body: Form) -> Form:
    """`<22>Nov 28 09:14:03 danelaw[123]: …`, local time."""
    process = os.getpid()

    def line(now: float, level: int, name: str, fields: Fields) -> str:
        when = time.localtime(now)
        clock = f"{when.tm_mday:2d} {when.tm_hour:02d}:{when.tm_min:02d}:{when.tm_sec:02d}"
        head = f"<{_PRIORITY[level]}>{_MONTHS[when.tm_mon - 1]} {clock} danelaw[{process}]: "
        return head + body(now, level, name, fields)

    return line


def network_form(body: Form, hostname: str) -> Form:
    """`<22>1 2026-11-28T09:14:03.120Z mail.example.org danelaw 123 delivered - …` (RFC 5424 §6)."""
    process, stamp = os.getpid(), Stamp()

    def line(now: float, level: int, name: str, fields: Fields) -> str:
        head = f"<{_PRIORITY[level]}>1 {stamp(now)} {hostname} danelaw {process} {name[:32]} - "
        return head + body(now, level, name, fields)

    return line
