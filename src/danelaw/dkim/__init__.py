"""DKIM: a domain signs its mail, and anybody checks the signature with a key from DNS (RFC 6376, RFC 8301, RFC 8463).

A DKIM-Signature field names a domain (d=), a selector (s=), the header fields it covers (h=), a hash of the body (bh=)
and the signature (b=). The public key is a TXT record at `<s>._domainkey.<d>`. Since relays re-fold and re-space,
header and body are brought into a canonical form before hashing: `simple` tolerates nothing, `relaxed` white space.
What passes tells which domain vouches for the message, not that its author is who he says; that is DMARC's question.

    outcome = run(verify(((field.name, field.raw) for field in header), body, now=now))
    outcome.result, [(verdict.domain, verdict.reason) for verdict in outcome.verdicts]
    fields = sign(…, body, [SigningKey(domain, "s2026", PrivateKey.from_pem(pem))], now=now)

Bodies may come in pieces (`DKIMVerification`, `DKIMSigning`): `update` with each, then `conclude` or `sign`. Octets are
taken as they are, so the header must be split without changing it and lines must end with CRLF.

Rules that are ours: `rsa-sha1` and RSA below 1024 bits are `permerror` (RFC 8301 §3); what is not implemented is
`neutral`; expired, post-dated, or covering fewer From fields than there are is `policy`; a failed or bogus look-up is
`temperror`, never absence. A pass authenticates its domain (`DKIMVerdict.authenticates`) only without doubts: octets
behind l=, or a key in testing mode, are doubts.

Public names: `verify`, `DKIMVerification`, `VerifySettings`, `DKIMOutcome`, `DKIMVerdict`, `DKIMResult`; `sign`,
`DKIMSigning`, `SigningKey`, `SignSettings`, `PrivateKey`; `DKIMSignature`, `SignatureError`, `DKIMKeyRecord`,
`TagList`, `Canonicalization`, `BodyCanonicalizer`, `BodyHashes`, `HeaderFields`; `DKIMError`, `KeyRecordError`,
`KeyRefused`, `SigningError`, `TagListError`.
"""

from danelaw.dkim.bodyhash import BodyDigest, BodyHashes
from danelaw.dkim.canonical import BodyCanonicalizer, Canonicalization, canonical_field
from danelaw.dkim.errors import DKIMError, KeyRecordError, KeyRefused, SigningError, TagListError
from danelaw.dkim.headerhash import HeaderField, HeaderFields, unsigned_form
from danelaw.dkim.judge import VerifySettings, judge
from danelaw.dkim.keys import check_algorithm, find_keys, key_question
from danelaw.dkim.privatekey import PrivateKey
from danelaw.dkim.publickey import PublicKey
from danelaw.dkim.record import DKIMKeyRecord
from danelaw.dkim.result import DKIMResult
from danelaw.dkim.sign import DEFAULT_HEADERS, DEFAULT_OVERSIGNED, DKIMSigning, SigningKey, SignSettings, sign
from danelaw.dkim.signature import DKIMSignature, SignatureError
from danelaw.dkim.taglist import TagList
from danelaw.dkim.verdict import DKIMOutcome, DKIMVerdict
from danelaw.dkim.verify import DKIMVerification, verify

__all__ = [
    "DEFAULT_HEADERS",
    "DEFAULT_OVERSIGNED",
    "BodyCanonicalizer",
    "BodyDigest",
    "BodyHashes",
    "Canonicalization",
    "DKIMError",
    "DKIMKeyRecord",
    "DKIMOutcome",
    "DKIMResult",
    "DKIMSignature",
    "DKIMSigning",
    "DKIMVerdict",
    "DKIMVerification",
    "HeaderField",
    "HeaderFields",
    "KeyRecordError",
    "KeyRefused",
    "PrivateKey",
    "PublicKey",
    "SignSettings",
    "SignatureError",
    "SigningError",
    "SigningKey",
    "TagList",
    "TagListError",
    "VerifySettings",
    "canonical_field",
    "check_algorithm",
    "find_keys",
    "judge",
    "key_question",
    "sign",
    "unsigned_form",
    "verify",
]
