"""A process's side of the versions: what is written down is followed, copies are loaded and forgotten.

`look` is cheap where nothing has changed and is called twice a second. A version that cannot be loaded never replaces
one that runs; where none runs, everything is deferred until one can be loaded.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.scripting.errors import PolicyError
from danelaw.scripting.loading import EMPTY, LoadedPolicy, load, policy_files, version_of
from danelaw.scripting.versioning.ledger import MOST_ACTS, Ledger, Stored
from danelaw.scripting.versioning.portion import Portion
from danelaw.scripting.versioning.quota import Quota
from danelaw.scripting.versioning.retiring import LEAST_KEPT, unneeded
from danelaw.scripting.versioning.shelf import Shelf
from danelaw.scripting.versioning.standing import Act, Standing
from danelaw.scripting.versioning.versions import Candidate, Versions, unusable

if TYPE_CHECKING:
    from danelaw.telemetry import Log

GATEWAY = "the gateway"
_TRY_AGAIN_SECONDS = 5.0
_MOST_KEPT = 8


class Following:
    """`configured` is the directory that the configuration names; it counts at the very first start only. `clock`
    gives POSIX seconds.
    """

    def __init__(
        self,
        spool: Path,
        configured: Path,
        log: Log,
        clock: Callable[[], float],
        loader: Callable[[Path], LoadedPolicy] = load,
    ) -> None:
        """Load what is active. Raises `PolicyError` for a faulty policy at the very first start, `StateError`."""
        self.shelf = Shelf(spool)
        self.ledger = Ledger(spool)
        self.standing: Standing | None = None
        self.versions = Versions(find=self.of_message)
        self.troubles: dict[str, str] = {}
        self._configured = configured
        self._log = log
        self._clock = clock
        self._loader = loader
        self._loaded: weakref.WeakValueDictionary[str, LoadedPolicy] = weakref.WeakValueDictionary()
        self._kept: dict[str, LoadedPolicy] = {}
        self._said: dict[str, str] = {}
        self._try_again = float("inf")
        try:
            self._begin()
        except BaseException:
            self.ledger.close()
            raise

    def look(self) -> bool:
        """Take up what has changed; True when connections that begin now have other versions than before."""
        now = self._clock()
        if not self.ledger.changed_elsewhere() and now < self._try_again:
            return False
        return self._read(now)

    def of_message(self, version: str) -> LoadedPolicy:
        """The version that goes on with a message which `version` has judged: that one, unless it has been withdrawn
        or rolled back from; then the active one. What cannot be loaded any more defers.
        """
        if version == EMPTY.version:
            return self.versions.active
        if self.standing is not None:
            version = self.standing.judging(version)
        for known in (self.versions.active, *(self.versions.waiting or ())):
            if known.version == version:
                return known
        try:
            return self._load(version)
        except PolicyError:
            return unusable(version, self.shelf.directory)

    def keep_for(self, needed: Iterable[str]) -> bool:
        """Mail in the queue was judged by these versions: their hooks beside deliveries are asked. True when that
        changes anything.
        """
        standing, before = self.standing, self.versions
        if standing is None:
            return False
        waiting = []
        # Mail that came while there was no policy goes on with the active one, as what was rolled back from does.
        without = {EMPTY.version, *standing.in_use, *standing.revoked}
        for version in sorted(set(needed) - without):
            try:
                waiting.append(self._load(version))
            except PolicyError as error:
                self._trouble(version, error, self._clock(), "mail that it has judged is deferred")
                waiting.append(unusable(version, self.shelf.directory))
        if before.waiting is not None and {*waiting} == {*before.waiting}:
            return False
        self.versions = replace(before, waiting=tuple(waiting))
        return True

    def remove_old(self, needed: Iterable[str], now: float) -> list[str]:
        """Remove copies that nobody needs any more (`needed` are those of mail in the queue); gives their versions."""
        if self.standing is None:
            return []
        copies = self.shelf.versions()
        for version in copies - {one.version for one in self.ledger.stored()}:
            self.ledger.note(Stored(version, now, GATEWAY, "found in the spool"))  # it grows old from now on
        stored, acts = self.ledger.stored(), self.ledger.acts(MOST_ACTS)
        removed = unneeded(copies, self.standing, stored, acts, needed, now)
        for version in removed:
            self.shelf.remove(version)
            self.ledger.forget(version)
        return removed

    def withdraw(self, version: str, why: str) -> None:
        """Take a staged version back on the gateway's own account, in all processes. Does nothing for another one."""
        candidate = self.versions.candidate
        if candidate is None or candidate.policy.version != version:
            return
        candidate.is_open = False
        self._take_back(version, why)
        self._read(self._clock())

    def close(self) -> None:
        """Close what is open."""
        self.ledger.close()

    # beginning

    def _begin(self) -> None:
        now = self._clock()
        try:
            standing = self.ledger.standing()
        except PolicyError as error:
            self._defer_everything("unknown", error, now)
            return
        self.standing = standing if standing is not None else self._install(now)
        if self.standing is None:
            return
        self._restore(self.standing.active)
        self._take_up(self.standing, now)
        self._say_what_differs(self.standing)

    def _install(self, now: float) -> Standing | None:
        """The very first start: what the configured directory holds becomes active."""
        version = version_of(self._configured, policy_files(self._configured))
        others = sorted(self.shelf.versions() - {version})
        if others:
            error = PolicyError(
                f"{self.shelf.directory} has versions of the policy, but which of them is active is not written down "
                "in state.db",
                advice=f"say it: danelaw policy promote {others[0]}",
            )
            self._defer_everything("unknown", error, now)
            return None
        self._loader(self._configured)  # faults are told with the names of the files that people edit
        self.ledger.note(Stored(version, now, GATEWAY, str(self._configured)))
        self.shelf.keep(self._configured)
        return self.ledger.install(Act("installed", version, now, GATEWAY, why=f"first start, {self._configured}"))

    def _restore(self, version: str) -> None:
        """A copy that was lost or damaged is made again where the configured directory has the same files."""
        if self.shelf.is_whole(version):
            return
        try:
            if version_of(self._configured, policy_files(self._configured)) == version:
                self.shelf.keep(self._configured)
                self._log.warning("policy-restored", policy=version, reason="its copy in the spool was not whole")
        except PolicyError:
            pass  # what is wrong with the copy is said when it is loaded

    def _say_what_differs(self, standing: Standing) -> None:
        try:
            found = version_of(self._configured, policy_files(self._configured))
        except PolicyError as error:
            self._log.warning("policy-differs", reason=error.reason, active=standing.active)
            return
        if found != standing.active:
            self._log.warning(
                "policy-differs",
                active=standing.active,
                directory=found,
                reason=f"the files in {self._configured} are not what runs",
                advice="danelaw policy status; to run them: danelaw policy stage, then danelaw policy promote",
            )

    # following

    def _read(self, now: float) -> bool:
        self._try_again = float("inf")
        try:
            standing = self.ledger.standing()
            if standing is None:
                return False
        except DanelawError as error:
            if self.standing is None:
                self._try_again = now + _TRY_AGAIN_SECONDS
            self._log.error("policy-unreadable", reason=error.reason, advice="danelaw policy promote VERSION")
            return False
        settled = self.standing is not None and self.standing.serial == standing.serial
        if settled and self.versions.active.version == standing.active and not self.troubles:
            return False
        before = self.versions
        self._take_up(standing, now)
        return self.versions is not before

    def _take_up(self, standing: Standing, now: float) -> None:
        before, self.standing = self.versions, standing
        self.troubles = {}
        try:
            active = self._load(standing.active)
        except PolicyError as error:
            if not before.active.files:  # nothing that could go on instead
                self._defer_everything(standing.active, error, now)
                return
            active = before.active
            self._trouble(standing.active, error, now, f"{active.version} goes on")
        candidate = self._candidate(
            active.version, before.candidate, standing.staged, standing.portion, standing.trial, now
        )
        shadow = self._candidate(active.version, before.shadow, standing.shadow, standing.shadow_portion, 0, now)
        if (active, candidate, shadow) == (before.active, before.candidate, before.shadow):
            return
        waiting = _waiting(before, {active.version, standing.staged, *standing.revoked})
        self.versions = Versions(active, candidate, shadow, waiting, self.of_message)
        self._kept = {
            one: self._loaded[one] for one in [*self._kept, *standing.in_use, standing.previous] if one in self._loaded
        }
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._log.event(
            "policy-versions",
            active=active.version,
            staged=None if candidate is None else candidate.policy.version,
            part=None if candidate is None else candidate.portion.to_text(),
            shadow=None if shadow is None else shadow.policy.version,
        )

    def _candidate(
        self, active: str, before: Candidate | None, version: str, portion: str, trial: int, now: float
    ) -> Candidate | None:
        if not version or version == active:
            return None
        if before is not None and (before.policy.version, before.portion.to_text(), before.trial) == (
            version,
            portion,
            trial,
        ):
            return before
        try:
            policy, part = self._load(version), Portion.from_text(portion)
        except DanelawError as error:
            self._trouble(version, error, now, "it judges nothing")
            if trial:
                self._take_back(version, f"it cannot be loaded: {error.reason}")
            return None
        quota = Quota(self.ledger, trial, part.first) if trial and part.first is not None else lambda: True
        return Candidate(policy, part, quota, trial)

    def _take_back(self, version: str, why: str) -> None:
        """Withdraw what is staged, unless something else is by now."""

        def withdrawn(standing: Standing) -> Standing:
            return standing.withdrawn() if standing.staged == version else standing

        try:
            self.ledger.change(Act("withdrawn", version, self._clock(), GATEWAY, why=why), withdrawn)
        except DanelawError as error:
            self._log.error("policy-unreadable", reason=error.reason)
            return
        self._try_again = 0.0
        self._log.error(
            "policy-withdrawn",
            policy=version,
            reason=why,
            advice=f"danelaw policy show {version}; danelaw policy status",
        )

    def _load(self, version: str) -> LoadedPolicy:
        found = self._loaded.get(version)
        if found is None:
            found = self._loaded[version] = self._loader(self.shelf.check(version))
            self._kept[version] = found
            self._said.pop(version, None)
        return found

    def _defer_everything(self, version: str, error: DanelawError, now: float) -> None:
        self.versions = Versions(unusable(version, self.shelf.directory), find=self.of_message)
        self._trouble(version, error, now, "all mail is deferred")

    def _trouble(self, version: str, error: DanelawError, now: float, consequence: str) -> None:
        self.troubles[version] = error.reason
        self._try_again = now + _TRY_AGAIN_SECONDS
        words = f"{error.reason}; {consequence}"
        if self._said.get(version) != words:  # it is tried again every few seconds, and said once
            self._said[version] = words
            self._log.error("policy-unusable", policy=version, reason=words, advice=error.advice)


def _waiting(before: Versions, without: set[str]) -> tuple[LoadedPolicy, ...] | None:
    """What mail in the queue may have been judged by, until the queue is looked through again."""
    if before.waiting is None:
        return None
    judged = [*before.waiting, before.active, *([before.candidate.policy] if before.candidate is not None else [])]
    found = {one.version: one for one in judged if one.version not in without and one.is_usable}
    return tuple(found.values())[-LEAST_KEPT:]
