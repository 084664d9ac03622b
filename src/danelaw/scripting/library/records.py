"""What scripts write down and read from the configuration: log lines, numbers of their own, secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.policy import LibraryError
from danelaw.scripting.calling import CALLING
from danelaw.scripting.library.call import library_call

if TYPE_CHECKING:
    from danelaw.telemetry import Log, Metrics

MOST_NAMES = 200
"""Names of metrics a policy may use: each costs memory for ever."""
_LARGEST_SECRET = 64 * 1024


class GatewayLog:
    """`policy.library.Log` in the gateway's log, as events `policy` and `policy-warning`, with hook and message."""

    def __init__(self, log: Log) -> None:
        self._log = log

    @library_call("log.event")
    def event(self, text: str, **facts: str | int | float | bool | None) -> None:
        """Something worth knowing."""
        self._log.event("policy", **_said(text, facts))

    @library_call("log.warning")
    def warning(self, text: str, **facts: str | int | float | bool | None) -> None:
        """Something somebody should look at."""
        self._log.warning("policy-warning", **_said(text, facts))


def _said(text: str, facts: Mapping[str, object]) -> dict[str, object]:
    """What a line says: the hook and the message it is about first, which a script cannot say otherwise."""
    calling = CALLING.get()
    said: dict[str, object] = {} if calling is None else {"hook": calling.hook, "id": calling.message or None}
    said["text"] = text
    return said | {name: value for name, value in facts.items() if name not in said}


class GatewayMeasures:
    """`policy.library.Measures` among the gateway's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._names: set[str] = set()

    @library_call("measures.count")
    def count(self, name: str, by: float = 1.0) -> None:
        """Add to a counter."""
        self._metrics.policy_counter.add(self._known(name), by=by)

    @library_call("measures.gauge")
    def gauge(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._metrics.policy_gauge.set(value, self._known(name))

    def _known(self, name: str) -> str:
        if name in self._names:
            return name
        if len(self._names) >= MOST_NAMES:
            raise LibraryError(f"a policy may have {MOST_NAMES} metrics; do not put addresses or domains into names")
        if not name.isascii() or not name.replace("_", "").replace("-", "").isalnum() or len(name) > 60:
            raise LibraryError(f"{name[:60]!r} is no name of a metric: letters, digits, _ and -")
        self._names.add(name)
        return name


class SecretFiles:
    """`policy.library.Secrets` in files, read when asked for: a new key needs no restart."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    @library_call("secrets.get", hides_result=True)
    def get(self, name: str) -> str:
        """The content of a secret's file."""
        path = self._files.get(name)
        if path is None:
            raise LibraryError(f"there is no secret {name[:60]!r}", advice="name its file in [policy] secrets")
        try:
            with path.open(encoding="utf-8") as file:
                return file.read(_LARGEST_SECRET).removesuffix("\n")
        except (OSError, UnicodeError) as error:
            raise LibraryError(f"the file of secret {name} cannot be read: {error}") from None
