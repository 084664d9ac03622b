"""What DNS says about a client by its address and by the name it gives: reverse DNS, and HELO.

A host's address should have a name (PTR), and that name should lead back to the address; RFC 8601 §2.7.3 calls this
*iprev*. Only a name that leads back says anything: whoever owns an address may write any name into its reverse zone.
HELO and EHLO must give the client's own domain name with an address, or an address literal (RFC 5321 §2.3.5, §4.1.4),
and a server must not refuse mail only because that name does not belong to the client (§4.1.4). Neither says that a
client is good; both say what it can expect to be believed.

All of it are facts with the DNSSEC status they rest on; what follows from them is decided elsewhere. Failures of DNS
are `temperror` and never a fact against anybody.

Public names: `ReverseResult`, `ClientName`, `look_up_client_name`, `HELOResult`, `HELO`, `look_up_helo`, `generic`.
"""

from danelaw.clientname.generic import generic
from danelaw.clientname.helo import HELO, HELOResult, look_up_helo
from danelaw.clientname.reverse import ClientName, ReverseResult, look_up_client_name

__all__ = ["HELO", "ClientName", "HELOResult", "ReverseResult", "generic", "look_up_client_name", "look_up_helo"]
