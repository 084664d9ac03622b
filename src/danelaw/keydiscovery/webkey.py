"""A Web Key Directory's part without the network: what an HTTP answer means (draft-koch-openpgp-webkey-service-19)."""

from __future__ import annotations

from danelaw.address import Mailbox
from danelaw.keydiscovery.found import KeyReport, KeySource, KeyState, concluded
from danelaw.keydiscovery.judging import openpgp_keys
from danelaw.keydiscovery.names import WebKeyPlace
from danelaw.keydiscovery.packets import OpenPGPError

BELIEVED_SECONDS = 3600.0
"""How long an answer of a web server is believed; HTTP's own caching rules are not looked at."""
FAILED_SECONDS = 300.0


def web_key(place: WebKeyPlace, octets: bytes, mailbox: Mailbox, now: float) -> KeyReport:
    """What a web server gave with status 200; `now` in POSIX seconds."""
    source, expires = KeySource.WKD, now + BELIEVED_SECONDS
    try:
        keys = openpgp_keys(octets, mailbox, source, now, must_name=True)
    except OpenPGPError as error:
        return KeyReport(source, KeyState.UNUSABLE, error.reason, place.url, expires=expires)
    return concluded(source, place.url, keys, (), expires)


def no_web_key(place: WebKeyPlace | None, reason: str, now: float) -> KeyReport:
    """There is none, and that is certain as far as the web can tell."""
    url = place.url if place is not None else ""
    return KeyReport(KeySource.WKD, KeyState.ABSENT, reason, url, expires=now + BELIEVED_SECONDS)


def web_key_failed(place: WebKeyPlace, reason: str, now: float) -> KeyReport:
    """Nobody knows."""
    return KeyReport(KeySource.WKD, KeyState.FAILED, reason, place.url, expires=now + FAILED_SECONDS)
