"""A library that looks at the world for commands which judge old mail, without a gateway: DNS, HTTP, directories,
databases and certificates. Nothing of it changes anything where it is given through `scripting.shadowing.quiet`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.gateway.settings import resolver_settings
from danelaw.net.fetch import verifying_context
from danelaw.pkix import Roots
from danelaw.resolver import Resolver
from danelaw.scripting.library.certificates import CertificateReader
from danelaw.scripting.library.dns import ResolverDNS
from danelaw.scripting.library.http import HTTPClient
from danelaw.scripting.library.ldap import Directories
from danelaw.scripting.library.offline import offline_library
from danelaw.scripting.library.reach import Reach
from danelaw.scripting.library.records import SecretFiles
from danelaw.scripting.library.sql import Databases

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.policy import Library


@contextlib.asynccontextmanager
async def looking(config: Config) -> AsyncIterator[Library]:
    """The library, until the end of the block. Raises `DanelawError` for what cannot be made."""
    policy = config.policy
    roots = Roots.from_file(config.tls.roots_file) if config.tls.roots_file else Roots.system()
    async with Resolver(resolver_settings(config), clock=time.time) as resolver:
        reach = Reach(policy.http.hosts, policy.http.forbidden_networks, resolver, config.lab.dial)
        http = HTTPClient(reach, lambda: verifying_context(roots), policy.http.connections_per_host)
        directories, databases = Directories(policy.ldap), Databases(policy.database)
        try:
            yield replace(
                offline_library(time.time),
                dns=ResolverDNS(resolver),
                http=http,
                ldap=directories,
                sql=databases,
                certificates=CertificateReader(reach),
                secrets=SecretFiles(policy.secrets),
            )
        finally:
            await http.close()
            await directories.close()
            await databases.close()
