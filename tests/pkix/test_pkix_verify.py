"""Paths to configured roots, with a reason in words for each failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.pkix.authority import CLIENT, DAY, NOW, SERVER, Issued, ec_key, make

from danelaw.address import Domain
from danelaw.pkix import PKIXFailure, PKIXResult, Roots, RootsError, verify

HOST = Domain("mx.example.org")
ROOT = make("Root", ca=True)
MIDDLE = ROOT.issue("Middle", ca=True)
ROOTS = Roots.from_pem(ROOT.pem)


def judged(leaf: Issued, *above: Issued, roots: Roots = ROOTS, now: float = NOW) -> PKIXResult:
    return verify((leaf.der, *(issued.der for issued in above)), roots, (HOST,), now)


def test_a_good_chain_passes_with_and_without_the_root_in_it() -> None:
    leaf = MIDDLE.issue("leaf", dns=["mx.example.org"], usages=[SERVER])
    for above in ((MIDDLE,), (MIDDLE, ROOT), (ROOT, MIDDLE)):
        result = judged(leaf, *above)
        assert result == PKIXResult(True, "a trusted CA vouches for mx.example.org")
        assert result.tlsrpt is None


@pytest.mark.parametrize(
    ("leaf", "above", "failure", "tlsrpt", "words"),
    [
        (
            MIDDLE.issue("e", dns=["mx.example.org"], end=NOW - DAY),
            (MIDDLE,),
            PKIXFailure.EXPIRED,
            "certificate-expired",
            "the certificate has expired",
        ),
        (
            MIDDLE.issue("y", dns=["mx.example.org"], start=NOW + DAY),
            (MIDDLE,),
            PKIXFailure.NOT_YET_VALID,
            "validation-failure",
            "not yet valid",
        ),
        (
            MIDDLE.issue("n", dns=["other.example.org", "b.example", "c.example", "d.example"]),
            (MIDDLE,),
            PKIXFailure.NAME_MISMATCH,
            "certificate-host-mismatch",
            "for other.example.org, b.example, c.example and 1 more, not for mx.example.org",
        ),
        (
            MIDDLE.issue("mx.example.org"),  # a CN is no DNS-ID
            (MIDDLE,),
            PKIXFailure.NAME_MISMATCH,
            "certificate-host-mismatch",
            "has mx.example.org as common name only",
        ),
        (
            MIDDLE.issue("m", dns=["mx.example.org"]),  # the server forgot its intermediate
            (),
            PKIXFailure.NOT_TRUSTED,
            "certificate-not-trusted",
            "no trusted CA issued",
        ),
        (
            make("s", dns=["mx.example.org"]),
            (),
            PKIXFailure.NOT_TRUSTED,
            "certificate-not-trusted",
            "self-signed",
        ),
        (
            ROOT.issue("b", dns=["mx.example.org"], signing_key=ec_key("somebody else")),
            (),
            PKIXFailure.BAD_SIGNATURE,
            "validation-failure",
            "signature",
        ),
        (
            MIDDLE.issue("c", dns=["mx.example.org"], usages=[CLIENT]),
            (MIDDLE,),
            PKIXFailure.OTHER,
            "validation-failure",
            "not meant for TLS servers",
        ),
    ],
    ids=["expired", "early", "name", "cn", "missing issuer", "self-signed", "signature", "purpose"],
)
def test_each_failure_has_its_kind_and_words(
    leaf: Issued, above: tuple[Issued, ...], failure: PKIXFailure, tlsrpt: str, words: str
) -> None:
    result = judged(leaf, *above)
    assert not result.ok
    assert result.failure is failure
    assert result.tlsrpt == tlsrpt
    assert words in result.reason


def test_a_leaf_cannot_issue() -> None:
    server = ROOT.issue("server", dns=["evil.example"])
    leaf = server.issue("leaf", dns=["mx.example.org"])
    result = judged(leaf, server)
    assert result.failure is PKIXFailure.OTHER
    assert not result.ok


def test_name_constraints_and_path_lengths_count() -> None:
    narrow = ROOT.issue("Narrow", ca=True, permitted="example.com")
    assert "name constraints" in judged(narrow.issue("l", dns=["mx.example.org"]), narrow).reason
    short = ROOT.issue("Short", ca=True, path_length=0)
    below = short.issue("Below", ca=True)
    assert "fewer CAs" in judged(below.issue("l", dns=["mx.example.org"]), below, short).reason


def test_the_same_store_serves_any_time() -> None:
    leaf = ROOT.issue("leaf", dns=["mx.example.org"])
    assert judged(leaf).ok
    assert judged(leaf, now=NOW + 31 * DAY).failure is PKIXFailure.EXPIRED
    assert judged(leaf).ok


def test_any_reference_identifier_will_do() -> None:
    leaf = ROOT.issue("leaf", dns=["*.example.org"])
    names = (Domain("example.org"), HOST)
    assert verify((leaf.der,), ROOTS, names, NOW).reason == "a trusted CA vouches for mx.example.org"
    assert not verify((leaf.der,), ROOTS, (), NOW).ok


@pytest.mark.parametrize("chain", [(), (b"",), (b"\x30\x03\x02\x01\x01",), (b"x" * 50,)])
def test_garbage_is_a_failure_in_words(chain: tuple[bytes, ...]) -> None:
    result = verify(chain, ROOTS, (HOST,), NOW)
    assert result.failure is PKIXFailure.OTHER
    assert result.reason.startswith("the server")


def test_garbage_above_the_leaf_does_no_harm() -> None:
    leaf = ROOT.issue("leaf", dns=["mx.example.org"])
    assert verify((leaf.der, b"garbage"), ROOTS, (HOST,), NOW).ok


def test_roots_come_from_a_bundle_or_a_clear_error(tmp_path: Path) -> None:
    bundle = tmp_path / "roots.pem"
    bundle.write_bytes(b"# Root\n" + ROOT.pem + b"# Middle\n" + MIDDLE.pem)
    assert len(Roots.from_file(bundle)) == 2
    assert len(Roots.system((str(tmp_path / "absent"), str(bundle)))) == 2
    with pytest.raises(RootsError, match="has no bundle"):
        Roots.system(())
    with pytest.raises(RootsError, match="holds no certificate"):
        Roots.from_pem(b"nothing here")
    with pytest.raises(RootsError, match="certificate 1"):
        Roots.from_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(RootsError, match="No such file"):
        Roots.from_file(tmp_path / "absent")


def test_an_intermediate_in_the_bundle_is_trusted_itself() -> None:
    leaf = MIDDLE.issue("leaf", dns=["mx.example.org"])
    assert judged(leaf, roots=Roots.from_pem(MIDDLE.pem)).ok
