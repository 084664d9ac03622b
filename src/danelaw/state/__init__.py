"""What danelaw remembers between messages and across restarts, in `state.db` beside the spool.

`OverrideStore` holds the overrides set with `danelaw override`, together with those of the configuration.
`STSStore` remembers MTA-STS policies: RFC 8461 protects from the second message on only when the first one's policy
survives restarts. `GreylistStore` remembers triplets for all workers, in `greylist.db`, where nothing is flushed: what
a crash loses of it costs a delay. `HoldRuleStore` keeps the rules that hold mail yet to come, and senders that people
allow; `DigestStore` the keys of digests' links and who was told what. `GatheringStore` counts mail for DMARC reports,
`ReportArchive` and `FailureArchive` keep those of others, which `ReportIntake` takes in, all in `reports.db`.
`TrustRoll` says to which trust groups a domain belongs, `TrustStore` remembers how their members keep their promise.
`SurveyBook` is the state of one survey, in a file of its own.

Public names: `StateDatabase`, `StateError`, `FILE_NAME`, `OverrideStore`, `configured_overrides`, `CorrespondentStore`
(who wrote to whom, hashed), `DigestStore`, `FailureArchive`, `GatheringStore`, `GreylistStore`, `HoldRuleStore`,
`ReportArchive`, `ReportIntake`, `ReportsDatabase`, `STSStore`, `FetchPolicy`, `SurveyBook`, `BookError`, `TrustRoll`,
`TrustStore`.
"""

from danelaw.state.correspondents import CorrespondentStore
from danelaw.state.database import FILE_NAME, StateDatabase, StateError
from danelaw.state.digests import DigestStore
from danelaw.state.failure_archive import FailureArchive
from danelaw.state.greylist import GreylistStore
from danelaw.state.holding import HoldRuleStore
from danelaw.state.overrides import OverrideStore, configured_overrides
from danelaw.state.report_archive import ReportArchive
from danelaw.state.report_gathering import GatheringStore
from danelaw.state.report_intake import ReportIntake
from danelaw.state.reports_database import ReportsDatabase
from danelaw.state.sts import FetchPolicy, STSStore
from danelaw.state.survey_book import BookError, SurveyBook
from danelaw.state.tls_gathering import TLSGatheringStore
from danelaw.state.trust import TrustStore
from danelaw.state.trust_roll import TrustRoll

__all__ = [
    "FILE_NAME",
    "BookError",
    "CorrespondentStore",
    "DigestStore",
    "FailureArchive",
    "FetchPolicy",
    "GatheringStore",
    "GreylistStore",
    "HoldRuleStore",
    "OverrideStore",
    "ReportArchive",
    "ReportIntake",
    "ReportsDatabase",
    "STSStore",
    "StateDatabase",
    "StateError",
    "SurveyBook",
    "TLSGatheringStore",
    "TrustRoll",
    "TrustStore",
    "configured_overrides",
]
