"""Where TLS reports of others come in (RFC 8460): `[reports.https]`, and which domains they may be about."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from danelaw.config.section import Section
from danelaw.config.values import Count, ListenAddress, Size, Text

if TYPE_CHECKING:
    from danelaw.config.model import Config


class ReportsHTTPS(Section):
    """A small server to which others post TLS reports (RFC 8460 §5.4)."""

    listen: ListenAddress | None = Field(
        default=None,
        description="Address and port; absent: none. Name it in `rua=` of your domains: "
        "`v=TLSRPTv1; rua=https://mail.example.org/v1/tlsrpt`.",
        examples=["0.0.0.0:443"],
    )
    path: Text = Field(
        default="/v1/tlsrpt", description="Where reports are posted; all else is not found.", examples=["/tlsrpt"]
    )
    tls: Literal["own", "front"] = Field(
        default="own",
        description="`own`: TLS with the certificates of `[[certificate]]`, read again when they change. `front`: "
        "plain HTTP, behind your TLS front; then all posts seem to come from that.",
        examples=["front"],
    )
    max_size: Size = Field(
        default=10 << 20,
        ge=64 << 10,
        le=10 << 20,
        description="Octets of a report as it is posted (RFC 8460 §5.2); unpacked, 16M at most.",
        examples=["2M"],
    )
    rate: Count = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Posts an hour from one address, of IPv6 one /64; more are told to come later. Large senders post "
        "one for each domain and day. With `front` only `rate_total` counts.",
        examples=[100],
    )
    rate_total: Count = Field(
        default=10_000, ge=1, le=10_000_000, description="Posts an hour from all addresses together.", examples=[2_000]
    )

    @field_validator("path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        if not re.fullmatch(r"/[A-Za-z0-9._~/-]{0,200}", value):
            raise ValueError(f'{value!r} is no path of a URL; write for instance "/v1/tlsrpt"')
        return value


def reported_on(config: Config) -> Callable[[str], bool]:
    """Whether a TLS report about a policy domain (A-labels, lower case) is about us: a recipient domain of ours, or the
    name of a mail host, which is the policy domain of DANE (RFC 8460 §1.1).
    """
    from danelaw.config.ways import DomainTable

    patterns = [item.name for item in config.domain] + list(config.reports.tls_domains)
    patterns += [name for item in config.certificate for name in item.names]
    ours = DomainTable((pattern, True) for pattern in (*patterns, config.hostname.ascii))
    return lambda domain: ours.get(domain) is not None
