"""OpenSSL's danetest.in as values: header line, TLSA lines, certificates (see the README of the corpora)."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from danelaw.dane import TLSARecord

_HEADER = re.compile(r"\d+ \d+ [01] \d+ -?\d+\Z")


@dataclass(frozen=True)
class Case:
    """One block; `result` is an X509_V code, 0 for success."""

    line: int
    records: tuple[TLSARecord, ...]
    chain: tuple[bytes, ...]
    no_name_checks: bool
    result: int
    depth: int


def read_cases(path: Path) -> list[Case]:
    lines = [line.strip() for line in path.read_text("ascii").splitlines()]
    cases, position = [], 0
    while position < len(lines):
        if not _HEADER.match(lines[position]):
            position += 1
            continue
        tlsa, certs, names, result, depth = map(int, lines[position].split())
        start = position + 1
        records = tuple(TLSARecord.from_text(line) for line in lines[start : start + tlsa])
        chain, position = [], start + tlsa
        while len(chain) < certs:
            begin = lines.index("-----BEGIN CERTIFICATE-----", position)
            position = lines.index("-----END CERTIFICATE-----", begin) + 1
            chain.append(ssl.PEM_cert_to_DER_cert("\n".join(lines[begin:position])))
        cases.append(Case(start, records, tuple(chain), bool(names), result, depth))
    return cases
