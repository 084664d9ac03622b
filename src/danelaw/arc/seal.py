"""Sealing: adding an ARC set on top of a message (RFC 8617 §5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from danelaw.arc.chain import ARCChain
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
from danelaw.arc.verify import seal_hash
from danelaw.dkim import (
    DEFAULT_HEADERS,
    BodyHashes,
    Canonicalization,
    DKIMSignature,
    HeaderField,
    HeaderFields,
    SigningKey,
    SignSettings,
    canonical_field,
)
from danelaw.dkim.canonical import Octets
from danelaw.dkim.sign import covered

_BARE_LINE_END = re.compile(r"[\r\n](?![\n \t])")

# RFC 8617 §4.1.2: signatures of others too, no Authentication-Results, no ARC fields.
DEFAULT_SETTINGS = SignSettings(headers=(*DEFAULT_HEADERS, "DKIM-Signature"), oversigned=())


class ARCSealing:
    """One message on its way through sealing; made after all other changes to it (RFC 8617 §5.1).

    `results` is the authres-payload, authserv-id first; `status` is what validation found on arrival. Raises `ARCError`
    when there are 50 sets already, or `status` cannot be right. `needless` is True when the last seal says cv=fail:
    such a chain is not sealed again.
    """

    def __init__(
        self,
        fields: HeaderFields | Iterable[HeaderField],
        key: SigningKey,
        results: str,
        status: ChainStatus,
        *,
        settings: SignSettings = DEFAULT_SETTINGS,
    ) -> None:
        self._header = fields if isinstance(fields, HeaderFields) else HeaderFields(fields)
        self._key = key
        self._settings = settings
        self._status = status
        if _BARE_LINE_END.search(results):
            raise ARCError("the results have a line end that folds nothing")
        self.needless = False
        self._before = self._earlier_fields()
        self._instance = self._next_instance()
        self._results = ARCAuthenticationResults(self._instance, results)
        self._part = (settings.body_canonicalization, None)
        self._body = BodyHashes((self._part,))

    def update(self, data: Octets) -> None:
        """Take the next piece of the body."""
        self._body.update(data)

    def seal(self, now: float) -> tuple[bytes, bytes, bytes]:
        """Seal, message signature and results, to be put on top in this order; `now` in POSIX seconds."""
        results = RESULTS + b":" + self._results.to_text().encode("utf-8") + b"\r\n"
        signature = self._message_signature(int(now))
        relaxed = Canonicalization.RELAXED
        own = [canonical_field(RESULTS, results, relaxed), canonical_field(MESSAGE_SIGNATURE, signature, relaxed)]
        key = self._key
        unsigned = ARCSeal(self._instance, self._status, key.key.algorithm, key.domain, key.selector, b"", int(now))
        digest = seal_hash([*self._before, *own], (SEAL, _raw(SEAL, unsigned.to_text())))
        return _raw(SEAL, replace(unsigned, signature=key.key.sign(digest)).to_text()), signature, results

    def _message_signature(self, now: int) -> bytes:
        settings, key = self._settings, self._key
        body = self._body.finish()[self._part]
        assert body.digest is not None
        names = tuple(name for name in covered(self._header, settings) if not name.lower().startswith("arc-"))
        unsigned = DKIMSignature(
            algorithm=key.key.algorithm,
            domain=key.domain,
            selector=key.selector,
            headers=names,
            body_hash=body.digest,
            signature=b"",
            header_canonicalization=settings.header_canonicalization,
            body_canonicalization=settings.body_canonicalization,
            timestamp=now,
        )
        raw = _raw(MESSAGE_SIGNATURE, ARCMessageSignature(self._instance, unsigned).to_text())
        digest = self._header.digest(names, settings.header_canonicalization, (MESSAGE_SIGNATURE, raw))
        signed = replace(unsigned, signature=key.key.sign(digest))
        return _raw(MESSAGE_SIGNATURE, ARCMessageSignature(self._instance, signed).to_text())

    def _earlier_fields(self) -> list[bytes]:
        """The fields of earlier sets, which the seal covers; of a failed chain none (RFC 8617 §5.1.2)."""
        if self._status is ChainStatus.FAIL:
            return []
        chain = ARCChain.from_fields(self._header)
        if bool(chain.sets) is not (self._status is ChainStatus.PASS):
            raise ARCError(f"a chain of {len(chain.sets)} sets cannot be found {self._status.value!r}")
        places = [index for one in chain.sets for index in one.indices]
        return [self._header.canonical(index, Canonicalization.RELAXED) for index in places]

    def _next_instance(self) -> int:
        """One more than the highest there is (RFC 8617 §5.1, step 3)."""
        highest = 0
        for index in self._header.indices(SEAL.lower()):
            raw = self._header.fields[index][1]
            try:
                seal = ARCSeal.from_bytes(raw[raw.index(b":") + 1 :])
            except ARCError:
                continue
            if seal.instance > highest:
                highest, self.needless = seal.instance, seal.status is ChainStatus.FAIL
        if highest >= MOST_SETS:
            raise ARCError(f"the message has {highest} ARC sets, and more than {MOST_SETS} are not allowed")
        return highest + 1


def _raw(name: bytes, text: str) -> bytes:
    return name + b":" + text.encode("utf-8") + b"\r\n"


def seal(
    fields: HeaderFields | Iterable[HeaderField],
    body: Octets | Iterable[Octets],
    key: SigningKey,
    results: str,
    status: ChainStatus,
    *,
    now: float,
    settings: SignSettings = DEFAULT_SETTINGS,
) -> tuple[bytes, ...]:
    """Seal a message at hand: the three fields to put on top, none when its chain is marked as failed already.

    Raises `ARCError`.
    """
    sealing = ARCSealing(fields, key, results, status, settings=settings)
    if sealing.needless:
        return ()
    for piece in (body,) if isinstance(body, bytes | bytearray | memoryview) else body:
        sealing.update(piece)
    return sealing.seal(now)
