"""The one place that assembles the parts into a running gateway.

`settings` turns the configuration into the settings of each part, `parts` makes the parts, `gateway` starts,
watches, reloads and stops them, `control` and `operations` answer the command line.

Public names: `Gateway`, `run`.
"""

from danelaw.gateway.gateway import Gateway, run

__all__ = ["Gateway", "run"]
