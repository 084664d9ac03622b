"""Which scenario shows which rule, and what is not shown: the tables of docs/lab.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from danelaw.lab.catalogue import LETTERS, SCENARIOS, SENDERS
from danelaw.lab.letter import ORGANIZATIONS, ZONE
from danelaw.lab.rules import DEFECTS, RESULTS, RULES, Defect, Result, Rule
from danelaw.lab.scenario import Scenario

_ROWS: tuple[Rule | Defect, ...] = (*RULES, *DEFECTS)
Cells: TypeAlias = Mapping[tuple[str, Result], tuple[str, ...]]

_INTRODUCTION = """\
# The lab

<!-- Made by danelaw.lab.coverage; do not edit. -->

`danelaw lab` runs an internet in a box on this machine, offline and without root: its own DNS with a signed root,
mail servers, MTA-STS policy hosts, and attackers in the path. Every connection is a real socket, every signature and
certificate a real one. Mail to the addresses of the lab reaches it through routes (`[lab.routes]` in danelaw.toml)
that lead from port 25 of an address to a high port; TLSA records stay at `_25._tcp`.

```
danelaw lab                  run it; prints the destinations and a danelaw.toml for a gateway
danelaw lab --port25         as root: mail servers listen on port 25 of their own loopback addresses
danelaw lab --trust          another lab: a trust group with masters, members and letters (trust-groups.md)
danelaw lab --export DIR     write signed zones, keys, certificates and configuration for nsd, unbound and Postfix
```

Outcome and protection are what a correct gateway makes of one message to `anna@` the destination (nothing else in its
configuration than the snippet); *level* is what `danelaw check` says.
"""


def result(scenario: Scenario) -> Result:
    """The column of a scenario."""
    if scenario.outcome == "delivered":
        for known in RESULTS:
            if known == scenario.protection:
                return known
        raise ValueError(f"{scenario.domain}: {scenario.protection} is no result of a delivery")
    return scenario.outcome


def cells(scenarios: Iterable[Scenario]) -> Cells:
    """The domains by (rule or defect, result)."""
    found: dict[tuple[str, Result], tuple[str, ...]] = {}
    for scenario in scenarios:
        for identity in (*scenario.rules, *scenario.defects):
            key = (identity, result(scenario))
            found[key] = (*found.get(key, ()), scenario.domain)
    return found


def gaps(scenarios: Sequence[Scenario]) -> list[tuple[str, Result]]:
    """Cells that matter and are empty."""
    found = cells(scenarios)
    wanted = [(row.id, column) for row in _ROWS for column in row.results]
    return [cell for cell in wanted if cell not in found]


def strays(scenarios: Sequence[Scenario]) -> list[tuple[str, Result]]:
    """Cells that are filled although the rule cannot have that result, or there is no such rule."""
    wanted = {(row.id, column) for row in _ROWS for column in row.results}
    return [cell for cell in cells(scenarios) if cell not in wanted]


def reference() -> str:
    """docs/lab.md for the whole catalogue."""
    return page(SCENARIOS) + "\n" + _senders() + "\n" + _letters()


def page(scenarios: Sequence[Scenario]) -> str:
    """The page for these scenarios."""
    parts = [_INTRODUCTION, f"## {len(scenarios)} destinations\n", _destinations(scenarios)]
    parts += [
        "## Rules\n",
        "Each rule of decision and the results it can have; an em dash marks what it cannot lead to.\n",
        _matrix(RULES, cells(scenarios)),
        "## Mistakes of other gateways\n",
        _matrix([defect for defect in DEFECTS if defect.results], cells(scenarios)),
        "Mistakes that no destination can show are tested elsewhere:\n",
        "\n".join(f"- {d.text}: {d.elsewhere}" for d in DEFECTS if not d.results) + "\n",
    ]
    return "\n".join(parts)


def _destinations(scenarios: Sequence[Scenario]) -> str:
    lines = ["| to | publishes | outcome | protected by | level | why |", "|---|---|---|---|---|---|"]
    for scenario in scenarios:
        name = f"{scenario.domain} (attack)" if scenario.attack else scenario.domain
        why = scenario.why_shown + {"none": "", "requiretls": " (sent with REQUIRETLS)"}.get(
            scenario.demand, " (sent with TLS-Required: No)"
        )
        row = (name, scenario.publishes, scenario.outcome, scenario.protection, scenario.level, why)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def _senders() -> str:
    lines = [
        f"## {len(SENDERS)} senders\n",
        "Domains that mail may claim to come from, and what `danelaw spf --ip CLIENT --helo NAME --mail-from ADDRESS`",
        "with the lab's resolver and trust anchor says: the result, and the weakest DNSSEC status it rests on.\n",
        "| from | publishes | client | result | DNSSEC |",
        "|---|---|---|---|---|",
    ]
    for sender in SENDERS:
        name = sender.helo + " (HELO)" if sender.identity == "helo" else sender.mail_from
        name += " (attack)" if sender.attack else ""
        lines.append(f"| {name} | `{sender.publishes}` | {sender.client} | {sender.spf} | {sender.dnssec} |")
    return "\n".join(lines) + "\n"


def _letters() -> str:
    single = [letter for letter in LETTERS if letter.trick]
    organizations = ", ".join(f"`{name}` ({record or 'nothing'})" for name, record in ORGANIZATIONS.items())
    lines = [
        f"## {len(LETTERS)} letters\n",
        "Messages from outside: `danelaw lab` writes them as files, and its JSON says with which client, HELO and MAIL",
        "FROM each comes and what `danelaw auth` makes of it.",
        f"{len(LETTERS) - len(single)} are every result of SPF with every result of DKIM for each of the authors below",
        f"`{ZONE}`: {organizations}, the last one with name servers that fail. The others are:\n",
        "| letter | what it is | SPF | DKIM | DMARC | ARC | by default |",
        "|---|---|---|---|---|---|---|",
    ]
    for letter in single:
        name = f"{letter.name} (attack)" if letter.attack else letter.name
        results = (letter.spf, ", ".join(letter.dkim) or "none", letter.dmarc, letter.arc, letter.act)
        lines.append(f"| {name} | {letter.trick} | {' | '.join(results)} |")
    return "\n".join(lines) + "\n"


def _matrix(rows: Sequence[Rule | Defect], found: Cells) -> str:
    lines = [f"| | {' | '.join(RESULTS)} |", "|---" * (len(RESULTS) + 1) + "|"]
    for row in rows:
        source = f" ({row.source})" if isinstance(row, Rule) else ""
        shown = [
            ", ".join(_short(domain) for domain in found.get((row.id, column), ("**none**",)))
            if column in row.results
            else "—"
            for column in RESULTS
        ]
        lines.append(f"| {row.text}{source} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _short(domain: str) -> str:
    return domain.removesuffix(".lab")
