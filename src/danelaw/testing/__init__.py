"""Doubles for tests, yours too: DNS from a page of text, a clock that stands still, look-ups without a loop, and a
whole gateway without network, disk and clock in which a policy judges mail.

    def test_strangers_are_marked(lab: PolicyLab) -> None:                # policy/test_inbound.py
        fate = lab.send("From: a@sender.test\\nSubject: hello\\n\\nbody\\n", sender="a@sender.test", to="b@example.org")
        assert fate.verdict == "accepted"
        assert fate.mail.subject == "[external] hello"

`danelaw policy test` runs such tests; under pytest a fixture `lab` that gives `PolicyLab("policy")` does.

Every protocol of danelaw that needs DNS is a generator which yields questions and is sent answers
(`danelaw.dnsdata.Lookup`). Here it is driven from a dictionary:

    dns = FakeDNS(
        secure=\"\"\"
            example.org.                 MX    10 mx1.example.org.
            mx1.example.org.             A     192.0.2.10
            _25._tcp.mx1.example.org.    TLSA  3 1 1 0d6f…
            alias.example.org.           CNAME mx1.plain.test.
            *.wild.example.org.          TXT   "any name below"
        \"\"\",
        insecure=\"\"\"
            mx1.plain.test.              A     192.0.2.20
        \"\"\",
    )
    dns.fail("broken.example.org", DNSSECStatus.BOGUS)          # every type at this name
    dns.fail("mx1.example.org AAAA", dns.rcode.SERVFAIL)        # one type
    result = run_lookup(lookup_mx(next_hop), dns)
    assert dns.asked == [...]

A name takes the status of the nearest enclosing name that has records, so what is missing below a secure
name is securely denied, and what is missing below an insecure one is not. Names below nothing do not exist,
with the status `outside` (insecure unless told otherwise). Aliases, DNAME and wildcards are followed as
RFC 1034 §4.3.2, RFC 6672 and RFC 4592 say, and the status of an answer is the weakest on the way.

Public names: `PolicyLab`, `Dialogue`, `Fate`, `Stored`, `Tried`, `End` (a policy's gateway, and what becomes of mail in
it), `FakeLibrary` (what scripts call, from plain data), `FakeDNS`, `FakeResolver` (the same behind the methods of
`danelaw.resolver.Resolver`), `FakeClock`, `FakeSharedStore` (what scripts share, in memory, under such a clock),
`run_lookup`, `LookupMisuse`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from danelaw.testing.clock import FakeClock
from danelaw.testing.fakedns import FakeDNS
from danelaw.testing.lookup import FakeResolver, LookupMisuse, run_lookup
from danelaw.testing.shared import FakeSharedStore

if TYPE_CHECKING:
    from danelaw.testing.deliveries import End, Tried
    from danelaw.testing.dialogue import Dialogue
    from danelaw.testing.fate import Fate, Stored
    from danelaw.testing.library import FakeLibrary
    from danelaw.testing.policylab import PolicyLab

# Read when first asked for: whoever wants a clock does not need a gateway.
_MODULES = {
    "Dialogue": "dialogue",
    "End": "deliveries",
    "FakeLibrary": "library",
    "Fate": "fate",
    "PolicyLab": "policylab",
    "Stored": "fate",
    "Tried": "deliveries",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"danelaw.testing has no {name}")
    return getattr(import_module(f"danelaw.testing.{_MODULES[name]}"), name)


__all__ = [
    "Dialogue",
    "End",
    "FakeClock",
    "FakeDNS",
    "FakeLibrary",
    "FakeResolver",
    "FakeSharedStore",
    "Fate",
    "LookupMisuse",
    "PolicyLab",
    "Stored",
    "Tried",
    "run_lookup",
]
