"""Verifying a receipt on any machine: from the root key alone, what holds of it, and on what each statement rests."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from danelaw import __version__
from danelaw.dnssec import TrustAnchors
from danelaw.errors import DanelawError
from danelaw.hashchain import entry_of, flaw_of, root_by_path
from danelaw.pkix import Roots
from danelaw.queue import Attempt, named_by
from danelaw.queue.ids import time_of
from danelaw.receipt.basis import read_basis
from danelaw.receipt.compare import SKEW, disagreements
from danelaw.receipt.derive import Derived, derive
from danelaw.receipt.form import FormError
from danelaw.receipt.judging import VERIFIED, Judged, judge_again
from danelaw.receipt.kinds import Contradiction, Kind, Refusal, Statement
from danelaw.receipt.paper import Receipt, Try, read, signed_octets
from danelaw.receipt.statements import about_log, about_message, about_try, unknown_anchor

MOST_ANSWERS = 4096
"""DNS answers validated of one receipt: real ones have some tens per try, and each may cost many signatures."""
_STATES = frozenset({"delivered", "waiting", "held", "returned", "dropped"})


@dataclass(frozen=True, slots=True)
class Trust:
    """What the one who verifies trusts and knows: trust anchors of DNS, public CAs (None: no own opinion), the raw
    Ed25519 key of a gateway, and a head of its log that was kept elsewhere.
    """

    anchors: TrustAnchors
    roots: Roots | None = None
    signer: bytes | None = None
    head: bytes | None = None


@dataclass(slots=True)
class Verification:
    """What came of it: `receipt` is None where it could not be read. It holds when nothing is refused."""

    receipt: Receipt | None = None
    attempts: list[Attempt] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    signed: bool = False
    reaches_head: bool = False

    @property
    def holds(self) -> bool:
        """True when every claim follows from the evidence."""
        return not self.refusals


def verify(octets: bytes, trust: Trust) -> Verification:
    """Verify the octets of a receipt. Never raises for what they hold."""
    found = Verification()
    try:
        found.receipt = read(octets)
    except Contradiction as error:
        found.refusals.append(Refusal("receipt", error.kind, error.reason))
        return found
    _Verifier(found.receipt, trust, found).run()
    return found


class _Verifier:
    """One run over one receipt."""

    def __init__(self, receipt: Receipt, trust: Trust, found: Verification) -> None:
        self.receipt = receipt
        self.trust = trust
        self.found = found
        self.bases: dict[bytes, Derived | Contradiction] = {}
        self.answers = 0
        self.used: set[bytes] = set()

    def run(self) -> None:
        self._signature()
        for number, one in enumerate(self.receipt.tries, 1):
            attempt = Attempt.decode(one.record)
            self.found.attempts.append(attempt)
            self._try(f"try {number}", one, attempt)
        self._message()
        unused = sorted(set(self.receipt.evidence) - self.used)
        if unused:
            self._refuse("receipt", Kind.EVIDENCE, f"nothing refers to the evidence {unused[0].hex()[:8]}…")

    def _refuse(self, where: str, kind: Kind, reason: str) -> None:
        self.found.refusals.append(Refusal(where, kind, reason))

    def _signature(self) -> None:
        signature, wanted = self.receipt.signature, self.trust.signer
        if signature is None:
            if wanted is not None:
                self._refuse("receipt", Kind.SIGNATURE, "it is not signed")
            return
        key, value = signature
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(value, signed_octets(self.receipt.digest))
        except (InvalidSignature, ValueError):
            self._refuse("receipt", Kind.SIGNATURE, "its signature is wrong")
            return
        if wanted is not None and key != wanted:
            self._refuse("receipt", Kind.SIGNATURE, f"it is signed by another key, {key.hex()[:8]}…")
            return
        self.found.signed = wanted is not None

    # One try

    def _try(self, where: str, one: Try, attempt: Attempt) -> None:
        self._logged(where, one, attempt)
        self.used.update(attempt.digests)
        for digest in (attempt.basis, attempt.session):
            self.used.update(named_by(self.receipt.evidence.get(digest, b"")))
        missing = next((digest for digest in attempt.digests if digest not in self.receipt.evidence), None)
        if missing is not None:
            self._refuse(where, Kind.EVIDENCE, f"the evidence {missing.hex()[:8]}… is not there")
            return
        if not attempt.basis:
            if attempt.protection in VERIFIED or attempt.session:
                self._refuse(where, Kind.EVIDENCE, f"{attempt.protection!r} is claimed, and nothing shows it")
            else:
                self.found.statements += about_try(where, attempt, None)
            return
        try:
            judged = judge_again(attempt, self._derived(attempt.basis), self.receipt.evidence)
            self._uses(judged)
        except Contradiction as error:
            self._refuse(where, error.kind, error.reason)
            return
        other = judged.derived.basis.version != __version__
        found = [flaw for flaw in disagreements(judged) if not (flaw.wording and other)]
        for flaw in found:
            self._refuse(where, flaw.kind, flaw.reason)
        if self.trust.roots is not None and (stranger := unknown_anchor(judged, self.trust.roots)) is not None:
            self._refuse(where, Kind.CERTIFICATE, f"{stranger} vouches for it, which is none of the CAs you trust")
        if not found:
            self.found.statements += about_try(where, attempt, judged, self.trust.roots)

    def _derived(self, digest: bytes) -> Derived:
        """A basis looked up again, once however many tries rest on it. Raises `Contradiction`."""
        if digest not in self.bases:
            try:
                basis = read_basis(self.receipt.evidence[digest])
                self.answers += len(basis.answers)
                if self.answers > MOST_ANSWERS:
                    raise Contradiction(Kind.FORM, f"there are more than {MOST_ANSWERS} DNS answers to validate")
                self.bases[digest] = derive(basis, self.receipt.evidence, self.trust.anchors)
            except FormError as error:
                self.bases[digest] = Contradiction(Kind.EVIDENCE, error.reason)
            except Contradiction as error:
                self.bases[digest] = error
        found = self.bases[digest]
        if isinstance(found, Contradiction):
            raise found
        return found

    def _uses(self, judged: Judged) -> None:
        """What basis and session name must be what the try lists, if it does (those of older danelaws)."""
        if not judged.attempt.evidence:
            return
        named = set(judged.derived.basis.responses)
        if judged.session is not None:
            named.update(judged.session.chain, judged.session.anchors or ())
        if named != set(judged.attempt.evidence):
            raise Contradiction(Kind.EVIDENCE, "the evidence it lists is not that of its basis and its session")

    def _logged(self, where: str, one: Try, attempt: Attempt) -> None:
        log = one.log
        if log is None:
            if self.trust.head is not None:
                self._refuse(where, Kind.LOG, "it has no place in the log")
            return
        entry = entry_of(self.receipt.envelope.number, one.number, one.record)
        own = log.links[-1]
        if root_by_path(entry, log.index, log.entries, log.path) != own.root:
            self._refuse(where, Kind.LOG, f"its record is not the one that link {own.number} of the log holds")
            return
        if (flaw := flaw_of(log.links)) is not None:
            self._refuse(where, Kind.LOG, flaw)
            return
        if own.at / 1000 < attempt.time - SKEW:
            self._refuse(where, Kind.TIME, "it was logged before it was tried")
        self.found.statements += about_log(where, log)
        if self.trust.head is not None:
            if any(link.digest == self.trust.head for link in log.links):
                self.found.reaches_head = True
            else:
                self._refuse(where, Kind.LOG, "the head of the log you gave is not on its way")

    # The message as a whole

    def _message(self) -> None:
        envelope, attempts = self.receipt.envelope, self.found.attempts
        if envelope.received_at > time_of(envelope.number) + 1:
            self._refuse("message", Kind.TIME, "its id was made before it was received")
        for earlier, later in pairwise(attempts):
            if later.time < earlier.time:
                self._refuse("message", Kind.TIME, "the tries are not in the order of their times")
                break
        if len({(one.number, one.record) for one in self.receipt.tries}) != len(attempts):
            self._refuse("message", Kind.RECORD, "a try stands twice")
        if any(one.time < envelope.received_at - SKEW for one in attempts):
            self._refuse("message", Kind.TIME, "it was tried before it was received")
        if any(one.time > self.receipt.written_at + SKEW for one in attempts):
            self._refuse("message", Kind.TIME, "it was tried after the receipt was written")
        self._recipients()
        self._demands()
        self.found.statements[:0] = about_message(self.receipt)

    def _recipients(self) -> None:
        states = {one.number: one.state for one in self.receipt.envelope.recipients}
        got: set[int] = set()
        for attempt in self.found.attempts:
            delivered = attempt.outcome == "delivered"
            taken = set(attempt.recipients) - set(attempt.refused) if delivered else set()
            got |= taken
            if not states.keys() >= set(attempt.recipients) >= set(attempt.refused):
                self._refuse("message", Kind.OUTCOME, "it was tried for a recipient it does not have")
            if delivered != bool(taken) or (attempt.refused and not delivered):
                self._refuse("message", Kind.OUTCOME, "who got it in a try that delivered, or who did not, is not said")
        for number, state in states.items():
            if state not in _STATES:
                self._refuse("message", Kind.OUTCOME, f"{state!r} is no state of a recipient")
            if state == "delivered" and number not in got:
                self._refuse("message", Kind.OUTCOME, f"recipient {number} got it, and no try delivered it")
            if state != "delivered" and number in got:
                self._refuse("message", Kind.OUTCOME, f"a try delivered it to recipient {number}, who is {state}")

    def _demands(self) -> None:
        envelope = self.receipt.envelope
        for derived in self.bases.values():
            if isinstance(derived, Contradiction):
                continue
            demand = derived.basis.demand
            if envelope.requiretls and not demand.requiretls:
                self._refuse(
                    "message", Kind.REQUIREMENT, f"the demand of a try is {demand.value}, the sender's another"
                )
            if demand.word == "tls-required-no" and not envelope.tls_required_no:
                self._refuse("message", Kind.REQUIREMENT, "a try waived TLS, and the sender did not")


def signer_of(octets: bytes) -> bytes:
    """The raw Ed25519 key in a PEM public key (RFC 8410), as openssl writes it. Raises `DanelawError`."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(octets)
    except Exception:  # many classes, for what is only a file
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise DanelawError(
            "it holds no Ed25519 public key in PEM form", advice="openssl pkey -in receipt.key -pubout -out receipt.pub"
        )
    return key.public_bytes_raw()
