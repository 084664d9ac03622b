"""What the sub-commands of `danelaw policy` share: the store of versions, who acts, and whether workers follow."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.config import Config
    from danelaw.scripting.versioning.ledger import Ledger
    from danelaw.scripting.versioning.shelf import Shelf
    from danelaw.scripting.versioning.standing import Standing

_FOLLOW_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 0.1
_LEAST_PREFIX = 4


@dataclass(slots=True)
class Policies:
    """The versions of one gateway."""

    config: Config
    shelf: Shelf
    ledger: Ledger

    def standing(self) -> Standing:
        """How it stands. Raises `PolicyError` before the first start, or where it cannot be read."""
        from danelaw.scripting import PolicyError

        found = self.ledger.standing()
        if found is None:
            raise PolicyError("no policy has run here yet", advice="start the gateway once: danelaw serve")
        return found

    def folder(self, given: Path | None) -> Path:
        """The folder a command means: the one given, else the configuration's. Raises `PolicyError`."""
        from danelaw.scripting import PolicyError

        found = given or self.config.policy.directory
        if found is None:
            raise PolicyError("the configuration names no [policy] directory", advice="name a folder, or set it")
        return found

    def keep(self, folder: Path, now: float, who: str) -> str:
        """Copy a policy and write down where it came from; gives its version. Raises `PolicyError`."""
        from danelaw.scripting.loading import policy_files, version_of
        from danelaw.scripting.versioning.ledger import Stored

        version = version_of(folder, policy_files(folder))
        self.ledger.note(Stored(version, now, who, str(folder.resolve())))  # first: what is not noted may be removed
        return self.shelf.keep(folder)

    def version(self, text: str) -> str:
        """A version by its name or the beginning of it. Raises `PolicyError`."""
        from danelaw.scripting import PolicyError

        found = sorted(one for one in self.shelf.versions() if one.startswith(text.lower()))
        if len(found) == 1 and len(text) >= _LEAST_PREFIX:
            return found[0]
        why = f"{len(found)} versions begin with {text!r}" if found else f"there is no version {text[:40]!r}"
        raise PolicyError(why, advice="danelaw policy list")


@contextlib.contextmanager
def policies(config: Config, *, read_only: bool = False) -> Iterator[Policies]:
    """Open the store. Raises `PolicyError`, `StateError`."""
    from danelaw.scripting import PolicyError
    from danelaw.scripting.versioning.ledger import Ledger
    from danelaw.scripting.versioning.shelf import Shelf
    from danelaw.state import FILE_NAME

    spool = config.spool.directory
    if not (spool / FILE_NAME).is_file():
        raise PolicyError(f"the spool {spool} does not exist yet", advice="start the gateway once: danelaw serve")
    ledger = Ledger(spool, read_only=read_only)
    try:
        yield Policies(config, Shelf(spool), ledger)
    finally:
        ledger.close()


def caller() -> str:
    """Who types this."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    by = os.environ.get("SUDO_USER", "")
    return f"{by} as {name}" if by and by != name else name


def running(config: Config) -> dict[str, Any] | None:
    """What the processes of the running gateway say of their policy; None where none runs."""
    from danelaw.cli.control import NoServer, call

    try:
        found: dict[str, Any] = call(config.control_socket, "policy.status", {})
    except NoServer:
        return None
    return found


@dataclass(frozen=True, slots=True)
class Followers:
    """Whether the processes of a gateway have taken up a change: how many there are, how many have not (or do not
    answer), and what they cannot use, as process id, version and reason. `why_unknown` where they could not be asked.
    """

    workers: int = 0
    late: int = 0
    troubles: tuple[tuple[int, str, str], ...] = ()
    why_unknown: str = ""

    def to_object(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def say(self, out: Output) -> None:
        """In words."""
        if self.why_unknown:
            out.line(f"  The running gateway does not say whether it follows: {self.why_unknown}.")
        elif not self.workers:
            out.line("  No gateway runs; it counts from the next start on.")
        for pid, version, reason in self.troubles:
            out.line(f"  Process {pid} cannot use {version}: {reason}.")
        if self.late:
            out.line(f"  {self.late} of {self.workers} workers have not taken it up yet.")
        elif self.workers and not self.troubles:
            words = "The gateway has" if self.workers == 1 else f"All {self.workers} workers have"
            out.line(f"  {words} taken it up; open connections stay with the version they began with.")


def followers(config: Config, standing: Standing) -> Followers:
    """Wait until every worker has taken a change up, a few seconds at most."""
    end = time.monotonic() + _FOLLOW_SECONDS
    while True:
        try:
            found = running(config)
        except DanelawError as error:
            return Followers(why_unknown=error.reason)
        if found is None:
            return Followers()
        late = found["silent"] + sum(one["serial"] < standing.serial for one in found["workers"])
        if not late or time.monotonic() > end:
            break
        time.sleep(_ASK_AGAIN_SECONDS)
    troubles = tuple((one["pid"], *trouble) for one in found["workers"] for trouble in one["troubles"])
    return Followers(len(found["workers"]) + found["silent"], late, troubles)
