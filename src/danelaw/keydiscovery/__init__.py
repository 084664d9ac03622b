"""Keys for end-to-end encryption, found by a mail address.

Three places may hold them. *OPENPGPKEY* records (RFC 7929) hold an OpenPGP key, *SMIMEA* records (RFC 8162) an S/MIME
certificate or what to check one against. Both stand in DNS under a hash of the local-part, at
`<hash>._openpgpkey.<domain>` and `<hash>._smimecert.<domain>`, and count only where DNSSEC proves them: an unsigned key
is anybody's. A *Web Key Directory* (draft-koch-openpgp-webkey-service) serves the key over HTTPS, and the domain's web
certificate vouches.

    report = yield from lookup_openpgpkey(mailbox, now)      # KeyReport: found, absent, unusable, failed
    report = yield from lookup_smimea(mailbox, now)
    places = web_key_places(mailbox)                         # advanced, then direct
    report = web_key(places[0], octets, mailbox, now)        # what an HTTPS answer means

The fetch itself is `danelaw.net.web_key`. "Absent" is only said when it is known: what could not be asked has
"failed", and what is there and cannot be used is "unusable", with the reason.

The local-part is never folded for DNS (RFC 7929 §4), and only its ASCII letters for the web. OpenPGP certificates are
read, not verified: fingerprint, user ids, expiry and whether a key encrypts. Whoever encrypts verifies them.

Public names: `KeySource`, `KeyState`, `KeyReport`, `FoundKey`, `lookup_openpgpkey`, `lookup_smimea`, `hashed_owner`,
`OPENPGPKEY_LABEL`, `SMIMEA_LABEL`, `web_key_places`, `WebKeyPlace`, `web_key`, `no_web_key`, `web_key_failed`,
`web_key_hash`, `certificates`, `OpenPGPCertificate`, `OpenPGPError`, `LARGEST_KEY_RING`.
"""

from danelaw.keydiscovery.found import FoundKey, KeyReport, KeySource, KeyState
from danelaw.keydiscovery.judging import LARGEST_KEY_RING
from danelaw.keydiscovery.lookup import lookup_openpgpkey, lookup_smimea
from danelaw.keydiscovery.names import (
    OPENPGPKEY_LABEL,
    SMIMEA_LABEL,
    WebKeyPlace,
    hashed_owner,
    web_key_hash,
    web_key_places,
)
from danelaw.keydiscovery.openpgp import OpenPGPCertificate, certificates
from danelaw.keydiscovery.packets import OpenPGPError
from danelaw.keydiscovery.webkey import no_web_key, web_key, web_key_failed

__all__ = [
    "LARGEST_KEY_RING",
    "OPENPGPKEY_LABEL",
    "SMIMEA_LABEL",
    "FoundKey",
    "KeyReport",
    "KeySource",
    "KeyState",
    "OpenPGPCertificate",
    "OpenPGPError",
    "WebKeyPlace",
    "certificates",
    "hashed_owner",
    "lookup_openpgpkey",
    "lookup_smimea",
    "no_web_key",
    "web_key",
    "web_key_failed",
    "web_key_hash",
    "web_key_places",
]
