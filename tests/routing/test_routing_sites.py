"""MX sites: which provider stands behind a host name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.routing import SiteFileError, Sites, mx_site, shipped_sites


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("aspmx.l.google.com", "google"),
        ("GMAIL-SMTP-IN.L.GOOGLE.COM.", "google"),
        ("hotmail-com.olc.protection.outlook.com", "microsoft-consumer"),
        ("example-com.mail.protection.outlook.com", "microsoft-365"),
        ("example-com.v-v1.mx.microsoft", "microsoft-365"),
        ("mta5.am0.yahoodns.net", "yahoo"),
        ("mx01.mail.icloud.com", "apple"),
        ("mx-ha02.web.de", "gmx"),
        ("mailsec.protonmail.ch", "proton"),
        ("in1-smtp.messagingengine.com", "fastmail"),
        ("mxs.mail.ru", "mail.ru"),
        ("smtp-in.orange.fr", "orange"),
        ("eu-smtp-inbound-1.mimecast.com", "mimecast"),
        ("mxa-00169c01.gslb.pphosted.com", "proofpoint"),
        ("mx.notgoogle.com", "notgoogle.com"),
        ("mx1.mail.example.co.uk", "example.co.uk"),
        ("mx.example.org", "example.org"),
        ("a.b.example.de", "example.de"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
    ],
)
def test_a_host_belongs_to_its_provider_or_to_the_end_of_its_name(host: str, site: str) -> None:
    assert mx_site(host) == site


def test_every_shipped_site_says_who_it_is_and_why_its_limits_are_so() -> None:
    sites = shipped_sites().sites
    assert len(sites) >= 40
    assert all(site.title and site.because and site.limits for site in sites)


def test_own_sites_replace_those_of_the_same_name_and_add_others() -> None:
    own = Sites.from_text('[site.google]\nmx = ["g.test"]\n[site.here]\nmx = ["here.test"]\n', "own", shipped_sites())
    assert own.of_host("mx.g.test") == "google"
    assert own.of_host("aspmx.l.google.com") == "google.com"
    assert own.of_host("a.here.test") == "here"
    assert own.of_host("mx.t-online.de") == "t-online"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x", "is not TOML"),
        ("a = 1", "no key 'a'"),
        ("[site.x]", "mx must list"),
        ('[site.x]\nmx = ["a..b"]', "site.x"),
        ('[site.x]\nmx = ["a.b"]\n[site.y]\nmx = ["a.b"]', "a.b belongs to both x and y"),
        ('[site.x]\nmx = ["a.b"]\nwhat = 1', "no key 'what'"),
    ],
)
def test_a_faulty_file_is_refused_in_words(text: str, part: str) -> None:
    with pytest.raises(SiteFileError, match=part):
        Sites.from_text(text, "own.toml")


@given(st.text(max_size=300))
def test_any_name_has_a_site(host: str) -> None:
    site = Sites(()).of_host(host)
    assert host.lower().rstrip(".").endswith(site)
