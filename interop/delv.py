"""BIND's delv as a validator."""

from __future__ import annotations

from pathlib import Path

import dns.rdatatype
from interop.daemons import run

from danelaw.dnsdata import Question

# What delv prints when it got no usable answer at all, as opposed to one that does not validate.
_NO_ANSWER = ("timed out", "connection refused", "unexpected error", "FORMERR", "SERVFAIL", "quota", "failure")


class Delv:
    """Asks the server on `port` of loopback; `anchor` is a DS record of the root in zone-file form."""

    def __init__(self, directory: Path, port: int, anchor: str) -> None:
        tag, algorithm, digest_type, digest = anchor.split(" DS ")[1].split(None, 3)
        digest = digest.replace(" ", "").strip()
        self._anchors = directory / "delv.conf"
        self._anchors.write_text(f'trust-anchors {{ "." static-ds {tag} {algorithm} {digest_type} "{digest}"; }};\n')
        self._port = port
        self.said = ""

    def verdict(self, question: Question) -> str:
        """`secure`, `insecure`, `bogus`, or `failure` where it got no usable answer for another reason."""
        where = ("@127.0.0.1", "-p", str(self._port), "-a", str(self._anchors), "+root=.")
        done = run("delv", *where, question.name.to_text(), dns.rdatatype.to_text(question.rdtype), seconds=60)
        text = self.said = done.stdout + done.stderr
        if "unsigned answer" in text:
            return "insecure"
        if "fully validated" in text:
            return "secure"
        return "failure" if any(words in text for words in _NO_ANSWER) else "bogus"
