"""The chain: which ARC fields belong together, and whether their structure holds (RFC 8617 §4.3, §5.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from danelaw.arc.errors import ARCError
from danelaw.arc.fields import (
    MESSAGE_SIGNATURE,
    MOST_SETS,
    RESULTS,
    SEAL,
    ARCAuthenticationResults,
    ARCMessageSignature,
    ARCSeal,
    ChainStatus,
)
from danelaw.dkim import HeaderFields


class _Field(Protocol):
    @property
    def instance(self) -> int: ...


F = TypeVar("F", bound=_Field)


_NAMES = tuple(name.lower() for name in (SEAL, MESSAGE_SIGNATURE, RESULTS))


@dataclass(frozen=True, slots=True)
class ARCSet:
    """What one sealer added (RFC 8617 §4.2). `indices` are where results, message signature and seal stand."""

    instance: int
    results: ARCAuthenticationResults
    message_signature: ARCMessageSignature
    seal: ARCSeal
    indices: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ARCChain:
    """The sets of a message, the oldest first; empty when it was never sealed."""

    sets: tuple[ARCSet, ...] = ()

    @classmethod
    def from_fields(cls, header: HeaderFields) -> ARCChain:
        """Collect the sets and check their structure: steps 1 to 3 of RFC 8617 §5.2. Raises `ARCError`."""
        if not any(header.indices(name) for name in _NAMES):
            return cls()
        seals = _by_instance(header, SEAL, ARCSeal.from_bytes)
        signatures = _by_instance(header, MESSAGE_SIGNATURE, ARCMessageSignature.from_bytes)
        results = _by_instance(header, RESULTS, ARCAuthenticationResults.from_bytes)
        instances = sorted(seals.keys() | signatures.keys() | results.keys())
        if not instances:
            return cls()
        last = seals.get(instances[-1])
        if last is not None and last[1].status is ChainStatus.FAIL:
            raise ARCError(f"the last sealer, {last[1].domain}, already found the chain broken (cv=fail)")
        if instances != list(range(1, len(instances) + 1)):
            raise ARCError(f"the sets are numbered {', '.join(map(str, instances))}, not 1 to {len(instances)}")
        sets = []
        for number in instances:
            for name, there in ((SEAL, seals), (MESSAGE_SIGNATURE, signatures), (RESULTS, results)):
                if number not in there:
                    raise ARCError(f"set {number} has no {name.decode('ascii')}")
            (at_results, result), (at_signature, signature) = results[number], signatures[number]
            at_seal, seal = seals[number]
            _check_status(seal)
            sets.append(ARCSet(number, result, signature, seal, (at_results, at_signature, at_seal)))
        return cls(tuple(sets))


def _check_status(seal: ARCSeal) -> None:
    """cv= is none in the first set and pass in every later one (RFC 8617 §5.2, step 3)."""
    wanted = ChainStatus.NONE if seal.instance == 1 else ChainStatus.PASS
    if seal.status is not wanted:
        raise ARCError(
            f"set {seal.instance} says cv={seal.status.value}, and only cv={wanted.value} can be right there"
        )


def _by_instance(header: HeaderFields, name: bytes, read: Callable[[bytes], F]) -> dict[int, tuple[int, F]]:
    """Fields of a name by instance, with their places. Raises `ARCError` for a mistake and for two of one instance."""
    found: dict[int, tuple[int, F]] = {}
    shown = name.decode("ascii")
    indices = header.indices(name.lower())
    if len(indices) > MOST_SETS:
        raise ARCError(f"there are {len(indices)} {shown} fields, more than {MOST_SETS}")
    for index in indices:
        raw = header.fields[index][1]
        try:
            field = read(raw[raw.index(b":") + 1 :])
        except ARCError as error:
            raise ARCError(f"{shown} {len(indices) - indices.index(index)} from below: {error.reason}") from None
        if field.instance in found:
            raise ARCError(f"there are two {shown} fields with i={field.instance}")
        found[field.instance] = (index, field)
    return found
