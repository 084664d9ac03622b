"""Names of people and places in SMTP: domains, mailboxes, paths (RFC 5321 §4.1.2, RFC 6531 §3.3)."""

from danelaw.address.domain import Domain, DomainError

__all__ = ["Domain", "DomainError"]
