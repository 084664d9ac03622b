"""All destinations, senders and letters of the lab, by subject."""

from danelaw.lab.catalogue.dane import DANE
from danelaw.lab.catalogue.demo import DEMO
from danelaw.lab.catalogue.dns import DNS
from danelaw.lab.catalogue.letters import LETTERS
from danelaw.lab.catalogue.senders import SENDERS
from danelaw.lab.catalogue.smtp import SMTP
from danelaw.lab.catalogue.sts import STS_SCENARIOS
from danelaw.lab.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = DEMO + DANE + DNS + STS_SCENARIOS + SMTP

__all__ = ["LETTERS", "SCENARIOS", "SENDERS"]
