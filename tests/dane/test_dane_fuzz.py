"""The fuzz targets of DANE, PKIX and MTA-STS on what they were made for, without a fuzzer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.dane.chains import der, issued, records

from fuzz.dane_tlsa import parts
from fuzz.dane_tlsa import test_one_input as tlsa_target
from fuzz.mtasts_policy import test_one_input as policy_target
from fuzz.mtasts_txt import test_one_input as txt_target
from fuzz.pkix_certificate import test_one_input as certificate_target

SEED = b"".join(
    len(part).to_bytes(2, "big") + part
    for part in (*(record.to_wire() for record in records("2 0 1 root,3 1 1 leaf")), b"", *der("leaf middle root"))
)


def test_the_form_of_the_input_reaches_records_and_chain() -> None:
    rdatas, chain = parts(SEED)
    assert (len(rdatas), chain) == (2, list(der("leaf middle root")))
    tlsa_target(SEED)


@given(st.integers(0, len(SEED) - 1), st.integers(0, 255), st.integers(0, len(SEED)))
def test_damaged_records_and_chains(at: int, octet: int, end: int) -> None:
    damaged = bytearray(SEED)
    damaged[at] = octet
    tlsa_target(bytes(damaged[:end]) if end > at else bytes(damaged))


def test_every_certificate_of_the_tests() -> None:
    for one in issued().values():
        certificate_target(one.der)
        certificate_target(one.pem)


@given(st.binary(max_size=200))
def test_octets_of_strangers(data: bytes) -> None:
    for target in (tlsa_target, certificate_target, policy_target, txt_target):
        target(data)
    txt_target(b"v=STSv1; id=" + data)
    policy_target(b"version: STSv1\nmode: none\nmax_age: 1\n" + data)
