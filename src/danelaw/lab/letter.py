"""What a letter of the lab is: a message from outside, how it comes, and what a receiver makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from danelaw.lab.lettersigning import LetterKeys
from danelaw.lab.scenario import Fault, FaultKind
from danelaw.lab.sender import Sender, SPFWord

DKIMWord: TypeAlias = Literal["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"]
DMARCWord: TypeAlias = Literal["none", "pass", "fail", "temperror", "permerror"]
Act: TypeAlias = Literal["accept", "quarantine", "refuse"]

ZONE = "post.lab"
CLIENT = "127.0.0.1"
"""From where letters come; `STRANGER` is nobody's."""
STRANGER = "127.9.9.9"

# What a name below each organization publishes for SPF, by its result for CLIENT (RFC 7208 §2.6).
SPF_RECORDS: dict[SPFWord, str] = {
    "none": "another text",
    "neutral": "v=spf1 ?all",
    "pass": f"v=spf1 ip4:{CLIENT} -all",
    "fail": "v=spf1 -all",
    "softfail": "v=spf1 ~all",
    "temperror": f"v=spf1 include:down.{ZONE} -all",
    "permerror": "v=spf1 ip4:192.0.2.999 -all",
}
# Organizations below ZONE, by what they publish for DMARC.
ORGANIZATIONS = {
    "reject": "v=DMARC1; p=reject; sp=quarantine; np=reject",
    "quarantine": "v=DMARC1; p=quarantine",
    "watch": "v=DMARC1; p=none",
    "tests": "v=DMARC1; p=reject; t=y",
    "strict": "v=DMARC1; p=reject; adkim=s; aspf=s",
    "broken": "v=DMARC1; p=later",
    "silent": None,
    "failing": "v=DMARC1; p=reject",
}
SEALERS = ("list", "forwarder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message. `write` makes it with the lab's keys.

    `spf`, `dkim` (of each signature, top first), `dmarc`, `policy` and `arc` are what `danelaw auth` says of it when it
    comes from `client`; `act` is what a receiver with danelaw's default rules does.
    """

    name: str
    trick: str
    write: Callable[[LetterKeys], bytes]
    mail_from: str
    client: str = CLIENT
    helo: str = f"mx.{ZONE}"
    spf: SPFWord = "pass"
    dkim: tuple[DKIMWord, ...] = ()
    dmarc: DMARCWord = "pass"
    policy: str | None = "reject"
    arc: Literal["none", "pass", "fail"] = "none"
    act: Act = "accept"
    attack: bool = False


class Letters:
    """The letters of one lab, with their keys and the zone that publishes all that is about them."""

    def __init__(self, letters: tuple[Letter, ...]) -> None:
        self.keys = LetterKeys()
        self.letters = letters
        self.zone = Sender(domain=ZONE, records=tuple(self._records()), faults=_FAULTS)

    def octets(self, letter: Letter) -> bytes:
        """The message, its lines ended by CRLF."""
        return letter.write(self.keys)

    def _records(self) -> list[str]:
        lines = [
            f'mx TXT "v=spf1 ip4:{CLIENT} -all"',
            f'stranger TXT "v=spf1 ip4:{STRANGER} -all"',
            "there.reject A 127.0.0.1",
        ]
        keys = self.keys.records()
        for organization, record in ORGANIZATIONS.items():
            if record is not None:
                lines.append(f'_dmarc.{organization} TXT "{record}"')
            lines += [f'{word}.{organization} TXT "{text}"' for word, text in SPF_RECORDS.items()]
            lines += [_key(f"{name}._domainkey.{organization}", text) for name, text in keys.items()]
        lines += [_key(f"rsa._domainkey.{sealer}", keys["rsa"]) for sealer in (*SEALERS, "stranger")]
        lines.append(_key("revoked._domainkey.reject", "p="))
        lines.append(_key("testing._domainkey.reject", f"t=y; {keys['rsa']}"))
        return lines


_FAULTS = (
    Fault(kind=FaultKind.SERVFAIL, name="down", types=("TXT",)),
    Fault(kind=FaultKind.SERVFAIL, name="_dmarc.failing", types=("TXT",)),
    *(
        Fault(kind=FaultKind.SERVFAIL, name=f"down._domainkey.{organization}", types=("TXT",))
        for organization in ORGANIZATIONS
    ),
)


def _key(owner: str, text: str) -> str:
    text = f"v=DKIM1; {text}"
    strings = " ".join(f'"{text[start : start + 200]}"' for start in range(0, len(text), 200))
    return f"{owner} TXT {strings}"
