"""Routing of mail: from a next hop to hosts with addresses and TLSA records.

A *next hop* is a domain, whose MX records name the hosts; `[a.host]` named by the administrator, for which no MX
is asked; or `[an.address]`. For a domain, RFC 5321 §5.1 says: sort the MX records by preference and try equal
ones in random order; a domain that exists without MX is its own host (*implicit MX*); one that does not exist
takes no mail; a single MX `0 .` says so on purpose (*null MX*, RFC 7505). RFC 7672 §2.1 adds that an answer which
failed says nothing at all: the mail waits. Whether the MX answer was *secure* decides what DANE can prove: with an
insecure one, an attacker may have chosen the host.

Look-ups are generators (`danelaw.dnsdata.Lookup`): nothing here does I/O, nothing is random.

Public names: `NextHop`, `NextHopError`, `SMTP_PORT`, `MXHost`, `MXResult`, `lookup_mx`, `Destination`,
`lookup_destination`, `takes_no_mail`, `Undeliverable`, `literal_host`, `MAX_HOSTS`, `order`, `gather`, `carrier_of`;
and for the providers behind MX hosts `Site`, `Sites`, `mx_site`, `shipped_sites`.
"""

from danelaw.routing.carrier import carrier_of
from danelaw.routing.destination import MAX_HOSTS, Destination, lookup_destination
from danelaw.routing.gather import gather
from danelaw.routing.mx import MXHost, MXResult, literal_host, lookup_mx
from danelaw.routing.next_hop import SMTP_PORT, NextHop, NextHopError
from danelaw.routing.nomail import Undeliverable, takes_no_mail
from danelaw.routing.order import order
from danelaw.routing.sites import Site, SiteFileError, Sites, mx_site, shipped_sites

__all__ = [
    "MAX_HOSTS",
    "SMTP_PORT",
    "Destination",
    "MXHost",
    "MXResult",
    "NextHop",
    "NextHopError",
    "Site",
    "SiteFileError",
    "Sites",
    "Undeliverable",
    "carrier_of",
    "gather",
    "literal_host",
    "lookup_destination",
    "lookup_mx",
    "mx_site",
    "order",
    "shipped_sites",
    "takes_no_mail",
]
