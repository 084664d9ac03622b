"""Danelaw-Transport: a header field that tells a webmail how a message came to this gateway.

    Danelaw-Transport: v=1; by=mx.example.org; via=smtp; tls=TLSv1.3;
     client=unverified; requiretls=no; id=0TQ6J3SW4M; t=1795651200

    danelaw-transport = "Danelaw-Transport:" tag *(";" tag) [";"]   ; folding as in RFC 5322 §2.2.3
    tag               = [FWS] name "=" value [FWS]                  ; each once, in any order, unknown ones ignored
    name              = ALPHA *(ALPHA / DIGIT)
    value             = 1*(ALPHA / DIGIT / "-" / "." / "_" / ":")

`v` is 1. `by` is the gateway that says so. `via`: `smtp` (anybody), `relay` (a client in the operator's networks),
`submission` (a user who logged in), `local` (made here). `tls`: `none`, or the version on the last hop to here.
`client`: `unverified`, or `password` for a user. `requiretls`: `yes` where the client asked for REQUIRETLS (RFC
8689). `id` is the gateway's queue id, `t` when the message came, in POSIX seconds.

What it does not say: nothing about hops before the last one, and nothing about who wrote the message (that is
Authentication-Results, RFC 8601). TLS from an unverified client only means that nobody who merely listened could read
the last hop; whoever stood between could have been the client. `requiretls=yes` is the client's word.

Fields of that name in mail that comes in are cut out while it passes (`FieldCutter`), so what a reader finds on top
of a message from its own gateway is that gateway's. They are added when mail is handed on to a domain of one's own,
and to no other mail, so none leaves.

Public names: `FIELD_NAME`, `Transport`, `Via`, `TransportError`, `FieldCutter`, `without_field`.
"""

from danelaw.transportfield.cutting import FieldCutter, without_field
from danelaw.transportfield.field import FIELD_NAME, Transport, TransportError, Via

__all__ = ["FIELD_NAME", "FieldCutter", "Transport", "TransportError", "Via", "without_field"]
