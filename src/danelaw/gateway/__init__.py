"""The one place that assembles the parts into a running gateway.

`settings` turns the configuration into the settings of each part, `parts` makes the parts in the order they need
each other, `gateway` starts, watches, reloads and stops them, `control` and `operations` answer the command line over a
Unix socket, `rehearsal` puts a gateway into the lab for the demo and the scenario tests.

Public names: `Gateway`, `run`.
"""

from danelaw.gateway.gateway import Gateway, run

__all__ = ["Gateway", "run"]
