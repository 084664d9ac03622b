"""Keys of digests' links, the links that were used, and what each address was told until when."""

from __future__ import annotations

from collections.abc import Callable

from danelaw.quarantine.tokens import SECRET_OCTETS, Key
from danelaw.state.database import StateDatabase

ROTATION_SECONDS = 30 * 86400.0
"""A key signs for so long; it is kept until the last link it signed is too old."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS link_key (
        number INTEGER PRIMARY KEY AUTOINCREMENT, secret BLOB NOT NULL, made_at REAL NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS link_used (
        nonce BLOB PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS digest (
        address TEXT PRIMARY KEY, slot REAL NOT NULL, upto REAL NOT NULL) WITHOUT ROWID""",
)


class DigestStore:
    """Shared by all processes of a gateway: each answer is one statement, so that of two who ask at once one is first.

    `links_last` are the seconds a link works; `secret` gives fresh random octets.
    """

    def __init__(self, database: StateDatabase, links_last: float, secret: Callable[[int], bytes]) -> None:
        self._database = database
        self._links_last = links_last
        self._secret = secret
        for statement in _TABLES:
            database.execute(statement)

    def signing_key(self, now: float) -> Key:
        """The newest key, or a new one when it is time; `now` in POSIX seconds."""
        self._database.execute("DELETE FROM link_key WHERE made_at < ?", (now - ROTATION_SECONDS - self._links_last,))
        # A key from the future was made by a clock that ran ahead: it signs on.
        self._database.execute(
            "INSERT INTO link_key (secret, made_at) SELECT ?, ? WHERE NOT EXISTS"
            " (SELECT 1 FROM link_key WHERE made_at > ?)",
            (self._secret(SECRET_OCTETS), now, now - ROTATION_SECONDS),
        )
        keys = self.verifying_keys()
        return keys[max(keys)]

    def verifying_keys(self) -> dict[int, Key]:
        """Every key whose links may still be good, by number."""
        rows = self._database.execute("SELECT number, secret FROM link_key")
        return {key.number: key for key in (_key(number, secret) for number, secret in rows)}

    def revoke(self) -> None:
        """No link sent until now works any more."""
        self._database.execute("DELETE FROM link_key")

    def spend(self, nonce: bytes, expires: float, now: float) -> bool:
        """A link is used now; False when it was used before."""
        self._database.execute("DELETE FROM link_used WHERE expires < ?", (now,))
        first = self._database.execute(
            "INSERT INTO link_used VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1", (nonce, expires)
        )
        return bool(first)

    def spent(self, nonce: bytes) -> bool:
        """Whether a link was used."""
        return bool(self._database.execute("SELECT 1 FROM link_used WHERE nonce = ?", (nonce,)))

    def unspend(self, nonce: bytes) -> None:
        """What a link was to do could not be done: it works again."""
        self._database.execute("DELETE FROM link_used WHERE nonce = ?", (nonce,))

    def told(self) -> dict[str, tuple[float, float]]:
        """For each address the slot of its last digest, and up to which moment it was told what is held."""
        rows = self._database.execute("SELECT address, slot, upto FROM digest")
        return {str(address): (_number(slot), _number(upto)) for address, slot, upto in rows}

    def claim(self, address: str, slot: float) -> bool:
        """This process tells an address at this slot; False when another does or did."""
        claimed = self._database.execute(
            "INSERT INTO digest VALUES (?1, ?2, 0) ON CONFLICT (address) DO UPDATE SET slot = ?2 WHERE slot < ?2"
            " RETURNING 1",
            (address, slot),
        )
        return bool(claimed)

    def finish(self, address: str, upto: float) -> None:
        """The digest is on stable storage: what was held up to this moment was told."""
        self._database.execute("UPDATE digest SET upto = ? WHERE address = ?", (upto, address))

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _key(number: object, secret: object) -> Key:
    assert isinstance(number, int)
    assert isinstance(secret, bytes)
    return Key(number, secret)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
