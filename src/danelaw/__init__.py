"""danelaw: an email gateway that gives every message the strongest protection its destination publishes.

Read `docs/architecture.md` for the rooms of this house and the rule that keeps them apart:
lower layers never import higher ones, and everything below `net` is pure.
"""

__version__ = "0.1.0"
