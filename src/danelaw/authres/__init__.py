"""What was found out about a message's origin, written into its header (RFC 8601, RFC 8616, RFC 7208 §9.1).

An Authentication-Results field carries the word of one host, its authserv-id: which methods (spf, dkim, dmarc, …) gave
which result for which property. Whoever reads it later believes it only when the id is one of their own hosts, so a
gateway at the border does two things: it removes fields from outside that carry its id, and writes its own on top.

    kept = without_claims(header, ["mx.example.org"])
    AuthenticationResults("mx.example.org", (MethodResult("spf", "pass", properties=(
        Property("smtp", "mailfrom", "anna@example.net"),)),)).to_bytes()

Reading is tolerant: comments, folding and quoted strings anywhere, missing ids, properties without types; what is
malformed is named in `defects`. Writing is not: every value from outside is quoted where it must be, and refused when
it cannot be (`UnwritableField`), so that no octet a stranger chose ends a value, a field or the header.
Received-SPF (`ReceivedSPF`) does the same for one SPF result with all it takes to repeat the evaluation.

Public names: `AuthenticationResults`, `MethodResult`, `Property`, `claimed`, `without_claims`,
`without_claims_among`, `ReceivedSPF`, `FieldTooLarge`, `UnwritableField`, `MAX_FIELD_SIZE`.
"""

from danelaw.authres.claims import claimed, without_claims, without_claims_among
from danelaw.authres.errors import FieldTooLarge, UnwritableField
from danelaw.authres.receivedspf import ReceivedSPF
from danelaw.authres.results import MAX_FIELD_SIZE, AuthenticationResults, MethodResult, Property

__all__ = [
    "MAX_FIELD_SIZE",
    "AuthenticationResults",
    "FieldTooLarge",
    "MethodResult",
    "Property",
    "ReceivedSPF",
    "UnwritableField",
    "claimed",
    "without_claims",
    "without_claims_among",
]
