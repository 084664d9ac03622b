"""Certificates and names."""

from danelaw.pkix.result import PKIXFailure, PKIXResult

__all__ = ["PKIXFailure", "PKIXResult"]
