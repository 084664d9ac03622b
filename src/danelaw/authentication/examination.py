"""One message on its way through authentication: header first, then the body in pieces, then one look-up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from danelaw.address import Domain
from danelaw.arc import ARCVerification
from danelaw.authentication.author import author_domains
from danelaw.authentication.together import together
from danelaw.authentication.traits import list_traits
from danelaw.authentication.transaction import Transaction
from danelaw.authentication.verdicts import Verdicts
from danelaw.dkim import DKIMOutcome, DKIMVerification, HeaderFields, VerifySettings
from danelaw.dkim.canonical import Octets
from danelaw.dmarc import DMARCEvaluation, Tree, discover, judge
from danelaw.dmarc.align import candidates
from danelaw.dnsdata import Answer, Lookup, Question, Recollection
from danelaw.message import Authors, Defect, author_addresses, scan
from danelaw.spf import USUAL_LIMITS, Evaluation, Identity, Limits, Request, evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationSettings:
    """Local rules: those of DKIM (which hold for ARC too), the limits of SPF, and our own name for its explanations."""

    dkim: VerifySettings = field(default_factory=VerifySettings)
    spf: Limits = USUAL_LIMITS
    receiver: str = "unknown"


DEFAULT_SETTINGS = ExaminationSettings()


class Memory:
    """What earlier messages' look-ups came to: SPF of a client and a domain, the records of DMARC above an author, and
    what they make of identifiers.

    Clients come again, and answers stay the same objects while they are in a resolver's cache.
    """

    __slots__ = ("evaluations", "judgements", "trees")

    def __init__(self, most: int = 512) -> None:
        self.evaluations: Recollection[Evaluation] = Recollection(most, _says_the_same_of_everybody)
        self.trees: Recollection[Tree] = Recollection(most)
        self.judgements: Recollection[DMARCEvaluation] = Recollection(most)


def _says_the_same_of_everybody(evaluation: Evaluation) -> bool:
    """Macros tell senders of one domain apart (RFC 7208 §7), and an explanation tells the time."""
    records = (step.note for step in evaluation.trace if step.outcome == "record")
    return not evaluation.explanation and not any("%" in text for text in records)


_UNREAD = (Defect.HEADER_TOO_LONG, Defect.TOO_MANY_FIELDS)
# RFC 7103 §7.2: others end the header at the first empty line, and would show this author.
_AUTHOR_BEHIND = re.compile(rb"^from[ \t]*:", re.IGNORECASE | re.MULTILINE)


class Examination:
    """One message.

    `header` is the header section without the empty line behind it; `now` in POSIX seconds is when the message came.
    Give the body to `update` in any pieces, then drive `inquire`, once.

    Lines without colon that fields follow are read over (RFC 7103 §7.2), since a reader's program may do the same. Of a
    header with more than 10,000 fields or 1 MiB nothing is read: what is beyond would change what the rest means.
    """

    def __init__(
        self,
        header: bytes,
        transaction: Transaction,
        *,
        now: float,
        settings: ExaminationSettings = DEFAULT_SETTINGS,
        memory: Memory | None = None,
    ) -> None:
        """`memory` is of earlier messages examined under the same settings."""
        self.header = found = scan(header)
        """The header as it was taken apart."""
        self._transaction = transaction
        self._now = now
        self._settings = settings
        self._memory = memory
        raw = () if self.too_large else found.pairs
        self._fields = fields = HeaderFields(raw)
        self._dkim = DKIMVerification(fields, now=now, settings=settings.dkim)
        self._arc = ARCVerification(fields, now=now, settings=settings.dkim)
        # Where text is no field, the header ends before it and the rest belongs to the body, empty line included.
        begin = found.body_offset
        self._rest = header[begin:] + b"\r\n" if begin < len(header) else b""
        self._authors = self._read_authors(raw)

    def _read_authors(self, raw: Iterable[tuple[bytes, bytes]]) -> Authors:
        """The authors, and why another reader might see others."""
        authors = author_addresses(raw)
        defects = dict.fromkeys(defect for defect in _UNREAD if defect in self.header.scanned)
        if self._rest and _AUTHOR_BEHIND.search(self._rest):
            defects[Defect.SEVERAL_FROM if authors.fields else Defect.NO_EMPTY_LINE] = None
        return replace(authors, defects=(*defects, *authors.defects)) if defects else authors

    @property
    def too_large(self) -> bool:
        """True when the header has more fields or octets than are read."""
        return any(defect in self.header.scanned for defect in _UNREAD)

    @property
    def needs_body(self) -> bool:
        """False when no signature is worth reading the body for."""
        return self._dkim.needs_body or self._arc.needs_body

    def update(self, data: Octets) -> None:
        """Take the next piece of the body."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self.update(rest)
        if self._dkim.needs_body:
            self._dkim.update(data)
        if self._arc.needs_body:
            self._arc.update(data)

    def inquire(self) -> Lookup[Verdicts]:
        """Ask DNS for everything and judge; the whole body was given.

        The walk of DMARC, all keys and SPF of MAIL FROM run side by side. SPF of HELO comes last: its DNS is the
        client's own choice, no verdict needs it, and slow answers there must not use up the time of the others.
        """
        if self._rest:
            self.update(b"")
        domains, fault = author_domains(self._authors)
        said = self._transaction
        mail: Evaluation
        keys: Mapping[Question, Answer]
        seals: Mapping[Question, Answer]
        tree: Tree
        mail, keys, seals, tree = yield from together(
            self._evaluate(Request.mail_from(said.ip, said.mail_from, said.helo)),
            self._dkim.lookup(),
            self._arc.lookup(),
            self._discover(() if fault else tuple(domains)),
        )
        dkim, arc = self._dkim.conclude(keys), self._arc.conclude(seals)
        dmarc = yield from self._judge(tuple(domains), tree, mail, dkim, fault)
        helo = yield from self._evaluate(Request.of_helo(said.ip, said.helo))
        return Verdicts(
            transaction=said,
            spf=mail,
            helo=helo,
            dkim=dkim,
            arc=arc,
            dmarc=dmarc,
            authors=self._authors,
            fault=fault,
            list_traits=list_traits(self._fields),
            key_answers=tuple(keys.values()),
            seal_answers=tuple(seals.values()),
        )

    def _discover(self, domains: tuple[Domain, ...]) -> Lookup[Tree]:
        if self._memory is None:
            return (yield from discover(domains))
        return (yield from self._memory.trees.recall(domains, lambda: discover(domains)))

    def _judge(
        self, domains: tuple[Domain, ...], tree: Tree, mail: Evaluation, dkim: DKIMOutcome, fault: str
    ) -> Lookup[DMARCEvaluation]:
        if self._memory is None:
            return (yield from judge(domains, tree, mail, dkim, fault=fault))
        # The tree is what was heard already: the same one, the same records.
        key = tree, domains, fault, candidates(mail, dkim)
        known = self._memory.judgements.recall(key, lambda: judge(domains, tree.copy(), mail, dkim, fault=fault))
        return (yield from known)

    def _evaluate(self, request: Request) -> Lookup[Evaluation]:
        if self._memory is None:
            return (yield from self._evaluate_anew(request))
        # Addresses and enumerations work out their hashes in Python.
        key = request.identity is Identity.HELO, type(request.ip), int(request.ip), request.domain
        found = yield from self._memory.evaluations.recall(key, lambda: self._evaluate_anew(request))
        return found if found.sender == request.sender else replace(found, sender=request.sender)

    def _evaluate_anew(self, request: Request) -> Lookup[Evaluation]:
        settings = self._settings
        return evaluate(request, receiver=settings.receiver, now=self._now, limits=settings.spf)
