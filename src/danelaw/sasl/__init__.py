"""SASL (RFC 4422): how a client proves who it is, the server's side of it, without I/O.

**The exchange.** The client names a mechanism. Then challenges of the server and responses of the client alternate,
octets whose form the mechanism knows, until the server says yes or no. SMTP carries them as AUTH, 334 and base64
(RFC 4954); here they are octets.

PLAIN (RFC 4616) is one response with name and password, LOGIN the same in two. SCRAM-SHA-256 (RFC 5802, RFC 7677) sends
no password: both sides prove that they know keys made from it, over nonces of both, so that neither an eavesdropper
nor a false server learns anything to log in with. Its -PLUS form, bound to the TLS channel, is not there: clients bind
TLS 1.3 by tls-exporter (RFC 9266), which Python's TLS does not give.

**Use.** `begin(mechanism, …)` gives an exchange; `start`, then `respond`, give what follows::

    exchange = begin("SCRAM-SHA-256", nonce="…")
    step = exchange.start(initial_response)          # None where the client sent none
    match step:
        case Challenge(): send it, and call respond with the answer
        case Claimed(): look the user up; for SCRAM call exchange.keys(…), which is the next step
        case Proved(): the client is who it claims to be
        case Failed(): it is not, or it does not follow the protocol

`Claimed.password` is the password of PLAIN and LOGIN, to be checked against a `Verifier`, which takes long on purpose:
do that in a thread. Nonces, salts and secrets are arguments.

**Users** are lines `name:verifier:addresses`, `UserTable` reads and writes them. A verifier is a key made by scrypt
(RFC 7914) or the keys of SCRAM (RFC 5803), which can check a password as well. Names and passwords are prepared by
SASLprep (RFC 4013).
"""

from danelaw.sasl.errors import SASLError
from danelaw.sasl.exchange import (
    MECHANISMS,
    Exchange,
    begin,
    plain_response,
)
from danelaw.sasl.saslprep import saslprep
from danelaw.sasl.steps import Challenge, Claimed, Failed, Proved, Secret, Step
from danelaw.sasl.users import User, UserTable
from danelaw.sasl.verifiers import SCRAMKeys, ScryptKey, Verifier, verifier_from_text

__all__ = [
    "MECHANISMS",
    "Challenge",
    "Claimed",
    "Exchange",
    "Failed",
    "Proved",
    "SASLError",
    "SCRAMKeys",
    "ScryptKey",
    "Secret",
    "Step",
    "User",
    "UserTable",
    "Verifier",
    "begin",
    "plain_response",
    "saslprep",
    "verifier_from_text",
]
