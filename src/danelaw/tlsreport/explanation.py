"""What a result type means for the owner of the domain, and what to do about it (RFC 8460 §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.tlsreport.values import PolicyType


@dataclass(frozen=True, slots=True)
class Explanation:
    """`words` say what senders met, `advice` what to do; both half sentences without a final stop."""

    words: str
    advice: str


_ELSEWHERE = "an attacker on the way looks the same: see whether other reporters had it too"
_EXPLANATIONS = {
    "starttls-not-supported": Explanation(
        "the server did not offer STARTTLS",
        "look whether every listener on port 25 has a certificate; " + _ELSEWHERE,
    ),
    "certificate-host-mismatch": Explanation(
        "the certificate is for other names", "have it issued for the MX host's name as well"
    ),
    "certificate-expired": Explanation(
        "the certificate has expired", "renew it, and load it where the old one is still served"
    ),
    "certificate-not-trusted": Explanation(
        "the certificate's chain was not trusted",
        "serve all intermediate certificates, of a CA that the public trusts; " + _ELSEWHERE,
    ),
    "validation-failure": Explanation("validation failed", "the reporter's reason says more, where there is one"),
    "tlsa-invalid": Explanation(
        "no TLSA record fits what the server shows",
        "on the server itself run `danelaw tlsa` and publish what it prints; " + _ELSEWHERE,
    ),
    "dnssec-invalid": Explanation(
        "the TLSA look-up failed DNSSEC validation",
        "check the signatures of the host's zone, and that all its name servers answer TLSA: `danelaw check`",
    ),
    "dane-required": Explanation(
        "the sender insists on DANE and found no TLSA records", "sign the zone and publish TLSA for every MX host"
    ),
    "sts-policy-fetch-error": Explanation(
        "the MTA-STS policy could not be fetched",
        "see that https://mta-sts.<domain>/.well-known/mta-sts.txt answers with 200 and no redirect",
    ),
    "sts-policy-invalid": Explanation(
        "the MTA-STS policy has mistakes", "correct the policy file, then change the id in its TXT record"
    ),
    "sts-webpki-invalid": Explanation(
        "the policy host's certificate was not accepted", "renew the certificate of mta-sts.<domain>"
    ),
}
_STS_MISMATCH = Explanation(
    "the server did not fit the MTA-STS policy",
    "the mx lines must name every MX host, and its certificate must be for that name",
)


def explained(result_type: str, policy: PolicyType | None = None) -> Explanation:
    """The words for a result type; unknown ones are said to be so. `policy` is the one that was applied."""
    if result_type == "validation-failure" and policy is PolicyType.STS:
        return _STS_MISMATCH
    return _EXPLANATIONS.get(
        result_type, Explanation("a failure that RFC 8460 has no words for", "ask the reporter what is meant")
    )
