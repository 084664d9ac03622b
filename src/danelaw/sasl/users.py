"""The file of users: `name:verifier:addresses`, one a line; `#` begins a comment line.

`addresses` are those a user may send as, separated by commas: `anna@example.org`, `@example.org` for all of a domain.
Case makes no difference in names, since people write their addresses as they like; passwords are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from danelaw.address import Domain, DomainError, Mailbox, MailboxError
from danelaw.sasl.errors import SASLError
from danelaw.sasl.saslprep import saslprep
from danelaw.sasl.verifiers import Verifier, verifier_from_text

LONGEST_NAME = 255
_MOST_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in. `addresses` as written in the file, checked."""

    name: str
    verifier: Verifier = field(repr=False)
    addresses: tuple[str, ...] = ()

    def may_send_as(self, mailbox: Mailbox) -> bool:
        """True for an address of its own: one of `addresses`, else its name where that is an address."""
        domain = f"@{mailbox.domain.to_text()}".lower()
        wanted = (mailbox.to_text().lower(), domain)
        return any(own.lower() in wanted for own in self.addresses or (self.name,))

    def to_text(self) -> str:
        """The line without its end."""
        line = f"{self.name}:{self.verifier.to_text()}"
        return f"{line}:{','.join(self.addresses)}" if self.addresses else line


@dataclass(frozen=True, slots=True)
class UserTable:
    """All users by name without case, in the order of the file."""

    users: Mapping[str, User] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def from_text(cls, text: str, source: str = "users") -> UserTable:
        """Read a file's text. Raises `SASLError` that names `source` and line, and shows no verifier."""
        users: dict[str, User] = {}
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            try:
                user = _user(line)
                if user.name.casefold() in users:
                    raise SASLError(f"user {user.name!r} appears twice")
            except SASLError as error:
                raise SASLError(f"{source}:{number}: {error.reason}", advice=error.advice) from None
            users[user.name.casefold()] = user
        return cls(MappingProxyType(users))

    def __len__(self) -> int:
        return len(self.users)

    def __iter__(self) -> Iterator[User]:
        return iter(self.users.values())

    def get(self, name: str) -> User | None:
        """The user of a prepared name, whatever its case."""
        return self.users.get(name.casefold())


def user_name(text: str) -> str:
    """A name as it is kept, prepared. Raises `SASLError` for what cannot stand in the file."""
    name = saslprep(text, stored=True)
    if len(name) > LONGEST_NAME or ":" in name or name.startswith("#") or name != name.strip():
        raise SASLError(
            f"{text[:80]!r} cannot be a user's name: no colon, no spaces around, at most {LONGEST_NAME} characters"
        )
    return name


def sender_address(text: str) -> str:
    """An address or `@domain` that a user may send as, checked. Raises `SASLError`."""
    try:
        if text.startswith("@"):
            return f"@{Domain.from_text(text[1:]).ascii}"
        return Mailbox.from_text(text).to_text()
    except (DomainError, MailboxError) as error:
        raise SASLError(f"{text[:80]!r} is neither an address nor @domain", advice=error.advice) from None


def with_user(text: str, user: User) -> str:
    """A file's text with this user's line in the place of its old one, or at the end; all else stays."""
    lines, found = [], False
    for line in text.splitlines():
        if _name_in(line) == user.name.casefold():
            if not found:
                lines.append(user.to_text())
            found = True
        else:
            lines.append(line)
    if not found:
        lines.append(user.to_text())
    return "\n".join(lines) + "\n"


def without_user(text: str, name: str) -> str:
    """A file's text without the line of this user."""
    return "".join(f"{line}\n" for line in text.splitlines() if _name_in(line) != name.casefold())


def _name_in(line: str) -> str | None:
    """The prepared name that a line begins with, without case, None for others."""
    name, found, _ = line.strip().partition(":")
    if not found or name.startswith("#"):
        return None
    try:
        return user_name(name).casefold()
    except SASLError:
        return None


def _user(line: str) -> User:
    name, found, rest = line.partition(":")
    if not found:
        raise SASLError("the line has no colon; name:verifier:addresses is expected")
    verifier, _, addresses = rest.partition(":")
    words = [word.strip() for word in addresses.split(",") if word.strip()]
    if len(words) > _MOST_ADDRESSES:
        raise SASLError(f"more than {_MOST_ADDRESSES} addresses")
    return User(user_name(name), verifier_from_text(verifier), tuple(sender_address(word) for word in words))
