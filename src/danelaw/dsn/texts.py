"""The words of notices, one file per language: TOML tables of short texts with `{placeholders}`.

A file of an operator may hold all texts or a few; what it lacks is taken from the shipped file of its language, or from
English. A placeholder is replaced by what it stands for and nothing else is done to a text, so a text can do no harm.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources

from danelaw.dsn.cause import Cause
from danelaw.dsn.errors import DSNError
from danelaw.dsn.values import Action, Asked, Demander

SHIPPED = ("en", "de")
"""Languages that come complete with danelaw."""
MAX_FILE = 256 << 10
_MAX_TEXT = 2_000
_MAX_SUBJECT = 200
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})?\Z", re.ASCII)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_BREAKS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_DATE = frozenset({"weekday", "day", "month", "year", "hour", "minute"})
_OF_CAUSE = frozenset({"destination", "host"})
_FIXED: dict[str, frozenset[str]] = {
    "date.form": _DATE,
    "date.weekdays": frozenset(),
    "date.months": frozenset(),
    "whom.one": frozenset(),
    "whom.many": frozenset({"count"}),
    "whom.more": frozenset({"count"}),
    "whom.somebody": frozenset(),
    "span.days": frozenset({"count"}),
    "span.hours": frozenset({"count"}),
    "span.minutes": frozenset({"count"}),
    "span.seconds": frozenset({"count"}),
    "label.why": frozenset(),
    "label.demand": frozenset(),
    "label.servers": frozenset(),
    "label.since": frozenset(),
    "label.until": frozenset(),
    "label.you": frozenset(),
    "label.operator": frozenset(),
    "label.said": frozenset(),
    "label.received": frozenset(),
    "label.id": frozenset(),
    "line.which": frozenset(),
    "line.over": frozenset({"span"}),
    "line.try": frozenset({"server", "what", "detail", "when"}),
    "line.answered": frozenset({"server", "reply", "when"}),
    "line.more-servers": frozenset({"count"}),
    "line.more-recipients": frozenset({"count"}),
    "line.since": frozenset({"when"}),
    "line.worked": frozenset({"when"}),
    "line.until": frozenset({"when"}),
    "line.operator": frozenset({"destination"}),
    "line.received": frozenset({"when", "gateway"}),
    "line.untold": frozenset(),
    "next.failed": frozenset({"gateway"}),
    "next.delayed": frozenset({"gateway"}),
    "next.told": frozenset(),
    "redacted.text": frozenset(),
    "redacted.answer": frozenset(),
    "subject.redacted": frozenset(),
    "subject.answer": frozenset(),
}
KEYS: dict[str, frozenset[str]] = (
    _FIXED
    | {f"subject.{action.value}": frozenset({"whom"}) for action in Action}
    | {f"outcome.{action.value}": frozenset({"whom"}) for action in Action}
    | {f"asked.{asked.value}": frozenset() for asked in Asked}
    | {f"demand.{demander.value}": _OF_CAUSE | {"who"} for demander in Demander if demander is not Demander.NOBODY}
    | {
        f"cause.{cause.value}.{part}": _OF_CAUSE
        for cause in Cause
        if cause is not Cause.OTHER
        for part in ("why", "what", "you", "operator")
    }
)
"""Every text by name, and the placeholders it may have."""
# These may be empty: not every cause calls for somebody to do something.
_MAY_BE_EMPTY = re.compile(r"cause\.[a-z-]+\.(?:you|operator)\Z")
_LAST_MOMENT = 253_402_300_799.0  # the end of the year 9999
_COUNTED = {"date.weekdays": 7, "date.months": 12}


class TextsError(DSNError):
    """A file of texts cannot be used; the reason lists every problem."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language. `missing` names those that had to be taken from English."""

    language: str
    _texts: Mapping[str, str]
    missing: tuple[str, ...] = ()

    @classmethod
    def from_text(cls, text: str, language: str, name: str = "") -> Texts:
        """Read a file in TOML. What it lacks comes from the shipped file of the language, else from English.

        `name` is the file's, for messages. Raises `TextsError` for a language that is none (`de`, `pt-br`), unknown
        texts or placeholders, and texts that cannot be written.
        """
        where = name or language
        if not _LANGUAGE.match(language):
            raise TextsError(f"{where}: {language!r} is no language", advice='name the file like "de.toml"')
        own = _read(text, where)
        base = shipped(language)._texts if language in SHIPPED else {}
        missing = tuple(key for key in KEYS if key not in own and key not in base) if language != "en" else ()
        english: Mapping[str, str] = {} if language == "en" and not base else shipped("en")._texts
        return cls(language, {**english, **base, **own}, missing)

    def __call__(self, key: str, **values: object) -> str:
        """The text with its placeholders replaced; what a text does not mention is left out."""
        return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], "")), self._texts[key])

    def date(self, posix: float) -> str:
        """A moment in UTC as this language writes it; `posix` in seconds."""
        moment = datetime.fromtimestamp(min(max(posix, 0.0), _LAST_MOMENT), UTC)
        return self(
            "date.form",
            weekday=self._texts["date.weekdays"].split()[moment.weekday()],
            day=moment.day,
            month=self._texts["date.months"].split()[moment.month - 1],
            year=moment.year,
            hour=f"{moment.hour:02d}",
            minute=f"{moment.minute:02d}",
        )

    def span(self, seconds: float) -> str:
        """A stretch of time in the unit people would use."""
        for unit, key in ((86400.0, "span.days"), (3600.0, "span.hours"), (60.0, "span.minutes")):
            if seconds >= 2 * unit:
                return self(key, count=f"{seconds / unit:.3g}")
        return self("span.seconds", count=f"{max(seconds, 1.0):.0f}")

    def of_cause(self, cause: Cause, part: str, *, destination: str, host: str) -> str:
        """A text about a cause, `part` being `why`, `what`, `you` or `operator`; empty where there is none."""
        if cause is Cause.OTHER:
            return ""
        return self(f"cause.{cause.value}.{part}", destination=destination, host=host)


@cache
def shipped(language: str) -> Texts:
    """A language that comes with danelaw. Raises `TextsError` for others."""
    if language not in SHIPPED:
        raise TextsError(f"there are no texts in {language!r}", advice=f"choose one of {', '.join(SHIPPED)}")
    texts = _read(shipped_source(language), f"{language}.toml")
    if language == "en":
        return Texts(language, texts)
    return Texts(language, {**shipped("en")._texts, **texts}, tuple(key for key in KEYS if key not in texts))


def shipped_source(language: str) -> str:
    """The shipped file itself, to begin one's own from."""
    return resources.files("danelaw.dsn").joinpath(f"texts_{language}.toml").read_text("utf-8")


def _read(text: str, where: str) -> dict[str, str]:
    if len(text) > MAX_FILE:
        raise TextsError(f"{where} is larger than {MAX_FILE >> 10} KiB")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TextsError(f"{where}: {error}") from None
    except RecursionError:
        raise TextsError(f"{where} is nested too deeply") from None
    found, problems = dict[str, str](), list[str]()
    for key, value in _flat(tables, ""):
        wrong = _wrong(key, value)
        if wrong:
            problems.append(f"{where}: {key[:80]}: {wrong}")
        else:
            found[key] = str(value)
    if problems:
        raise TextsError("\n".join(problems[:20]), advice="danelaw notices source en   prints every text by name")
    return found


def _flat(table: Mapping[str, object], prefix: str) -> Iterable[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict) and prefix.count(".") < 3:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _wrong(key: str, value: object) -> str:
    """What is wrong with a text, in words; nothing when it can be used."""
    allowed = KEYS.get(key)
    if allowed is None:
        return "there is no text of this name"
    if not isinstance(value, str):
        return "a text stands in quotes"
    if not value.strip() and not _MAY_BE_EMPTY.match(key):
        return "the text is empty"
    longest = _MAX_SUBJECT if key.startswith("subject.") else _MAX_TEXT
    if len(value) > longest:
        return f"the text is longer than {longest} characters"
    if _BREAKS.search(value):
        return "the text has characters that cannot stand in a message"
    unknown = [name for name in _PLACEHOLDER.findall(value) if name not in allowed]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in sorted(allowed))
        return f"{{{unknown[0][:40]}}} stands for nothing here" + (f"; known are {known}" if known else "")
    if "{" in _PLACEHOLDER.sub("", value) or "}" in _PLACEHOLDER.sub("", value):
        return "a brace has no partner"
    wanted = _COUNTED.get(key)
    if wanted is not None and len(value.split()) != wanted:
        return f"there must be {wanted} words, with spaces between them"
    return ""
