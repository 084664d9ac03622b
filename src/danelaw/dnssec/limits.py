"""What one resolution may cost, and which algorithms count (RFC 9276 §3.2, RFC 9904, RFC 9905, RFC 9906)."""

from __future__ import annotations

from dataclasses import dataclass, field

RSA_ALGORITHMS = frozenset({5, 7, 8, 10})
SUPPORTED_ALGORITHMS = frozenset({8, 10, 13, 14, 15, 16})
SUPPORTED_DIGESTS = frozenset({2, 4})


@dataclass(frozen=True, slots=True)
class AlgorithmPolicy:
    """Algorithms that can make data secure; all others are unsupported.

    SHA-1 (signatures 5 and 7, DS digest 1) is out by RFC 9905 §2 and §3, GOST by RFC 9906. `with_sha1()` brings
    SHA-1 back, as RFC 9905 requires implementations, not operators, to be able to. RSA sizes are in bits:
    RFC 5702 §2 stops at 4096; below 1024 a key can be factored by anyone, so it proves nothing.
    """

    algorithms: frozenset[int] = SUPPORTED_ALGORITHMS
    digests: frozenset[int] = SUPPORTED_DIGESTS
    rsa_minimum_bits: int = 1024
    rsa_maximum_bits: int = 4096
    rsa_maximum_exponent_bits: int = 64

    @classmethod
    def with_sha1(cls) -> AlgorithmPolicy:
        """The policy of the years before RFC 9905 (and keys from 512 bits), for old recorded data."""
        return cls(SUPPORTED_ALGORITHMS | {5, 7}, SUPPORTED_DIGESTS | {1}, rsa_minimum_bits=512)


@dataclass(frozen=True, slots=True)
class ValidatorLimits:
    """Bounds on one resolution (CVE-2023-50387 KeyTrap, CVE-2023-50868) and on what is remembered.

    Counts unless said otherwise; `*_seconds` are seconds. Exceeding a bound makes the answer bogus, except
    `nsec3_iterations`, beyond which a denial is insecure (RFC 9276 §3.2); whether a name is a zone cut is still
    worked out up to `nsec3_cut_iterations`, beyond which it counts as an insecure delegation. One wrong signature
    beside a right one happens while keys are changed; more do not, and BIND stops there too.
    """

    signatures_per_rrset: int = 4
    wrong_signatures_per_rrset: int = 1
    colliding_keys: int = 2
    failed_checks: int = 16
    checks: int = 64
    nsec3_iterations: int = 150
    nsec3_cut_iterations: int = 500
    nsec3_hash_rounds: int = 12288
    denial_records: int = 16
    aliases: int = 8
    questions: int = 64
    cached_zones: int = 4096
    cache_seconds: float = 3600.0
    answer_seconds: float = 86400.0
    failure_seconds: float = 30.0
    policy: AlgorithmPolicy = field(default_factory=AlgorithmPolicy)


class LimitExceeded(Exception):
    """A bound of `ValidatorLimits` was reached; ends the resolution as bogus, never leaves the package."""


class Budget:
    """Counts the work of one resolution against its limits."""

    __slots__ = ("checks", "failures", "hash_rounds", "limits")

    def __init__(self, limits: ValidatorLimits) -> None:
        self.limits = limits
        self.checks = 0
        self.failures = 0
        self.hash_rounds = 0

    def check(self) -> None:
        """One signature is about to be checked."""
        self.checks += 1
        if self.checks > self.limits.checks:
            raise LimitExceeded(f"more than {self.limits.checks} signature checks needed")

    def failure(self) -> None:
        """One signature was wrong."""
        self.failures += 1
        if self.failures > self.limits.failed_checks:
            raise LimitExceeded(f"more than {self.limits.failed_checks} wrong signatures")

    def hashing(self, rounds: int) -> None:
        """`rounds` rounds of the NSEC3 hash are about to be spent."""
        self.hash_rounds += rounds
        if self.hash_rounds > self.limits.nsec3_hash_rounds:
            raise LimitExceeded(f"more than {self.limits.nsec3_hash_rounds} rounds of NSEC3 hashing needed")
