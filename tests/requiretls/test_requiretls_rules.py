"""RFC 8689 §3: the header field; and the status codes of §4.2.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.requiretls import ENCRYPTION_NEEDED, FIELD_NAME, SUPPORT_REQUIRED, waives_tls


@pytest.mark.parametrize("value", [b" No\r\n", b"No", b"\r\n No\r\n", b" no", b"\tNO \r\n"])
def test_one_field_that_says_no_waives(value: bytes) -> None:
    assert waives_tls([value], requiretls=False)
    assert not waives_tls([value], requiretls=True), "the parameter of MAIL wins (§4.1)"
    assert not waives_tls([value, value], requiretls=False), "several fields contradict §3"


@pytest.mark.parametrize("value", [b" Yes", b"", b" No; really", b" N o", b" No (comment)", b" Nope", b"\xff"])
def test_other_values_mean_nothing(value: bytes) -> None:
    assert not waives_tls([value], requiretls=False)


def test_no_field_no_waiver() -> None:
    assert not waives_tls([], requiretls=False)
    assert FIELD_NAME == "TLS-Required"


@given(st.lists(st.binary(max_size=20), max_size=3), st.booleans())
def test_any_octets_are_judged(values: list[bytes], requiretls: bool) -> None:
    if waives_tls(values, requiretls=requiretls):
        assert len(values) == 1
        assert values[0].split() == [values[0].strip()]


def test_the_status_codes_are_those_of_the_rfc() -> None:
    assert (ENCRYPTION_NEEDED, SUPPORT_REQUIRED) == ((5, 7, 10), (5, 7, 30))
