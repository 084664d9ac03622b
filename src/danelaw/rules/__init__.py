"""Rules without code: conditions on a message, and what follows, as a table in the configuration.

A rule is a value; `judge` says whether it applies to a message and why, condition by condition, and is the only place
where that is decided: mail that passes and `danelaw rules explain` ask it alike. `hooks_of` makes hooks of
`danelaw.policy` out of rules; they are asked before all scripts, in the order of their numbers.

    hooks = hooks_of([Rule(name="no-images", when=Conditions(attachment=("*.iso",)), act=Act.HOLD)])

Public names: `Rule`, `Conditions`, `Changes`, `Act`, `At`, `earliest`, `judge`, `Judged`, `RuleJudged`, `hooks_of`,
`explain`, `Explained`, `Schedule`, `PatternError`, `address_matches`, `text_matches`.
"""

from danelaw.rules.asking import hooks_of
from danelaw.rules.explaining import Explained, explain
from danelaw.rules.judging import Judged, RuleJudged, judge
from danelaw.rules.patterns import PatternError, Schedule, address_matches, text_matches
from danelaw.rules.rule import Act, At, Changes, Conditions, Rule, earliest

__all__ = [
    "Act",
    "At",
    "Changes",
    "Conditions",
    "Explained",
    "Judged",
    "PatternError",
    "Rule",
    "RuleJudged",
    "Schedule",
    "address_matches",
    "earliest",
    "explain",
    "hooks_of",
    "judge",
    "text_matches",
]
