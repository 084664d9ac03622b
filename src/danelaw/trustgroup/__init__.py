"""Trust groups: domains that promised each other how mail between them travels, and the proof that they keep it.

DANE protects a destination that publishes it, as long as it does. A *trust group* is an agreement: its members must be
reached with the transport the group demands (`send`), mail that claims to come from one must show that it does
(`receive`), and both are watched, since an agreement nobody checks is soon none. Members are listed by the operator, or
found in signed DNS (`membership`), as the Trusted Email Services draft 0.4 has it:

    tes-master.<domain>                              CNAME   the master that vouches for the domain
    <domain>.tes-member.<master>                     TXT     the master lists the domain
    <master>.tes-member.trusted-email-services.com   TXT     the root lists the master

    found = run(lookup_membership(domain, TES()))     # MEMBER, NOT_MEMBER, UNKNOWN (DNS failed: mail waits)
    group.demand                                      # for tlspolicy.requirement, which it can only make stronger
    judge_received(group.receive, author, tls, verdicts)   # KEPT, BROKEN with reasons, UNDECIDED
    follow(record, Observation(...), now, spread)     # standing of a member over time; a change is told once

Only signed answers make a member: without DNSSEC anybody on the path could make one. A name proved to be unsigned is
therefore not a member, like one that does not exist; an answer that fails, or is bogus, says nothing (`UNKNOWN`).

Public names: `TrustGroup`, `Receive`, `Breach`, `TES`, `DNSList`, `Scheme`, `lookup_membership`, `Membership`,
`Standing`, `judge_received`, `ReceivedJudgement`, `Kept`, `Observation`, `MemberRecord`, `Change`, `Watch`, `follow`,
`members_from_text`, `MembersError`.
"""

from danelaw.trustgroup.following import Change, MemberRecord, Observation, Watch, follow
from danelaw.trustgroup.group import Breach, Receive, TrustGroup
from danelaw.trustgroup.membership import TES, DNSList, Membership, Scheme, Standing, lookup_membership
from danelaw.trustgroup.memberslist import MembersError, members_from_text
from danelaw.trustgroup.receiving import Kept, ReceivedJudgement, judge_received

__all__ = [
    "TES",
    "Breach",
    "Change",
    "DNSList",
    "Kept",
    "MemberRecord",
    "MembersError",
    "Membership",
    "Observation",
    "Receive",
    "ReceivedJudgement",
    "Scheme",
    "Standing",
    "TrustGroup",
    "Watch",
    "follow",
    "judge_received",
    "lookup_membership",
    "members_from_text",
]
