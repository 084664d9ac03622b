"""A report as large senders write it, and the mail it comes in."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from typing import Any

from danelaw.tlsreport import compress

RFC = {
    "organization-name": "Company-X",
    "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
    "contact-info": "sts-reporting@company-x.example",
    "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
    "policies": [
        {
            "policy": {
                "policy-type": "sts",
                "policy-string": [
                    "version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"
                ],
                "policy-domain": "company-y.example",
                "mx-host": "*.mail.company-y.example",
            },
            "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
            "failure-details": [
                {
                    "result-type": "certificate-expired",
                    "sending-mta-ip": "2001:db8:abcd:0012::1",
                    "receiving-mx-hostname": "mx1.mail.company-y.example",
                    "failed-session-count": 100,
                },
                {
                    "result-type": "starttls-not-supported",
                    "sending-mta-ip": "2001:db8:abcd:0013::1",
                    "receiving-mx-hostname": "mx2.mail.company-y.example",
                    "receiving-ip": "203.0.113.56",
                    "failed-session-count": 200,
                    "additional-information": "https://reports.company-x.example/report_info?id=5065427c-23d3",
                },
                {
                    "result-type": "validation-failure",
                    "sending-mta-ip": "198.51.100.62",
                    "receiving-ip": "203.0.113.58",
                    "receiving-mx-hostname": "mx-backup.mail.company-y.example",
                    "failed-session-count": 3,
                    "failure-error-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED",
                },
            ],
        }
    ],
}  # fmt: skip
"""RFC 8460, Appendix B, with its own misspelling of failure-reason-code."""


def changed(**changes: Any) -> dict[str, Any]:
    """The report with other values at its top; None removes one."""
    found = deepcopy(RFC) | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in found.items() if value is not None}


def octets(report: Any = RFC) -> bytes:
    return json.dumps(report).encode()


def mail(report: Any = RFC, kind: str = "application/tlsrpt+gzip", submitter: str = "company-x.example",
         name: str = "company-x.example!company-y.example!1459468800!1459555199!001.json.gz") -> bytes:  # fmt: skip
    """As RFC 8460 §5.3 has it, not signed."""
    file = base64.encodebytes(compress(octets(report))).replace(b"\n", b"\r\n")
    return (
        (
            f"From: <tlsrpt@{submitter}>\r\nTo: <tlsrpt@company-y.example>\r\nDate: Sat, 2 Apr 2016 02:00:00 +0000\r\n"
            f"Subject: Report Domain: company-y.example Submitter: {submitter} Report-ID: <1@{submitter}>\r\n"
            f"TLS-Report-Domain: company-y.example\r\nTLS-Report-Submitter: {submitter}\r\nMIME-Version: 1.0\r\n"
            f"Message-ID: <1@{submitter}>\r\n"
            f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="=_b"\r\n\r\n'
            f"--=_b\r\nContent-Type: text/plain\r\n\r\nThis is an aggregate TLS report\r\n"
            f'--=_b\r\nContent-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        ).encode()
        + file
        + b"--=_b--\r\n"
    )
