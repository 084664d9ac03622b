"""wip"""

from danelaw.receipt.basis import basis_octets
from danelaw.receipt.chain import NOTHING, Link, entry_of, jump_of
from danelaw.receipt.merkle import root_of
from danelaw.receipt.session import session_octets
