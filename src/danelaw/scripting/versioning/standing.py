"""Which version stands where, as a value, and what operators may do to it: stage, promote, roll back, withdraw, shadow.

Pure: an act takes a `Standing` and gives the next one, or raises `PolicyError` when it makes no sense.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from danelaw.scripting.errors import PolicyError

MOST_REMEMBERED = 50
"""Versions that were active before, to roll back to."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`active` judges the mail; `staged` judges the part that `portion` says, `shadow` also runs for `shadow_portion`
    and judges nothing. `before` are versions that were active, the last one last. Mail judged by a `revoked` version
    goes on with the active one. `serial` counts changes; `trial` numbers stagings, for what is counted per staging.
    """

    active: str
    serial: int = 1
    before: tuple[str, ...] = ()
    staged: str = ""
    portion: str = ""
    trial: int = 0
    shadow: str = ""
    shadow_portion: str = ""
    revoked: tuple[str, ...] = ()

    @property
    def in_use(self) -> frozenset[str]:
        """Versions that judge mail or are shadows now."""
        return frozenset(one for one in (self.active, self.staged, self.shadow) if one)

    @property
    def previous(self) -> str:
        """What rolling back leads to; empty where there is nothing."""
        return self.before[-1] if self.before else ""

    def with_staged(self, version: str, portion: str) -> Standing:
        """`version` judges part of the traffic, in place of what was staged."""
        if version == self.active:
            raise PolicyError(f"{version} is active already; there is nothing to stage", advice="danelaw policy status")
        return self._next(
            staged=version, portion=portion, trial=self.trial + 1, revoked=_without(self.revoked, version)
        )

    def withdrawn(self) -> Standing:
        """What is staged judges nothing more; mail it has judged goes on with the active version."""
        if not self.staged:
            raise PolicyError("nothing is staged", advice="danelaw policy status")
        return self._next(staged="", portion="", revoked=_with(self.revoked, self.staged))

    def promoted(self, version: str) -> Standing:
        """`version` judges everything."""
        if version == self.active:
            raise PolicyError(f"{version} is active already", advice="danelaw policy status")
        staged = {} if self.staged and self.staged != version else {"staged": "", "portion": ""}
        return self._next(
            active=version,
            before=(*self.before, self.active)[-MOST_REMEMBERED:],
            revoked=_without(self.revoked, version),
            **staged,
            **self._no_shadow_of(version),
        )

    def rolled_back(self, version: str = "") -> Standing:
        """The version before judges everything again, or another one from before; what is staged is withdrawn."""
        target = version or self.previous
        if not target:
            raise PolicyError("no version was active before this one", advice="danelaw policy list")
        if target == self.active:
            raise PolicyError(f"{target} is active already", advice="danelaw policy status")
        last = len(self.before) - 1 - self.before[::-1].index(target) if target in self.before else len(self.before)
        revoked = _with(self.revoked, self.active)
        revoked = _with(revoked, self.staged) if self.staged else revoked
        return self._next(
            active=target,
            before=self.before[:last],
            staged="",
            portion="",
            revoked=_without(revoked, target),
            **self._no_shadow_of(target),
        )

    def _no_shadow_of(self, version: str) -> dict[str, str]:
        """What judges all mail is no shadow any more."""
        return {"shadow": "", "shadow_portion": ""} if self.shadow == version else {}

    def shadowed(self, version: str, portion: str) -> Standing:
        """`version` also runs, and judges nothing."""
        if version == self.active:
            raise PolicyError(f"{version} is active; a shadow of itself shows nothing", advice="danelaw policy status")
        return self._next(shadow=version, shadow_portion=portion)

    def unshadowed(self) -> Standing:
        """No shadow runs any more."""
        if not self.shadow:
            raise PolicyError("no shadow runs", advice="danelaw policy shadow start")
        return self._next(shadow="", shadow_portion="")

    def judging(self, version: str) -> str:
        """The version that goes on with mail which `version` has judged."""
        return self.active if version in self.revoked else version

    def to_text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Standing:
        """Read JSON. Raises `PolicyError` for anything else than a standing."""
        try:
            found = json.loads(text)
            known = {one.name: found[one.name] for one in fields(cls) if one.name in found}
            for name in ("before", "revoked"):
                known[name] = tuple(str(one) for one in known.get(name, ()))
            for name in ("serial", "trial"):
                known[name] = int(known.get(name, 1))
            standing = cls(**known)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            standing = None
        if standing is None or not isinstance(standing.active, str) or not standing.active:
            raise PolicyError("what is written down about versions of the policy cannot be read")
        return standing

    def _next(self, **changes: Any) -> Standing:
        return replace(self, serial=self.serial + 1, **changes)


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did: `what` (installed, staged, promoted, rolled back, withdrawn, shadow, shadow stopped), to which
    version, what it replaced, when (POSIX seconds), who, for which part, and why.
    """

    what: str
    version: str
    at: float
    who: str
    replaced: str = ""
    portion: str = ""
    why: str = ""


def _without(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return tuple(one for one in versions if one != version)


def _with(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return (*_without(versions, version), version)[-MOST_REMEMBERED:]
