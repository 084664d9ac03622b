"""`[reports]`: what belongs together, and what would make reports that nobody believes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from danelaw.config import ConfigError, loads

SIGNED = 'dkim_domain = "example.org"\ndkim_selector = "s1"\ndkim_key = "/etc/danelaw/dkim.key"\n'


def reports(text: str, enabled: bool = True) -> object:
    authentication = "[authentication]\nenabled = true\n" if enabled else ""
    return loads(f'hostname = "gw.example.org"\n{authentication}[reports]\n{text}').reports


def test_nothing_is_sent_unless_it_is_wanted() -> None:
    section = loads('hostname = "gw.example.org"').reports
    assert (section.send, section.failure, section.sends, section.dmarc_address) == (False, False, False, None)
    assert section.own_addresses == frozenset()


def test_addresses_have_their_defaults() -> None:
    section = loads(
        f'hostname = "gw.example.org"\n[authentication]\nenabled = true\n[reports]\nsend = true\n{SIGNED}'
        'reverse_path = "Bounces@example.org"\ndmarc_address = "dmarc@example.org"\ninterval = "6h"'
    ).reports
    assert section.sender_address == "dmarc-reports@example.org"
    assert section.interval == timedelta(hours=6)
    assert section.own_addresses == {"dmarc-reports@example.org", "bounces@example.org", "dmarc@example.org"}


@pytest.mark.parametrize(("text", "words"), [
    ("send = true", "reports must be signed; add dkim_domain and dkim_selector and dkim_key"),
    ("failure = true", "reports must be signed"),
    (f'{SIGNED}sender = "a@example.net"', "is not in example.org, which signs"),
    (f'{SIGNED}sender = "a@notexample.org"', "is not in example.org, which signs"),
    ("tls_send = true", "reports must be signed"),
    (f'{SIGNED}tls_sender = "a@example.net"', "is not in example.org, which signs"),
    (f'{SIGNED}tls_send = true\ncontact = "a@example.net"', "must be signed by the domain of their contact"),
    ('interval = "7h"', "a whole part of a day"),
    ('interval = "30m"', "a whole part of a day"),
    ('dmarc_address = "nobody"', "nobody"),
    ('contact = "a@[192.0.2.1]"', "no domain name"),
    ('unreadable = "keep"', "hold"),
])  # fmt: skip
def test_mistakes_are_told_with_what_is_right(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reports(text)
    assert words in str(caught.value)


def test_tls_reports_need_a_key_and_nothing_of_authentication() -> None:
    section = loads(f'hostname = "gw.example.org"\n[reports]\ntls_send = true\n{SIGNED}').reports
    assert (section.sends, section.signs, section.tls_sender_address) == (False, True, "tls-reports@example.org")
    assert section.own_addresses == {"tls-reports@example.org"}


def test_reports_need_results() -> None:
    with pytest.raises(ConfigError) as caught:
        reports(f"send = true\n{SIGNED}", enabled=False)
    assert "set enabled = true in [authentication]" in str(caught.value)
    assert reports(f'{SIGNED}sender = "a@in.example.org"') is not None
