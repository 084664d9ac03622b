"""Ways to tamper with a receipt, from a slip of the pen to a forger who makes every digest anew."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype

from danelaw.hashchain import Link, entry_of
from danelaw.queue import Attempt, RecordReason, UnreadableAttempt, id_from_text, named_by
from danelaw.receipt import Kind
from danelaw.receipt.form import canonical, indented
from danelaw.receipt.paper import seal

YEAR = 365 * 86400.0


@dataclass(frozen=True)
class Tampering:
    """One way: what was done, to which octets it led, and why they must be refused by who trusts the root key alone.

    `forged` ones can be told only by who knows the gateway's key: all that was changed rests on its word.
    """

    name: str
    octets: bytes
    kind: Kind
    forged: bool = False


class Forger:
    """A receipt taken apart. All changes are put together again consistently by `sealed`."""

    def __init__(self, octets: bytes) -> None:
        self.original = octets
        self.body: dict[str, Any] = json.loads(octets)

    def copy(self) -> Forger:
        return Forger(self.original)

    # on the whole

    def unsealed(self) -> bytes:
        """As it stands, with the digest it had."""
        return indented(self.body)

    def sealed(self) -> bytes:
        """With a new digest, and no signature: who tampers lacks the key."""
        return seal(self.body)

    # inside

    @property
    def evidence(self) -> dict[str, str]:
        return self.body["evidence"]  # type: ignore[no-any-return]

    def attempt(self, position: int = -1) -> Attempt:
        return Attempt.decode(self.body["tries"][position]["record"])

    def rerecord(self, attempt: Attempt, position: int = -1, *, claims: bool = True, log: bool = True) -> Forger:
        """Put another record in place of one, with its claims, and a log that holds it."""
        return self.rerecord_text(attempt.encode(), position, claims=claims, log=log)

    def rerecord_text(self, record: str, position: int = -1, *, claims: bool = True, log: bool = True) -> Forger:
        """The same with any text for a record; claims only where it can be read."""
        one = self.body["tries"][position]
        one["record"] = record
        if claims:
            with contextlib.suppress(UnreadableAttempt):
                one["claims"] = Attempt.decode(record).claims()
        if log:
            entry = entry_of(id_from_text(self.body["message"]["id"]), one["number"], one["record"])
            own = one["log"]["links"][-1]
            one["log"] = {"index": 0, "entries": 1, "path": [], "links": [own | {"root": entry.hex()}]}
        return self

    def change(self, position: int = -1, **fields: Any) -> Forger:
        """The same with some fields changed."""
        return self.rerecord(replace(self.attempt(position), **fields), position)

    def put(self, octets: bytes) -> bytes:
        digest = hashlib.sha256(octets).digest()
        self.evidence[digest.hex()] = base64.b64encode(octets).decode()
        return digest

    def piece(self, digest: bytes | str) -> bytes:
        return base64.b64decode(self.evidence[digest if isinstance(digest, str) else digest.hex()])

    def rebase(self, alter: Callable[[dict[str, Any]], Any], position: int = -1) -> Forger:
        """Change the basis of a try, and everything that names it."""
        attempt = self.attempt(position)
        basis = json.loads(self.piece(attempt.basis))
        alter(basis)
        del self.evidence[attempt.basis.hex()]
        return self.rerecord(replace(attempt, basis=self.put(canonical(basis))), position)

    def resession(self, alter: Callable[[dict[str, Any]], Any], position: int = -1, **fields: Any) -> Forger:
        """Change the session of a try, and everything that names it."""
        attempt = self.attempt(position)
        session = json.loads(self.piece(attempt.session))
        alter(session)
        del self.evidence[attempt.session.hex()]
        return self.rerecord(replace(attempt, session=self.put(canonical(session)), **fields), position)

    def reanswer(self, name: str, rdtype: str, alter: Callable[[dns.message.Message], Any]) -> Forger:
        """Change the response to one question, and everything that names it."""
        for digest in self.basis()["responses"]:
            message = dns.message.from_wire(self.piece(digest))
            asked = message.question[0]
            if asked.name.to_text() == name and dns.rdatatype.to_text(asked.rdtype) == rdtype:
                alter(message)
                return self.rewire(digest, message.to_wire())
        raise LookupError(f"no response to {name} {rdtype}")

    def rewire(self, digest: str, wire: bytes) -> Forger:
        new = self.put(wire)
        del self.evidence[digest]
        attempt = self.attempt()
        changed = tuple(new if one.hex() == digest else one for one in attempt.evidence)
        self.rerecord(replace(attempt, evidence=changed))
        return self.rebase(
            lambda basis: basis.update(responses=[new.hex() if d == digest else d for d in basis["responses"]])
        )

    def listing(self) -> Forger:
        """As older danelaws recorded: each try lists what its basis and its session name."""
        for position in range(len(self.body["tries"])):
            attempt = self.attempt(position)
            named = [named_by(self.piece(one)) for one in (attempt.basis, attempt.session) if one]
            self.rerecord(replace(attempt, evidence=tuple(chain.from_iterable(named))), position)
        return self

    def basis(self, position: int = -1) -> dict[str, Any]:
        return json.loads(self.piece(self.attempt(position).basis))  # type: ignore[no-any-return]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every member of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.5
        case str() if len(value) == 64 and set(value) <= set("0123456789abcdef"):
            return ("0" if value[0] != "0" else "1") + value[1:]
        case str():
            return value + "A"
        case None:
            return "something"
        case list():
            return value[:-1] if value else [0]
    return {}


def _words(path: tuple[Any, ...]) -> str:
    return ".".join(str(part)[:12] for part in path)


# Octets


def of_the_form(octets: bytes) -> Iterator[Tampering]:
    """What is no receipt any more."""
    lines = octets.split(b"\n")
    compact = canonical(json.loads(octets))
    first = lines[1]
    for name, wrong in {
        "nothing": b"",
        "blanks": b"  \n",
        "no JSON": b"receipt",
        "an array": b"[]\n",
        "a text": b'"receipt"\n',
        "null": b"null\n",
        "no line end": octets[:-1],
        "two line ends": octets + b"\n",
        "CRLF": octets.replace(b"\n", b"\r\n"),
        "a mark of byte order": b"\xef\xbb\xbf" + octets,
        "UTF-16": octets.decode().encode("utf-16"),
        "another object behind": octets + octets,
        "a letter outside ASCII": octets.replace(b"demo@", "dämo@".encode(), 1),
        "without its white space": compact,
        "with more white space": octets.replace(b": ", b":  ", 1),
        "a key twice": octets.replace(first, first + b"\n" + first, 1) if first.endswith(b",") else octets[:-3] + b",}",
        "schema twice": octets.replace(b' "schema"', b' "schema": "danelaw/receipt/1",\n "schema"', 1),
        "a key twice inside": octets.replace(b'  "size"', b'  "size": 1,\n  "size"', 1),
        "members in another order": json.dumps(dict(reversed(json.loads(octets).items())), indent=1).encode() + b"\n",
        "NaN": octets.replace(b'"received_at": 1', b'"received_at": NaN, "x": 1', 1),
        "infinity": _number(octets, b"Infinity"),
        "a number beyond all bounds": _number(octets, b"1e999"),
        "a long number": _number(octets, b"9" * 5000),
        "a number in another spelling": _number(octets, b"1.8e9"),
        "a negative time": _number(octets, b"-1.5"),
        "escaped letters": octets.replace(b'"schema"', b'"\\u0073chema"', 1),
        "nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
        "objects nested 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "more than 16 MiB": octets.replace(b'"evidence": {', b'"evidence": {"' + b"a" * (16 << 20) + b'": "",', 1),
    }.items():
        yield Tampering(f"form: {name}", wrong, Kind.FORM)
    for tenth in range(1, 10):
        yield Tampering(f"form: cut off after {tenth} tenths", octets[: len(octets) * tenth // 10], Kind.FORM)


def _number(octets: bytes, text: bytes) -> bytes:
    before, _, after = octets.partition(b'"received_at": ')
    return before + b'"received_at": ' + text + after[after.index(b",") :]


def of_members(forger: Forger) -> Iterator[Tampering]:
    """A member missing, one too many, one of another kind; the digest made anew."""
    objects = [(), ("message",), ("message", "recipients", 0), ("tries", -1), ("tries", -1, "log")]
    objects.append(("tries", -1, "log", "links", 0))
    for path in objects:
        where = _words(path) or "receipt"
        for name in at(forger.body, path):
            if path == () and name in ("digest", "signature", "schema"):
                continue
            other = forger.copy()
            del at(other.body, path)[name]
            yield Tampering(f"member: {where} without {name}", other.sealed(), Kind.FORM)
            other = forger.copy()
            at(other.body, path)[name] = {"of": ["another", "kind"]}
            kind = Kind.RECORD if name == "claims" else Kind.FORM
            yield Tampering(f"member: {where}.{name} of another kind", other.sealed(), kind)
        other = forger.copy()
        at(other.body, path)["more"] = 1
        yield Tampering(f"member: {where} with one more", other.sealed(), Kind.FORM)
    for version in ("danelaw/receipt/2", "danelaw/receipt/0", "another/receipt/1", ""):
        other = forger.copy()
        other.body["schema"] = version
        yield Tampering(f"version: {version!r}", other.sealed(), Kind.VERSION)


def unsealed(forger: Forger) -> Iterator[Tampering]:
    """Any value changed by hand."""
    for path in list(places(forger.body)):
        if path[0] in ("digest", "schema", "signature") or isinstance(at(forger.body, path), dict | list):
            continue
        other = forger.copy()
        at(other.body, path[:-1])[path[-1]] = changed(at(forger.body, path))
        claimed = path[0] == "tries" and path[2] in ("claims", "record")
        kind = Kind.RECORD if claimed else Kind.FORM if path[0] == "evidence" else Kind.ALTERED
        if path == ("message", "id") or path[2:] == ("record",):
            kind = Kind.FORM
        yield Tampering(f"by hand: {_words(path)}", other.unsealed(), kind)
    other = forger.copy()
    other.body["digest"] = changed(other.body["digest"])
    yield Tampering("by hand: digest", other.unsealed(), Kind.ALTERED)


# With a new digest


def of_evidence(forger: Forger, stranger: Forger) -> Iterator[Tampering]:
    """Pieces altered, missing, swapped, added."""
    names = list(forger.evidence)
    for name in names:
        other = forger.copy()
        octets = bytearray(other.piece(name))
        octets[-1] ^= 1
        other.evidence[name] = base64.b64encode(bytes(octets)).decode()
        yield Tampering(f"evidence: {name[:8]} altered", other.sealed(), Kind.EVIDENCE)
        other = forger.copy()
        del other.evidence[name]
        yield Tampering(f"evidence: {name[:8]} missing", other.sealed(), Kind.EVIDENCE)
    other = forger.copy()
    other.evidence[names[0]], other.evidence[names[1]] = other.evidence[names[1]], other.evidence[names[0]]
    yield Tampering("evidence: two pieces swapped", other.sealed(), Kind.EVIDENCE)
    other = forger.copy()
    other.put(b"something else")
    yield Tampering("evidence: one too many", other.sealed(), Kind.EVIDENCE)
    other = forger.copy()
    other.body["evidence"] = {}
    yield Tampering("evidence: none", other.sealed(), Kind.EVIDENCE)
    other = forger.copy()
    other.body["evidence"] = copy.deepcopy(stranger.evidence)
    yield Tampering("evidence: that of another receipt", other.sealed(), Kind.EVIDENCE)
    other = forger.copy()
    other.evidence[names[0]] += "\n"
    yield Tampering("evidence: base64 with a line end", other.sealed(), Kind.FORM)
    other = forger.copy()
    other.evidence[names[0].upper()] = other.evidence.pop(names[0])
    yield Tampering("evidence: a name in capitals", other.sealed(), Kind.FORM)
    for what in ("basis", "session"):
        other = forger.copy()
        attempt = other.attempt()
        octets = stranger.piece(getattr(stranger.attempt(), what))
        del other.evidence[getattr(attempt, what).hex()]
        digest = other.put(octets)
        other.rerecord(replace(attempt, **{what: digest}))
        yield Tampering(f"evidence: the {what} of another receipt", other.sealed(), Kind.EVIDENCE)
        other = forger.copy()
        attempt = other.attempt()
        del other.evidence[getattr(attempt, what).hex()]
        changes: dict[str, Any] = {what: b""}
        yield Tampering(f"evidence: no {what}", other.rerecord(replace(attempt, **changes)).sealed(), Kind.EVIDENCE)
        for name, wrong in {"no JSON": b"{", "another form": b'{"form":"danelaw/other/1"}', "empty": b""}.items():
            other = forger.copy()
            attempt = other.attempt()
            del other.evidence[getattr(attempt, what).hex()]
            digest = other.put(wrong)
            other.rerecord(replace(attempt, **{what: digest}))
            yield Tampering(f"evidence: a {what} that is {name}", other.sealed(), Kind.EVIDENCE)


def of_claims(forger: Forger) -> Iterator[Tampering]:
    """Claims that are not what was recorded, and records that are not what was logged."""
    for name, value in forger.body["tries"][-1]["claims"].items():
        other = forger.copy()
        other.body["tries"][-1]["claims"][name] = changed(value)
        yield Tampering(f"claim: {name}", other.sealed(), Kind.RECORD)
    attempt = forger.attempt()
    for name in (
        "time",
        "destination",
        "host",
        "address",
        "protection",
        "outcome",
        "reply",
        "reason",
        "cipher",
        "facts",
    ):
        other = forger.copy()
        value = getattr(attempt, name)
        fields: dict[str, Any] = {name: value + 1.0 if isinstance(value, float) else value + "x"}
        other.rerecord(replace(attempt, **fields), log=False)
        yield Tampering(f"record: {name}, and the log left as it was", other.sealed(), Kind.LOG)
    for name, record in {"no array": "{}", "empty": "", "of form 2": '[2,"x"]', "short": "[1,1.0]"}.items():
        other = forger.copy()
        other.body["tries"][-1]["record"] = record
        yield Tampering(f"record: {name}", other.sealed(), Kind.FORM)


def of_the_log(forger: Forger) -> Iterator[Tampering]:
    """The place in the chain."""
    log = forger.body["tries"][-1]["log"]
    last = len(log["links"]) - 1
    assert last >= 2, "the receipt must go back over some links"
    for position in (0, 1, last):
        for name in ("number", "at", "root", "previous", "jump"):
            if position == 0 and name in ("at", "root"):
                continue  # whoever makes a new head needs no old one: only a kept head shows that
            other = forger.copy()
            link = other.body["tries"][-1]["log"]["links"][position]
            link[name] = changed(link[name])
            if position == 0 and name in ("previous", "jump") and not _named(log["links"], name):
                continue
            yield Tampering(f"log: {name} of link {position} on the way", other.sealed(), Kind.LOG)
    other = forger.copy()
    other.body["tries"][-1]["log"]["links"].reverse()
    yield Tampering("log: links in reverse", other.sealed(), Kind.LOG)
    other = forger.copy()
    del other.body["tries"][-1]["log"]["links"][1]
    yield Tampering("log: a link left out", other.sealed(), Kind.LOG)
    other = forger.copy()
    other.body["tries"][-1]["log"]["links"].pop()
    yield Tampering("log: its own link left out", other.sealed(), Kind.LOG)
    other = forger.copy()
    other.body["tries"][-1]["log"]["links"] = []
    yield Tampering("log: no links", other.sealed(), Kind.FORM)
    for name, value in (("index", log["index"] + 1), ("index", 10**6), ("entries", log["entries"] + 64)):
        other = forger.copy()
        other.body["tries"][-1]["log"][name] = value
        yield Tampering(f"log: {name} {value}", other.sealed(), Kind.LOG)
    other = forger.copy()
    other.body["tries"][-1]["log"]["path"].append("00" * 32)
    yield Tampering("log: a longer path", other.sealed(), Kind.LOG)
    other = forger.copy()
    other.body["tries"][-1]["number"] += 1
    yield Tampering("log: another number in its batch", other.sealed(), Kind.LOG)
    other = forger.copy()
    other.body["message"]["id"] = "1" + other.body["message"]["id"][1:-1] + "z"
    yield Tampering("log: another message's id", other.sealed(), Kind.LOG)


def _named(links: list[dict[str, Any]], name: str) -> bool:
    """Whether the way leads over this member of its first link."""
    parsed = [
        Link(one["number"], one["at"], *(bytes.fromhex(one[k]) for k in ("root", "previous", "jump"))) for one in links
    ]
    return getattr(parsed[0], name) == parsed[1].digest


def of_lists(forger: Forger) -> Iterator[Tampering]:
    """A try of an older danelaw lists its evidence: that must be what its basis and its session name."""
    whole = forger.copy().listing().attempt().evidence
    first, last = whole[0], whole[-1]
    for words, evidence in (
        ("without the first", whole[1:]),
        ("without the last", whole[:-1]),
        ("with the first alone", (first,)),
        ("with its basis", (*whole, forger.attempt().basis)),
        ("with what is not there", (*whole[:-1], bytes((last[0] ^ 1,)) + last[1:])),
    ):
        yield Tampering(f"list: {words}", forger.copy().change(evidence=evidence).sealed(), Kind.EVIDENCE)
    other = forger.copy().listing()
    del other.evidence[last.hex()]
    yield Tampering("list: a piece of it is missing", other.sealed(), Kind.EVIDENCE)


# With everything made anew: only what follows from the evidence can tell


def of_time(forger: Forger) -> Iterator[Tampering]:
    """Times moved."""
    attempt = forger.attempt()
    for words, by in (("a year back", -YEAR), ("a year on", YEAR), ("ten years on", 10 * YEAR)):
        other = forger.copy().change(time=attempt.time + by, judged_at=attempt.judged_at + by)
        other.rebase(lambda basis, by=by: basis.update(made_at=basis["made_at"] + by))  # type: ignore[misc]
        yield Tampering(f"time: everything {words}", other.sealed(), Kind.DNS)
        other = forger.copy().change(time=attempt.time + by)
        yield Tampering(f"time: the try {words}", other.sealed(), Kind.TIME)
        other = forger.copy().change(judged_at=attempt.judged_at + by)
        yield Tampering(f"time: the judgement {words}", other.sealed(), Kind.TIME)
        other = forger.copy().rebase(lambda basis, by=by: basis.update(made_at=basis["made_at"] + by))  # type: ignore[misc]
        yield Tampering(f"time: the look-ups {words}", other.sealed(), Kind.DNS)
    other = forger.copy()
    other.body["message"]["received_at"] += 3600
    yield Tampering("time: received after it was tried", other.sealed(), Kind.TIME)
    other = forger.copy()
    other.body["written_at"] -= 3600
    yield Tampering("time: written before it was tried", other.sealed(), Kind.TIME)
    other = forger.copy()
    other.body["tries"][-1]["log"]["links"] = [other.body["tries"][-1]["log"]["links"][-1]]
    other.body["tries"][-1]["log"]["links"][0]["at"] = 1000
    yield Tampering("time: logged before it was tried", other.sealed(), Kind.TIME)
    yield Tampering("time: never judged", forger.copy().change(judged_at=0.0).sealed(), Kind.RECORD)


def of_the_record(forger: Forger) -> Iterator[Tampering]:
    """Every field of the record, with claims, log and digest to match."""
    yield Tampering("verdict: other destination", forger.copy().change(destination="other.lab").sealed(), Kind.EVIDENCE)
    for name, value, kind in (
        ("host", "mx2.dane.lab", Kind.DNS),
        ("host", "", Kind.DNS),
        ("address", "192.0.2.1", Kind.DNS),
        ("address", "", Kind.RECORD),
        ("port", 26, Kind.RECORD),
        ("requirement", "TLS if offered", Kind.REQUIREMENT),
        ("requirement", "", Kind.REQUIREMENT),
        ("protection", "DANE!", Kind.JUDGEMENT),
        ("protection", "MTA-STS", Kind.JUDGEMENT),
        ("protection", "public CA (your setting)", Kind.JUDGEMENT),
        ("protection", "host-only DANE", Kind.JUDGEMENT),
        ("protection", "encrypted only", Kind.JUDGEMENT),
        ("protection", "clear text", Kind.JUDGEMENT),
        ("protection", "nothing sent", Kind.JUDGEMENT),
        ("tls_version", "TLSv1.2", Kind.RECORD),
        ("tls_version", "", Kind.RECORD),
        ("cipher", "TLS_AES_128_GCM_SHA256", Kind.RECORD),
        ("reply", "550 5.1.1 no", Kind.OUTCOME),
        ("reply", "", Kind.OUTCOME),
        ("outcome", "waiting", Kind.OUTCOME),
        ("outcome", "returned", Kind.OUTCOME),
        ("outcome", "lost", Kind.OUTCOME),
        ("reason", "because", Kind.JUDGEMENT),
        ("reason", "", Kind.JUDGEMENT),
        ("detail", "MTA-STS: holds: yes", Kind.JUDGEMENT),
        ("records", (), Kind.JUDGEMENT),
        ("records", (RecordReason("3 1 1 00", True, True, "matches"),), Kind.JUDGEMENT),
        ("evidence", (hashlib.sha256(b"").digest(),), Kind.EVIDENCE),
        ("evidence", (forger.attempt().basis,), Kind.EVIDENCE),
        ("tlsrpt", "certificate-expired", Kind.JUDGEMENT),
        ("recipients", (7,), Kind.OUTCOME),
        ("recipients", (), Kind.OUTCOME),
    ):
        other = forger.copy().change(**{name: value})
        yield Tampering(f"verdict: {name} = {str(value)[:30]!r}", other.sealed(), kind)
    records = tuple(replace(one, matched=not one.matched) for one in forger.attempt().records)
    yield Tampering("verdict: the record did not match", forger.copy().change(records=records).sealed(), Kind.JUDGEMENT)
    other = forger.copy()
    other.body["tries"] = []
    yield Tampering("verdict: delivered without a try", other.sealed(), Kind.EVIDENCE)
    other.body["evidence"] = {}
    yield Tampering("verdict: delivered without a try or evidence", other.sealed(), Kind.OUTCOME)
    other = forger.copy()
    other.body["message"]["requiretls"] = True
    yield Tampering("verdict: the sender demanded REQUIRETLS", other.sealed(), Kind.REQUIREMENT)
    other = forger.copy()
    other.body["message"]["recipients"][0]["state"] = "lost"
    yield Tampering("verdict: a state that is none", other.sealed(), Kind.OUTCOME)


def of_upgrades(delivered: dict[str, Forger]) -> Iterator[Tampering]:
    """Mail that was protected less, or not sent at all, claimed to be better off."""
    for domain, forger in delivered.items():
        for better in ("DANE", "MTA-STS", "public CA (your setting)", "pinned key (your setting)", "host-only DANE"):
            other = forger.copy().change(protection=better)
            yield Tampering(f"upgrade: {domain} to {better}", other.sealed(), Kind.JUDGEMENT)
            attempt = forger.attempt()
            other = forger.copy()
            bare = replace(attempt, basis=b"", session=b"", judged_at=0.0, evidence=(), protection=better)
            other.body["evidence"] = {}
            yield Tampering(
                f"upgrade: {domain} to {better} without proof", other.rerecord(bare).sealed(), Kind.EVIDENCE
            )


def of_stopped(forger: Forger, domain: str) -> Iterator[Tampering]:
    """Mail that was stopped, claimed to be delivered."""
    other = forger.copy().change(outcome="delivered", protection="DANE", reply="250 2.0.0 taken")
    other.body["message"]["recipients"][0]["state"] = "delivered"
    yield Tampering(f"stopped: {domain} delivered", other.sealed(), Kind.OUTCOME)
    other = forger.copy().change(protection="encrypted only", outcome="delivered", reply="250 ok", tlsrpt="")
    yield Tampering(f"stopped: {domain} encrypted only", other.sealed(), Kind.JUDGEMENT)
    other = forger.copy()
    other.body["message"]["recipients"][0]["state"] = "delivered"
    yield Tampering(f"stopped: {domain} delivered by nobody", other.sealed(), Kind.OUTCOME)


def of_delivered(forger: Forger, domain: str) -> Iterator[Tampering]:
    """Mail that was delivered, claimed not to be."""
    for state in ("waiting", "held", "returned", "dropped"):
        other = forger.copy()
        other.body["message"]["recipients"][0]["state"] = state
        yield Tampering(f"delivered: {domain} {state}", other.sealed(), Kind.OUTCOME)
    for outcome in ("waiting", "returned"):
        other = forger.copy().change(outcome=outcome)
        other.body["message"]["recipients"][0]["state"] = outcome
        yield Tampering(f"delivered: {domain} {outcome}, and the try with it", other.sealed(), Kind.OUTCOME)


def of_dns(forger: Forger, stranger: Forger) -> Iterator[Tampering]:
    """What DNS is claimed to have said."""
    domain = forger.basis()["next_hop"]
    host = f"mx.{domain}."
    for number, answer in enumerate(forger.basis()["answers"]):
        what = f"{answer['name']} {answer['type']}"
        for status in {"secure", "insecure", "bogus", "indeterminate"} - {answer["status"]}:
            other = forger.copy().rebase(
                lambda basis, n=number, s=status: basis["answers"][n].update(status=s)  # type: ignore[misc]
            )
            yield Tampering(f"dns: {what} taken as {status}", other.sealed(), Kind.DNS)
        other = forger.copy().rebase(lambda basis, n=number: basis["answers"].pop(n))  # type: ignore[misc]
        yield Tampering(f"dns: {what} not answered", other.sealed(), Kind.DNS)
        other = forger.copy().rebase(lambda basis, n=number: basis["answers"][n].update(rcode=3))  # type: ignore
        yield Tampering(f"dns: {what} does not exist", other.sealed(), Kind.DNS)
    for name, rdtype in ((f"{domain}.", "MX"), (host, "A"), (f"_25._tcp.{host}", "TLSA")):
        what = f"{name} {rdtype}"
        yield Tampering(f"dns: {what} without signatures",
                        forger.copy().reanswer(name, rdtype, _unsign).sealed(), Kind.DNS)  # fmt: skip
        yield Tampering(f"dns: {what} without records",
                        forger.copy().reanswer(name, rdtype, _empty).sealed(), Kind.DNS)  # fmt: skip
        yield Tampering(f"dns: {what} with an altered signature",
                        forger.copy().reanswer(name, rdtype, _spoil).sealed(), Kind.DNS)  # fmt: skip
        yield Tampering(f"dns: {what} with another record",
                        forger.copy().reanswer(name, rdtype, _forge).sealed(), Kind.DNS)  # fmt: skip
        yield Tampering(f"dns: {what} to another question",
                        forger.copy().reanswer(name, rdtype, _other_question).sealed(), Kind.DNS)  # fmt: skip
    for rdtype in ("DNSKEY", "DS"):
        name = "." if rdtype == "DNSKEY" else f"{domain}."
        yield Tampering(f"dns: {name} {rdtype} without records",
                        forger.copy().reanswer(name, rdtype, _empty).sealed(), Kind.DNS)  # fmt: skip
    others = {dns.message.from_wire(stranger.piece(d)).question[0].to_text(): stranger.piece(d)
              for d in stranger.basis()["responses"]}  # fmt: skip
    answer = next(octets for words, octets in others.items() if " MX" in words)
    digest = next(d for d in forger.basis()["responses"]
                  if " MX" in dns.message.from_wire(forger.piece(d)).question[0].to_text())  # fmt: skip
    yield Tampering("dns: the MX of another domain", forger.copy().rewire(digest, answer).sealed(), Kind.DNS)
    yield Tampering("dns: another next hop", forger.copy().rebase(
        lambda basis: basis.update(next_hop="sts.lab")).change(destination="sts.lab").sealed(), Kind.DNS)  # fmt: skip
    yield Tampering("dns: another port", forger.copy().rebase(
        lambda basis: basis.update(next_hop=f"{domain}:26")).change(destination=f"{domain}:26", port=26).sealed(),
        Kind.DNS)  # fmt: skip


def _empty(message: dns.message.Message) -> None:
    message.answer.clear()


def _unsign(message: dns.message.Message) -> None:
    message.answer = [rrset for rrset in message.answer if rrset.rdtype != dns.rdatatype.RRSIG]


def _spoil(message: dns.message.Message) -> None:
    for rrset in message.answer:
        if rrset.rdtype == dns.rdatatype.RRSIG:
            (signature,) = rrset.items
            octets = bytearray(signature.signature)
            octets[3] ^= 1
            rrset.items = {signature.replace(signature=bytes(octets)): None}


def _forge(message: dns.message.Message) -> None:
    for rrset in message.answer:
        (record,) = rrset.items
        if rrset.rdtype == dns.rdatatype.MX:
            rrset.items = {record.replace(preference=7): None}
        elif rrset.rdtype == dns.rdatatype.A:
            rrset.items = {record.replace(address="192.0.2.1"): None}
        elif rrset.rdtype == dns.rdatatype.TLSA:
            rrset.items = {record.replace(cert=bytes(32)): None}


def _other_question(message: dns.message.Message) -> None:
    question = message.question[0]
    message.question = [dns.rrset.RRset(dns.name.from_text("x.lab."), question.rdclass, question.rdtype)]


def of_the_denial(forger: Forger) -> Iterator[Tampering]:
    """A signed zone without TLSA records: proofs of absence left out, or taken for something else."""
    basis = forger.basis()
    tlsa = next(one for one in basis["answers"] if one["type"] == "AAAA")
    name = tlsa["name"]
    yield Tampering("denial: without its NSEC records", forger.copy().reanswer(
        name, "AAAA", lambda m: setattr(m, "authority", [r for r in m.authority if r.rdtype == dns.rdatatype.SOA])
    ).sealed(), Kind.DNS)  # fmt: skip
    yield Tampering("denial: empty", forger.copy().reanswer(
        name, "AAAA", lambda m: m.authority.clear()).sealed(), Kind.DNS)  # fmt: skip
    yield Tampering("denial: unsigned", forger.copy().reanswer(name, "AAAA", lambda m: setattr(
        m, "authority", [r for r in m.authority if r.rdtype != dns.rdatatype.RRSIG])).sealed(), Kind.DNS)  # fmt: skip
    yield Tampering("denial: a name that does not exist", forger.copy().reanswer(
        name, "AAAA", lambda m: m.set_rcode(3)).sealed(), Kind.DNS)  # fmt: skip


def of_the_session(forger: Forger, stranger: Forger) -> Iterator[Tampering]:
    """Another handshake than the one that was judged."""
    leaf = forger.attempt()
    session = json.loads(forger.piece(leaf.session))
    other_session = json.loads(stranger.piece(stranger.attempt().session))

    def with_chain(other: Forger, chain: list[str], source: Forger) -> Forger:
        for digest in session["chain"]:
            other.evidence.pop(digest, None)
        for digest in chain:
            other.put(source.piece(digest))
        return other.resession(lambda s: s.update(chain=chain))

    yield Tampering("session: the chain of another server",
                    with_chain(forger.copy(), other_session["chain"], stranger).sealed(), Kind.JUDGEMENT)  # fmt: skip
    yield Tampering("session: no chain", with_chain(forger.copy(), [], forger).sealed(), Kind.JUDGEMENT)
    yield Tampering("session: the chain in reverse",
                    with_chain(forger.copy(), session["chain"][::-1], forger).sealed(), Kind.JUDGEMENT)  # fmt: skip
    for name, value, kind in (
        ("starttls", "NOT_OFFERED", Kind.JUDGEMENT),
        ("starttls", "FAILED", Kind.JUDGEMENT),
        ("starttls", "PERHAPS", Kind.EVIDENCE),
        ("version", "TLSv1.1", Kind.JUDGEMENT),
        ("version", None, Kind.RECORD),
        ("cipher", None, Kind.RECORD),
        ("address", "192.0.2.1", Kind.RECORD),
        ("port", 26, Kind.RECORD),
        ("host", "mx.other.lab", Kind.EVIDENCE),
        ("sni", "other.lab", Kind.REQUIREMENT),
        ("sni", None, Kind.REQUIREMENT),
        ("form", "danelaw/session/2", Kind.EVIDENCE),
    ):
        other = forger.copy().resession(lambda s, n=name, v=value: s.update({n: v}))  # type: ignore[misc]
        yield Tampering(f"session: {name} = {value}", other.sealed(), kind)


def of_words_that_weaken(forger: Forger) -> Iterator[Tampering]:
    """Overrides, policies and demands that were never in force."""
    domain = forger.basis()["next_hop"]
    override = {"destination": domain, "tls": "encrypt", "fingerprints": [], "because": "", "expires": None,
                "source": "configuration"}  # fmt: skip
    for words, change, kind in (
        ("encrypt", {}, Kind.JUDGEMENT),
        ("none", {"tls": "none"}, Kind.JUDGEMENT),
        ("for another domain", {"destination": "other.lab"}, Kind.REQUIREMENT),
        ("that has expired", {"expires": 1000.0}, Kind.REQUIREMENT),
        ("of no kind", {"tls": "perhaps"}, Kind.EVIDENCE),
    ):
        other = forger.copy().rebase(lambda basis, c=change: basis.update(override=override | c))  # type: ignore[misc]
        yield Tampering(f"word: an override {words}", other.sealed(), kind)
    for demand, kind in (
        ("requiretls", Kind.REQUIREMENT), ("tls-required-no", Kind.REQUIREMENT), ("perhaps", Kind.EVIDENCE),
    ):  # fmt: skip
        other = forger.copy().rebase(lambda basis, d=demand: basis.update(demand=d))  # type: ignore[misc]
        yield Tampering(f"word: the demand {demand}", other.sealed(), kind)


def of_the_policy(forger: Forger) -> Iterator[Tampering]:
    """An MTA-STS policy, where one decided."""
    policy = forger.basis()["mta_sts"]
    for words, change, kind in (
        ("in testing", {"policy": policy["policy"].replace("enforce", "testing")}, Kind.JUDGEMENT),
        ("of mode none", {"policy": policy["policy"].replace("enforce", "none")}, Kind.JUDGEMENT),
        ("without the host", {"policy": policy["policy"].replace("mx: mx", "mx: other")}, Kind.JUDGEMENT),
        ("of another domain", {"domain": "other.lab"}, Kind.REQUIREMENT),
        ("that had expired", {"fetched": policy["fetched"] - 10 * YEAR}, Kind.REQUIREMENT),
        ("not fetched yet", {"fetched": policy["fetched"] + YEAR}, Kind.TIME),
        ("that cannot be read", {"policy": "version: STSv2\r\n"}, Kind.EVIDENCE),
        ("that does not exist", {"policy": None}, Kind.JUDGEMENT),
    ):
        other = forger.copy().rebase(lambda basis, c=change: basis["mta_sts"].update(c))  # type: ignore[misc]
        yield Tampering(f"policy: {words}", other.sealed(), kind)
    attempt = forger.attempt()
    anchors = json.loads(forger.piece(attempt.session))["anchors"]
    other = forger.copy()
    for digest in anchors:
        del other.evidence[digest]
    other.resession(lambda session: session.update(anchors=[]))
    yield Tampering("policy: no CA that vouches", other.sealed(), Kind.JUDGEMENT)


def of_order(forger: Forger) -> Iterator[Tampering]:
    """A receipt with several tries."""
    assert len(forger.body["tries"]) > 1
    other = forger.copy()
    other.body["tries"].reverse()
    yield Tampering("order: tries in reverse", other.sealed(), Kind.TIME)
    other = forger.copy()
    other.body["tries"].pop()
    yield Tampering("order: the last try left out", other.sealed(), Kind.OUTCOME)
    other = forger.copy()
    other.body["tries"].append(other.body["tries"][-1])
    yield Tampering("order: a try twice", other.sealed(), Kind.RECORD)
    other = forger.copy()
    other.body["message"]["recipients"] *= 2
    yield Tampering("order: a recipient twice", other.sealed(), Kind.FORM)
    other = forger.copy()
    other.body["message"]["recipients"] = []
    yield Tampering("order: no recipients", other.sealed(), Kind.OUTCOME)


def of_the_signature(forger: Forger, sign: Callable[[bytes], tuple[bytes, bytes]]) -> Iterator[Tampering]:
    """What rests on the gateway's word alone: nobody can tell without its key."""

    def word(name: str, *path: Any, value: Any) -> Tampering:
        other = forger.copy()
        at(other.body, path[:-1])[path[-1]] = value
        return Tampering(f"signature: {name}", other.sealed(), Kind.SIGNATURE, forged=True)

    yield word("another sender", "message", "from", value="boss@sender.lab")
    yield word("another recipient", "message", "recipients", 0, "to", value="eve@dane.lab")
    yield word("no recipient's address", "message", "recipients", 0, "to", value=None)
    yield word("another size", "message", "size", value=7)
    yield word("another Message-ID", "message", "message_id", value="x@y")
    yield word("received a second earlier", "message", "received_at", value=forger.body["message"]["received_at"] - 1)
    yield word("written by another", "written_by", value="danelaw 99")
    yield word("TLS was waived", "message", "tls_required_no", value=True)
    yield Tampering("signature: another reply", forger.copy().change(reply="250 2.0.0 queued as 7").sealed(),
                    Kind.SIGNATURE, forged=True)  # fmt: skip
    yield Tampering("signature: other facts", forger.copy().change(facts="all is well").sealed(),
                    Kind.SIGNATURE, forged=True)  # fmt: skip
    other = forger.copy()
    other.body["tries"][-1]["log"] = None
    yield Tampering("signature: no log", other.sealed(), Kind.SIGNATURE, forged=True)
    yield Tampering("signature: taken away", seal(forger.body), Kind.SIGNATURE, forged=True)
    yield Tampering("signature: by another key", seal(forger.body, sign), Kind.SIGNATURE, forged=True)
    for name, path in (("value", ("signature", "value")), ("key", ("signature", "ed25519"))):
        other = forger.copy()
        text = at(other.body, path)
        at(other.body, path[:-1])[path[-1]] = changed(text) if name == "key" else "00" + text[2:]
        yield Tampering(f"signature: its {name}", other.unsealed(), Kind.SIGNATURE)
    other = forger.copy()
    other.body["message"]["size"] = 7
    body = json.loads(other.sealed())
    body["signature"] = forger.body["signature"]
    yield Tampering("signature: kept from before", indented(body), Kind.SIGNATURE)


def all_of_them(receipts: dict[str, bytes], sign: Callable[[bytes], tuple[bytes, bytes]]) -> Iterator[Tampering]:
    """Everything above. `sign` uses a key that nobody trusts."""
    found = {domain: Forger(octets) for domain, octets in receipts.items()}
    dane, sts = found["dane.lab"], found["sts.lab"]
    deep = max(found.values(), key=lambda one: len(one.body["tries"][-1]["log"]["links"]))
    yield from of_the_form(receipts["dane.lab"])
    yield from of_members(dane)
    yield from unsealed(dane)
    yield from of_evidence(dane, sts)
    yield from of_lists(dane)
    yield from of_claims(dane)
    yield from of_the_log(deep)
    yield from of_time(dane)
    yield from of_the_record(dane)
    yield from of_upgrades({domain: found[domain] for domain in ("plain.lab", "odd-tlsa.lab", "sts-testing.lab")})
    yield from of_stopped(found["forged-cert.lab"], "forged-cert.lab")
    yield from of_stopped(found["stripped.lab"], "stripped.lab")
    for domain in ("dane.lab", "sts.lab", "plain.lab"):
        yield from of_delivered(found[domain], domain)
    yield from of_dns(dane, sts)
    yield from of_the_denial(dane)
    yield from of_the_session(dane, sts)
    yield from of_words_that_weaken(dane)
    yield from of_the_policy(sts)
    yield from of_order(found["first-mx-dead.lab"])
    yield from of_the_signature(dane, sign)
