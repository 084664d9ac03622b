"""Verdicts on generated mails, ours beside those of dkimpy, pyspf, opendkim and libopendmarc.

    python -m interop.authentication [--messages 10000] [--seed 1] [--peers PYTHON]

`--peers` is an interpreter that has dkimpy (with PyNaCl) and pyspf; opendkim and libopendmarc are Debian's. Who is
not there is left out, and named. Every kind of difference must be in `authentication_differences.EXPLAINED` with the
section that decides it; another one is printed with its mail and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

from interop.authentication_differences import EXPLAINED, Explained
from interop.generated_mail import NOW, POLICIES, Mail, World, mails

from danelaw.authentication import Examination, Transaction, Verdicts
from danelaw.dkim import DKIMVerdict
from danelaw.dmarc import DMARCResult, Policy
from danelaw.dnsdata import DNSSECStatus
from danelaw.message import boundary
from danelaw.testing import FakeDNS, run_lookup

_PER_WORLD = 250


@dataclass(slots=True)
class Comparison:
    """What was counted: agreements by peer, differences by explanation, and those without one."""

    agreed: Counter[str] = field(default_factory=Counter)
    explained: Counter[Explained] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, peer: str, ours: str, theirs: str, reasons: str) -> None:
        """One verdict of both."""
        if ours == theirs:
            self.agreed[peer] += 1
            return
        found = next((one for one in EXPLAINED if _explains(one, peer, ours, theirs, reasons)), None)
        if found is not None:
            self.explained[found] += 1
        else:
            self.unexplained.append(f"{peer}: ours {ours}, theirs {theirs}: {reasons}")

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Peer, verdicts that agree, verdicts that differ, why."""
        for peer in self.agreed:
            differing = [(one, count) for one, count in self.explained.items() if one.peer == peer]
            yield peer, str(self.agreed[peer]), str(sum(count for _, count in differing)), ""
            for one, count in differing:
                yield "", "", str(count), one.sentence


def _explains(one: Explained, peer: str, ours: str, theirs: str, reasons: str) -> bool:
    kind = one.peer == peer and re.fullmatch(one.ours, ours) and re.fullmatch(one.theirs, theirs)
    return bool(kind and re.search(one.words, reasons))


def compare(count: int, seed: int, python: str | None) -> Comparison:
    """Everything, for so many mails; every few hundred live in a DNS of their own."""
    found = Comparison()
    for number, start in enumerate(range(0, count, _PER_WORLD)):
        world = World(1_000 * seed + number)
        judged = judge(world, min(_PER_WORLD, count - start))
        with tempfile.TemporaryDirectory() as place:
            peers = {
                "dkimpy and pyspf": _Python.start(world, python),
                "opendkim": _OpenDKIM.start(world, Path(place)),
                "libopendmarc": _OpenDMARC.start(),
            }
            found.missing = [name for name, peer in peers.items() if peer is None]
            for peer in filter(None, peers.values()):
                peer.compare(judged, found)
    return found


def judge(world: World, count: int) -> list[tuple[Mail, Verdicts]]:
    """So many mails of a world, and our verdicts on them."""
    names = _names(world)
    return [(mail, _verdicts(mail, names)) for mail in mails(world, count)]


def _names(world: World) -> FakeDNS:
    lines = []
    for (name, rdtype), values in world.records.items():
        for value in values:
            text = " ".join(f'"{value[start : start + 200]}"' for start in range(0, len(value), 200))
            data = {"TXT": text, "MX": f"10 {value}."}.get(rdtype, value)
            lines.append(f"{name}. {rdtype} {data}")
    names = FakeDNS(insecure="\n".join(lines))
    for name in world.failing:
        names.fail(name, DNSSECStatus.INDETERMINATE)
    return names


def _verdicts(mail: Mail, names: FakeDNS) -> Verdicts:
    end, body = boundary(mail.octets)
    said = Transaction(ip_address(mail.client), mail.helo, mail.mail_from)
    examination = Examination(mail.octets[:end], said, now=NOW)
    examination.update(mail.octets[body:])
    return run_lookup(examination.inquire(), names, max_questions=400)


Judged = Sequence[tuple[Mail, Verdicts]]


class _Python:
    """dkimpy and pyspf in an interpreter of their own."""

    def __init__(self, world: World, python: str) -> None:
        script = str(Path(__file__).with_name("authentication_peer.py"))
        self._process = subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        records = {f"{name} {rdtype}": values for (name, rdtype), values in world.records.items()}
        self._say({"records": records, "failing": sorted(world.failing)})
        self._records = world.records

    @classmethod
    def start(cls, world: World, python: str | None) -> _Python | None:
        """None where the interpreter lacks one of them."""
        try:
            subprocess.run([python or "", "-c", "import dkim, nacl, spf"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return cls(world, str(python))

    def _say(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def compare(self, judged: Judged, found: Comparison) -> None:
        """Result words of SPF; of each signature whether it verifies."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for mail, verdicts in judged:
            message = base64.b64encode(mail.octets).decode()
            task = {"client": mail.client, "helo": mail.helo, "mail_from": mail.mail_from, "message": message}
            self._say(task | {"signatures": len(verdicts.dkim.verdicts)})
            answer = json.loads(self._process.stdout.readline())
            spf = verdicts.spf
            texts = self._records.get((spf.domain, "TXT"), [])
            seen = " ".join(step.note for step in spf.trace)
            found.add("pyspf", spf.result.value, answer["spf"], f"{spf.reason} | {answer['why']} | {texts} {seen}")
            for verdict, verified in zip(verdicts.dkim.verdicts, answer["dkim"], strict=True):
                ours = verdict.result.value
                theirs = _word(ours, verified is True)
                found.add("dkimpy", ours, theirs, f"{_shown(verdict)} | {verified} | {_damage(mail)}")
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _word(ours: str, verified: bool) -> str:
    """Ours where both do or both do not verify: others have fewer words for what does not."""
    return "pass" if verified else "no pass" if ours == "pass" else ours


def _damage(mail: Mail) -> str:
    return mail.damage + (", white space ends the body" if mail.octets.endswith((b" ", b"\t")) else "")


def _shown(verdict: DKIMVerdict) -> str:
    signature = verdict.signature
    return f"{verdict.reason} | s={verdict.selector} i={signature.identity if signature is not None else None}"


class _OpenDKIM:
    """opendkim -t: verifies files by the keys of a file, and says the result of each signature."""

    def __init__(self, place: Path) -> None:
        self._place = place

    @classmethod
    def start(cls, world: World, place: Path) -> _OpenDKIM | None:
        """None where it is not installed."""
        if shutil.which("opendkim") is None:
            return None
        keys = [f"{name} {values[0]}\n" for (name, _), values in world.records.items() if "_domainkey" in name]
        (place / "keys").write_text("".join(keys))
        (place / "conf").write_text(f"Mode v\nTestDNSData {place}/keys\nSyslog no\nAlwaysAddARHeader yes\n")
        return cls(place)

    def compare(self, judged: Judged, found: Comparison) -> None:
        """Of each signature whether it verifies."""
        files = []
        for number, (mail, _) in enumerate(judged):
            files.append(self._place / f"{number}.eml")
            # Its test mode stumbles over a last line without end; for DKIM both are the same body (RFC 6376 §3.4.3).
            files[-1].write_bytes(mail.octets if mail.octets.endswith(b"\r\n") else mail.octets + b"\r\n")
        command = ["opendkim", "-x", str(self._place / "conf"), "-vv", "-t", ",".join(map(str, files))]
        text = subprocess.run(command, capture_output=True, text=True, errors="replace").stdout
        for said, (mail, verdicts) in zip(_messages(text, files), judged, strict=True):
            by_place = len(said) == len(verdicts.dkim.verdicts)
            for place, verdict in enumerate(verdicts.dkim.verdicts):
                ours = verdict.result.value
                start = _start_of(verdict)
                theirs = next((word for word, b in said if start and start.startswith(b)), "not said")
                theirs = said[place][0] if by_place else theirs
                found.add(
                    "opendkim", ours, _word(ours, theirs == "pass"), f"{_shown(verdict)} | {theirs} | {_damage(mail)}"
                )


def _start_of(verdict: DKIMVerdict) -> str:
    return base64.b64encode(verdict.signature.signature).decode() if verdict.signature is not None else ""


def _messages(text: str, files: Iterable[Path]) -> Iterator[list[tuple[str, str]]]:
    """(result, beginning of b=) of the signatures of each message, from the field that opendkim would add."""
    parts = re.split(r"^opendkim: (\S+): [^\n]*\n", text, flags=re.MULTILINE)
    by_file = dict(zip(parts[1::2], parts[0::2], strict=False))
    for file in files:
        yield re.findall(r"dkim=(\w+)[^;]*?header\.b=\"?([^\s;\"]+)", by_file[str(file)])


class _Library(ctypes.Structure):
    """OPENDMARC_LIB_T."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("file", ctypes.c_char * 4096),
        ("count", ctypes.c_int),
        ("rest", ctypes.c_char * 64),
    )


class _OpenDMARC:
    """libopendmarc, which is given the record and the results of SPF and DKIM.

    Strict alignment only: it knows the public suffix list and no tree walk (RFC 9989 §4.10).
    """

    _PASSED, _FAILED = 1, 2
    _POLICIES: ClassVar = {14: "absent", 15: "pass", 16: "reject", 17: "quarantine", 18: "none"}

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.opendmarc_policy_connect_init.restype = ctypes.c_void_p
        library.opendmarc_policy_library_init(ctypes.byref(_Library(0, b"", 0, b"")))

    @classmethod
    def start(cls) -> _OpenDMARC | None:
        """None where it is not installed."""
        try:
            return cls(ctypes.CDLL("libopendmarc.so.2"))
        except OSError:
            return None

    def compare(self, judged: Judged, found: Comparison) -> None:
        """The policy to enforce: pass, or that of p= or sp=."""
        for mail, verdicts in judged:
            domain = "a.test" if mail.author.endswith("a.test") else mail.author
            record = POLICIES.get(domain)
            if record is None or verdicts.dmarc.result is DMARCResult.TEMPERROR:
                continue
            theirs = self._policy(mail.author, domain, record, verdicts)
            dmarc = verdicts.dmarc
            ours = "pass" if dmarc.result is DMARCResult.PASS else (dmarc.policy or Policy.NONE).value
            signed = ", ".join(f"{one.domain} {one.authenticates}" for one in verdicts.dkim.verdicts)
            spf = f"{verdicts.spf.domain} {verdicts.spf.result.value}"
            found.add("libopendmarc", ours, theirs, f"{mail.author} | {dmarc.reason} | SPF {spf} | DKIM {signed}")

    def _policy(self, author: str, domain: str, record: str, verdicts: Verdicts) -> str:
        library = self._library
        context = ctypes.c_void_p(library.opendmarc_policy_connect_init(b"192.0.2.1", 0))
        try:
            library.opendmarc_policy_store_from_domain(context, author.encode())
            passed = self._PASSED if verdicts.spf.result.value == "pass" else self._FAILED
            library.opendmarc_policy_store_spf(context, verdicts.spf.domain.encode(), passed, 1, None)
            for verdict in verdicts.dkim.verdicts:
                passed = self._PASSED if verdict.authenticates else self._FAILED
                library.opendmarc_policy_store_dkim(context, verdict.domain.encode(), b"s", passed, None)
            organization = domain.encode() if domain != author else None
            library.opendmarc_policy_store_dmarc(context, record.encode(), domain.encode(), organization)
            return self._POLICIES.get(library.opendmarc_get_policy_to_enforce(context), "?")
        finally:
            library.opendmarc_policy_connect_shutdown(context)


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", metavar="PYTHON")
    options = parser.parse_args()
    found = compare(options.messages, options.seed, options.peers)
    for row in found.rows():
        print(f"  {row[0]:14}{row[1]:>8}{row[2]:>8}  {row[3]}")
    for missing in found.missing:
        print(f"  not here: {missing}")
    for line in found.unexplained[:40]:
        print(f"  UNEXPLAINED {line}")
    return 1 if found.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
