"""Where users may log in: never where passwords would be seen."""

from __future__ import annotations

import pytest

from danelaw.config import ConfigError, loads
from danelaw.inbound.listener import listener_of

CERTIFICATE = '[[certificate]]\nchain = "x.pem"\nkey = "x.key"\n'
BASE = 'hostname = "gw.test"\n'


def listen(text: str, more: str = CERTIFICATE) -> str:
    return f"{BASE}[[listen]]\n{text}\n{more}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (listen('address = "0.0.0.0:587"\nauth = "required"', ""), "inside TLS only; add"),
        (listen('address = "0.0.0.0:587"\nauth = "required"\ntls = "none"'), "has auth but no TLS"),
        (listen('address = "0.0.0.0:587"\nauth = "required"\nauth_without_tls = true'), "would show passwords"),
        (listen('address = "[::]:587"\nauth_without_tls = true'), "would show passwords"),
        (listen('address = "0.0.0.0:587"\nauth = "yes"'), "auth"),
        (BASE + '[submission]\nmechanisms = ["CRAM-MD5"]\n', "mechanisms"),
        (BASE + "[submission]\nmechanisms = []\n", "mechanisms"),
        (BASE + '[submission]\nuser_failures = "many"\n', "is not a ceiling"),
        (BASE + "[submission]\nmessages_per_hour = 0\n", "messages_per_hour"),
        (BASE + '[demand]\ntag_domain = "a.b.test"\n[[domain]]\nname = ".test"\n', "is taken from anybody by"),
        (BASE + '[demand]\ntag_domain = "a.b.test"\n[[domain]]\nname = "a.b.test"\n', "is taken from anybody by"),
        (BASE + '[demand]\ntag_domain = "a.b.test"\n[[domain]]\nname = ".a.b.test"\n', "is taken from anybody by"),
        (BASE + '[demand]\ntag = "x"\n', "tag"),
    ],
)
def test_what_would_be_unsafe_or_nonsense_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text)
    assert words in str(caught.value)


def test_without_a_word_nobody_logs_in() -> None:
    config = loads(BASE)
    settings = listener_of(config, config.listen[0]).settings
    assert (settings.auth, settings.auth_required, settings.auth_in_clear) == ((), False, False)


def test_tags_below_an_own_domain_that_is_named_exactly() -> None:
    found = loads(BASE + '[demand]\ntag_domain = "tls.ours.test"\n[[domain]]\nname = "ours.test"\n').demand
    assert (str(found.tag_domain), found.field) == ("tls.ours.test", True)


@pytest.mark.parametrize(("word", "offered"), [("", True), ("requiretls = true", True), ("requiretls = false", False)])
def test_a_listener_may_leave_requiretls_out(word: str, offered: bool) -> None:
    config = loads(listen(f'address = "0.0.0.0:25"\n{word}'))
    assert listener_of(config, config.listen[0]).settings.requiretls is offered


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        ('address = "0.0.0.0:587"\nauth = "required"', CERTIFICATE, (True, True, False)),
        ('address = "0.0.0.0:465"\ntls = "implicit"\nauth = "required"', CERTIFICATE, (True, True, False)),
        ('address = "0.0.0.0:25"\nauth = "optional"', CERTIFICATE, (False, False, False)),
        (
            'address = "127.0.0.1:587"\ntls = "none"\nauth = "required"\nauth_without_tls = true',
            "",
            (True, False, True),
        ),
        ('address = "[::1]:587"\nauth = "required"\nauth_without_tls = true', CERTIFICATE, (True, False, True)),
    ],
)
def test_what_a_listener_demands(text: str, more: str, expected: tuple[bool, bool, bool]) -> None:
    config = loads(listen(text, more))
    settings = listener_of(config, config.listen[0]).settings
    assert settings.auth == ("PLAIN", "LOGIN")
    assert (settings.auth_required, settings.tls_required, settings.auth_in_clear) == expected
