"""Mail going out: what a destination demands, the connection that meets it, and what became of each recipient.

`destination` surveys a next hop (DNS, MTA-STS, overrides) into what each host must prove; `opening` comes as far as
STARTTLS; `tlspolicy.judge` decides; `transmission` sends under the clearance it granted; `delivery` tries hosts in
their order; `engine` takes work from the scheduler and writes down outcomes; `lifetimes` and `notices` tell senders.
`probe` and `checkup` go the same way up to MAIL for `danelaw check`; `explanation` reads it all back.
"""
