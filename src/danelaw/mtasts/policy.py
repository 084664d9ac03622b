"""MTA-STS policies: parsing, writing, matching of MX hosts (RFC 8461 §3.2, §4.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.errors import DanelawError

MAX_POLICY_SIZE = 64 * 1024
"""Octets; RFC 8461 §3.3 suggests this limit."""
MAX_AGE_LIMIT = 31_557_600
"""Seconds in a year, the greatest `max_age` (RFC 8461 §3.2)."""
MAX_MX_PATTERNS = 1000

# RFC 8461 §3.2: sts-policy-ext-name, Domain of RFC 6376's "domain-name" (RFC 5321 sub-domains), 1*10DIGIT.
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,10}", re.ASCII)


class PolicyError(DanelawError, ValueError):
    """The text is no valid policy (TLSRPT result type `sts-policy-invalid`)."""


class PolicyMode(Enum):
    """What to do about a host that fails (RFC 8461 §5)."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class STSPolicy:
    """A policy. `mx` holds the patterns in lower case, A-labels; `max_age` is in seconds."""

    mode: PolicyMode
    mx: tuple[str, ...]
    max_age: int

    @classmethod
    def from_text(cls, text: str | bytes) -> STSPolicy:
        """Parse the body of a policy document. Raises `PolicyError` with the line and what is wrong with it."""
        return _parse(text)

    def to_text(self) -> str:
        """The policy document, lines ended by CRLF."""
        lines = ["version: STSv1", f"mode: {self.mode.value}"]
        lines += [f"mx: {pattern}" for pattern in self.mx]
        lines.append(f"max_age: {self.max_age}")
        return "".join(line + "\r\n" for line in lines)

    def matches(self, host: Domain) -> bool:
        """True when `host` matches an `mx` pattern; `*.` stands for exactly one label (RFC 8461 §4.1)."""
        name = host.ascii
        parent = name.partition(".")[2]
        return any(pattern[2:] == parent if pattern.startswith("*.") else pattern == name for pattern in self.mx)


def _parse(text: str | bytes) -> STSPolicy:
    lines = _lines(text)
    found: dict[str, str] = {}
    patterns: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip(" \t"):
            continue  # a bare line end is among the fields of the grammar
        key, value = _field(number, line)
        if key == "mx":
            patterns.append(_pattern(number, value))
            if len(patterns) > MAX_MX_PATTERNS:
                raise PolicyError(f"more than {MAX_MX_PATTERNS} mx lines")
        else:
            # RFC 8461 §3.2: of a key that stands twice, all but the first are ignored; other keys are extensions.
            found.setdefault(key, value)
    if found.get("version") != "STSv1":
        raise PolicyError(
            f"version is {found['version'][:40]!r}, not STSv1" if "version" in found else "no version line"
        )
    mode = _mode(found.get("mode"))
    max_age = _max_age(found.get("max_age"))
    if not patterns and mode is not PolicyMode.NONE:
        raise PolicyError(f"no mx line, which mode {mode.value} needs")
    return STSPolicy(mode, tuple(dict.fromkeys(patterns)), max_age)


def _lines(text: str | bytes) -> list[str]:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_POLICY_SIZE:
        raise PolicyError(f"the policy is larger than {MAX_POLICY_SIZE} octets")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            raise PolicyError("the policy is not UTF-8 text") from None
    return [line.removesuffix("\r") for line in text.split("\n")]


def _field(number: int, line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon:
        raise PolicyError(f"line {number} has no colon: {line[:40]!r}")
    value = value.strip(" \t")
    if not _KEY.fullmatch(key):
        raise PolicyError(f"line {number}: {key[:40]!r} is no key")
    if not value or any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise PolicyError(f"line {number}: the value of {key} is empty or has control characters")
    return key, value


def _pattern(number: int, value: str) -> str:
    name = value.removeprefix("*.")
    if not _HOST.fullmatch(name):
        raise PolicyError(f"line {number}: {value[:80]!r} is no host name or *. pattern")
    try:
        domain = Domain.from_text(name)
    except DomainError as error:
        raise PolicyError(f"line {number}: {error.reason}") from None
    return ("*." if value.startswith("*.") else "") + domain.ascii


def _mode(value: str | None) -> PolicyMode:
    if value is None:
        raise PolicyError("no mode line")
    try:
        return PolicyMode(value)
    except ValueError:
        raise PolicyError(f"mode is {value[:40]!r}; enforce, testing or none expected") from None


def _max_age(value: str | None) -> int:
    if value is None:
        raise PolicyError("no max_age line")
    if not _SECONDS.fullmatch(value):
        raise PolicyError(f"max_age is {value[:40]!r}; a number of seconds with at most 10 digits expected")
    return min(int(value), MAX_AGE_LIMIT)
