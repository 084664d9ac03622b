"""MTA-STS."""

from danelaw.mtasts.cache import CachedPolicy
from danelaw.mtasts.policy import PolicyError, PolicyMode, STSPolicy

__all__ = ["CachedPolicy", "PolicyError", "PolicyMode", "STSPolicy"]
