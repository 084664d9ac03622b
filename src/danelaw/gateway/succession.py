"""What a supervisor hands on when it runs itself anew: sockets, lock, children with their lines, and all permits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from danelaw.gateway.roster import Roster, State

if TYPE_CHECKING:
    from danelaw.gateway.children import Nursery
    from danelaw.gateway.listeners import Listeners
    from danelaw.gateway.permit_line import PermitService


def handed_on(
    nursery: Nursery, roster: Roster, listeners: Listeners, lock: int, control: int, permits: PermitService
) -> dict[str, Any]:
    """Everything, as JSON has it. `control` is the number of the control process."""
    children = []
    for child in nursery.children.values():
        facts = nursery.described(child)
        if facts is None:
            continue
        worker = roster.workers.get(child.serial)
        if worker is not None:
            retiring = worker.state is State.RETIRING
            facts |= {"home": worker.home, "shards": sorted(worker.shards), "retiring": retiring}
        children.append(facts)
    return {
        "sockets": listeners.hand_on(), "lock": lock, "children": children, "control": control,
        "permits": permits.broker.state(),
    }  # fmt: skip
