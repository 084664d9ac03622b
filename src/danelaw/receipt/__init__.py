"""Receipts: what became of a message, in a file that anybody can verify later, on any machine, from the root key alone.

A verdict such as "delivered, protected by DANE" follows from facts. Some of them are *signed by DNS*: which mail
servers a domain has, which keys they must show, or that there are none. Some are *proved by a certificate* that signed
DNS or a CA vouches for. The rest *rests on the word of the gateway*: that it connected, what it was shown and
answered, and when. A receipt holds all of it, the DNS responses with their signatures and the presented certificates
included; `verify` validates DNSSEC again as of the recorded time, asks `tlspolicy.requirement` and `tlspolicy.judge`
again, and refuses every claim that does not follow.

With each try the gateway keeps a *basis* (`basis`: what was known before connecting) and a *session* (`session`: what
was seen on the connection), each stored once and named by its SHA-256. `derive` looks a destination up again in
recorded responses, `judging` judges a try again, `compare` says in what a record disagrees; `danelaw replay` uses the
same three to tell what a new version would decide otherwise.

Tries are entries of a log whose batches are hash-chained (`danelaw.hashchain`), so that one who keeps a head can tell
later whether anything before it was changed. `paper` is the file, `form` its JSON, of which there is exactly one
spelling; `verify` the whole, `statements` its result in sentences, `kinds` the vocabulary. docs/receipts.md is for its
readers.

Public names: `basis_octets`, `read_basis`, `Basis`, `session_octets`, `read_session`, `Session`, `derive`, `Derived`,
`judge_again`, `Judged`, `disagreements`, `Receipt`, `Envelope`, `Receiver`, `Try`, `LogPlace`, `write`, `verify`,
`Trust`, `Verification`, `signer_of`, `Kind`, `Ground`, `Statement`, `Refusal`, `Contradiction`, `FormError`,
`MOST_ANSWERS`, `MOST_OCTETS`, `MOST_TRIES`, `SCHEMA`.
"""

from danelaw.receipt.basis import Basis, basis_octets, read_basis
from danelaw.receipt.compare import disagreements
from danelaw.receipt.derive import Derived, derive
from danelaw.receipt.form import FormError
from danelaw.receipt.judging import Judged, judge_again
from danelaw.receipt.kinds import Contradiction, Ground, Kind, Refusal, Statement
from danelaw.receipt.paper import MOST_OCTETS, MOST_TRIES, SCHEMA, Envelope, LogPlace, Receipt, Receiver, Try, write
from danelaw.receipt.session import Session, read_session, session_octets
from danelaw.receipt.verify import MOST_ANSWERS, Trust, Verification, signer_of, verify

__all__ = [
    "MOST_ANSWERS",
    "MOST_OCTETS",
    "MOST_TRIES",
    "SCHEMA",
    "Basis",
    "Contradiction",
    "Derived",
    "Envelope",
    "FormError",
    "Ground",
    "Judged",
    "Kind",
    "LogPlace",
    "Receipt",
    "Receiver",
    "Refusal",
    "Session",
    "Statement",
    "Trust",
    "Try",
    "Verification",
    "basis_octets",
    "derive",
    "disagreements",
    "judge_again",
    "read_basis",
    "read_session",
    "session_octets",
    "signer_of",
    "verify",
    "write",
]
