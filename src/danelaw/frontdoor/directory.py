"""Asking a directory (LDAP) whether a recipient exists (RFC 4511)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.net.ldap import DirectoryClient, DirectoryServer, LDAPError, filled, read_password
from danelaw.outbound.callahead import RecipientAnswer, Standing

if TYPE_CHECKING:
    from danelaw.address import Mailbox
    from danelaw.config.recipients import LDAP


class Directory:
    """The directory of `[ldap]`."""

    def __init__(self, settings: LDAP) -> None:
        """Nothing is connected yet. Raises `DanelawError` without the library, or when a file cannot be read."""
        assert settings.url is not None
        password = None if settings.password_file is None else read_password(settings.password_file, "[ldap]")
        if settings.ca_file is not None and not settings.ca_file.is_file():
            raise DanelawError(f"{settings.ca_file} is no file", advice="correct ca_file in [ldap]")
        server = DirectoryServer(
            settings.url,
            settings.starttls == "required",
            settings.ca_file,
            settings.bind_dn,
            password,
            settings.timeout.total_seconds(),
        )
        try:
            self._client = DirectoryClient(server)
        except ImportError:
            raise DanelawError(
                'a directory is to be asked ([[domain]] verify = "ldap"), and the library ldap3 is missing',
                advice="pip install 'danelaw[ldap]'",
            ) from None
        self._settings = settings

    async def ask(self, mailbox: Mailbox) -> RecipientAnswer:
        """Whether the directory has an entry for a mailbox. Never raises for what the directory does."""
        wanted = search_filter(self._settings.filter, mailbox)
        try:
            found = await self._client.search(self._settings.base, wanted, (), 1)
        except LDAPError as error:
            return RecipientAnswer(Standing.UNSURE, error.reason)
        if found.entries:
            return RecipientAnswer(Standing.TAKEN, "the directory has it")
        return RecipientAnswer(Standing.REFUSED, "the directory does not have it")

    def close(self) -> None:
        """Say goodbye on idle connections."""
        self._client.close()


def search_filter(template: str, mailbox: Mailbox) -> str:
    """The filter with the parts of a mailbox put in, escaped: nobody's local-part is a filter (RFC 4515 §3)."""
    return filled(
        template,
        {
            "address": f"{mailbox.localpart.content}@{mailbox.domain}",
            "localpart": mailbox.localpart.content,
            "domain": mailbox.domain.to_text(),
        },
    )
