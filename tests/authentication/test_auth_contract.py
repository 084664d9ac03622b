"""`danelaw auth` over a plain name server: every result of SPF with every one of DKIM under every state of DMARC, and
the identities SPF takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from tests.authentication.hand_signing import hand_signed
from tests.authentication.plain_dns import SERVFAIL, Zone, judged, serving
from tests.dkim.dkim_samples import rsa_key, rsa_signer, txt

NOW = 1_790_000_000

# What a subdomain of each organization publishes for SPF, and what that is for 192.0.2.1 (RFC 7208 §2.6).
SPF = {
    "none": "another text",
    "neutral": "v=spf1 ?all",
    "pass": "v=spf1 ip4:192.0.2.0/24 -all",
    "fail": "v=spf1 -all",
    "softfail": "v=spf1 ~all",
    "temperror": "v=spf1 include:down.example -all",
    "permerror": "v=spf1 ip4:192.0.2.999 -all",
}
# Tags of the signature, for the result of RFC 8601 §2.7.1; with None there is no signature.
DKIM: dict[str, dict[str, str] | None] = {
    "none": None,
    "pass": {},
    "fail": {"bh": "A" * 43 + "="},  # RFC 6376 §6.1.3
    "policy": {"x": str(NOW - 86_400)},  # §3.5: expired
    "neutral": {"a": "rsa-sha512"},  # §3.3.4: not known here
    "temperror": {"s": "down"},  # §6.1.2 step 1
    "permerror": {"s": "absent"},  # §6.1.2 step 2
}
# The organization and what its record leaves of DMARC; None: what the results say (RFC 9989 §5.3.5, §5.3.6).
DMARC = {"policy.test": None, "silent.test": "none", "broken.test": "permerror", "down.test": "temperror"}


def _zone() -> Zone:
    lines = [
        '_dmarc.policy.test TXT "v=DMARC1; p=reject"',
        '_dmarc.broken.test TXT "v=DMARC1; p=later"',
        'xn--bcher-kva.test TXT "v=spf1 ip4:192.0.2.0/24 -all"',
        'under_score.test TXT "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"',
        'mx.host.test TXT "v=spf1 a -all"',
        "mx.host.test A 192.0.2.1",
    ]
    broken = {("down.example", "TXT"): SERVFAIL, ("_dmarc.down.test", "TXT"): SERVFAIL}
    for organization in DMARC:
        broken[f"down._domainkey.{organization}", "TXT"] = SERVFAIL
        lines += [f'{word}.{organization} TXT "{record}"' for word, record in SPF.items()]
        lines.append(txt(f"r._domainkey.{organization}", rsa_signer().key.record().to_text()))
    return Zone("\n".join(lines), broken)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(_zone()) as address:
        yield address


def message(author: str) -> bytes:
    return f"From: Joe <joe@{author}>\r\nTo: a@b.example\r\nSubject: hi\r\n\r\nHello\r\n".encode()


def expected(spf: str, dkim: str) -> str:
    """RFC 9989 §5.3.5: one aligned pass is enough; §5.3.6: without one, what DNS left open may be one."""
    results = {spf, dkim}
    return "pass" if "pass" in results else "temperror" if "temperror" in results else "fail"


@pytest.mark.parametrize(("spf", "dkim", "organization"), list(itertools.product(SPF, DKIM, DMARC)))
def test_every_combination(server: str, spf: str, dkim: str, organization: str) -> None:
    octets, tags = message(organization), DKIM[dkim]
    if tags is not None:
        octets = hand_signed(octets, rsa_key(), **({"d": organization} | tags))
    said = judged(octets, server, mail_from=f"joe@{spf}.{organization}", at=str(NOW))
    assert (said["spf"]["result"], said["spf"]["domain"]) == (spf, f"{spf}.{organization}")
    found = [(one["result"], one["domain"], one["selector"], bool(one["reason"])) for one in said["dkim"]]
    selector = (tags or {}).get("s", "r")
    assert found == ([] if tags is None else [(dkim, organization, selector, True)])
    dmarc = said["dmarc"]
    result = DMARC[organization] or expected(spf, dkim)
    assert (dmarc["result"], dmarc["domain"]) == (result, organization)
    assert dmarc["policy"] == ("reject" if organization == "policy.test" else None)
    assert said["arc"]["cv"] == "none"
    assert said["status"] == {"pass": 0, "none": 0, "fail": 3, "temperror": 4, "permerror": 5}[result]


IDENTITIES: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    # RFC 7208 §2.4: the null reverse-path stands for postmaster at the HELO name
    ("null reverse-path", {"mail_from": "<>", "helo": "mx.host.test"}, "pass", "mx.host.test"),
    ("empty reverse-path", {"mail_from": "", "helo": "mx.host.test"}, "pass", "mx.host.test"),
    ("null, HELO with final dot", {"mail_from": "<>", "helo": "mx.host.test."}, "pass", "mx.host.test"),
    ("null, HELO in capitals", {"mail_from": "<>", "helo": "MX.Host.Test"}, "pass", "mx.host.test"),
    ("null, other client", {"mail_from": "<>", "helo": "mx.host.test", "ip": "192.0.2.2"}, "fail", "mx.host.test"),
    # §4.3: what is no name of several labels has no record
    ("null, HELO a literal", {"mail_from": "<>", "helo": "[192.0.2.1]"}, "none", "[192.0.2.1]"),
    ("null, HELO of one label", {"mail_from": "<>", "helo": "localhost"}, "none", "localhost"),
    ("null, HELO empty", {"mail_from": "<>", "helo": ""}, "none", ""),
    ("no domain", {"mail_from": "joe"}, "none", "joe"),
    ("an @ without domain", {"mail_from": "joe@", "helo": "mx.host.test"}, "none", ""),
    ("a literal", {"mail_from": "joe@[192.0.2.1]"}, "none", "[192.0.2.1]"),
    ("an empty label", {"mail_from": "joe@pass..policy.test"}, "none", "pass..policy.test"),
    ("a label of 64", {"mail_from": f"joe@{'a' * 64}.test"}, "none", "a" * 64 + ".test"),
    # §4.3: without local-part it is postmaster
    ("no local-part", {"mail_from": "@pass.policy.test"}, "pass", "pass.policy.test"),
    ("an @ in the local-part", {"mail_from": '"a@fail.policy.test"@pass.policy.test'}, "pass", "pass.policy.test"),
    ("final dot", {"mail_from": "joe@pass.policy.test."}, "pass", "pass.policy.test"),
    ("capitals", {"mail_from": "joe@PASS.Policy.test"}, "pass", "pass.policy.test"),
    ("in brackets, with parameters", {"mail_from": "<joe@pass.policy.test> SIZE=100"}, "pass", "pass.policy.test"),
    # RFC 5321 §4.1.1.3, appendix C: a source route is ignored
    ("source route", {"mail_from": "<@a.test,@b.test:joe@pass.policy.test>"}, "pass", "pass.policy.test"),
    ("underscore", {"mail_from": "joe@under_score.test"}, "pass", "under_score.test"),
    # RFC 8616 §4
    ("U-labels", {"mail_from": "joe@bücher.test"}, "pass", "xn--bcher-kva.test"),
    ("U-labels in capitals", {"mail_from": "joe@BÜCHER.test"}, "pass", "xn--bcher-kva.test"),
    ("A-labels", {"mail_from": "joe@xn--bcher-kva.test"}, "pass", "xn--bcher-kva.test"),
    # RFC 7208 §5: an IPv4-mapped address is an IPv4 client
    ("IPv4-mapped", {"ip": "::ffff:192.0.2.1", "mail_from": "joe@pass.policy.test"}, "pass", "pass.policy.test"),
    ("IPv6", {"ip": "2001:db8::25", "mail_from": "joe@under_score.test"}, "pass", "under_score.test"),
    ("IPv6 in none of them", {"ip": "2001:db9::25", "mail_from": "joe@under_score.test"}, "fail", "under_score.test"),
)


@pytest.mark.parametrize(
    ("said", "result", "domain"), [one[1:] for one in IDENTITIES], ids=[one[0] for one in IDENTITIES]
)
def test_every_identity(server: str, said: dict[str, str], result: str, domain: str) -> None:
    spf = judged(message("silent.test"), server, **said)["spf"]
    assert (spf["result"], spf["domain"]) == (result, domain)
