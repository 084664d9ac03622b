"""The section about the words of delivery notices."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from danelaw.config.limiting import read_file
from danelaw.config.section import Section
from danelaw.config.values import FilePath, Text
from danelaw.dsn import SHIPPED, Texts, TextsError, shipped
from danelaw.errors import DanelawError

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})?\Z", re.ASCII)
MOST_LANGUAGES = 4


class Notices(Section):
    """What senders read when mail waits, comes back or was handed on."""

    languages: tuple[Text, ...] = Field(
        default=("en",),
        min_length=1,
        max_length=MOST_LANGUAGES,
        description="Languages of notices, one below the other; the subject is in the first. `en` and `de` come with "
        "danelaw, others need a file in `templates`.",
        examples=[["de", "en"]],
    )
    templates: FilePath | None = Field(
        default=None,
        description="Directory with files of texts, one for each language (`de.toml`): all of them or only those that "
        "are to differ. `danelaw notices source en` prints the shipped ones.",
        examples=["/etc/danelaw/notices"],
    )

    @field_validator("languages")
    @classmethod
    def _are_languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not _LANGUAGE.match(one):
                raise ValueError(f'"{one}" is no language; write it like "de" or "pt-br"')
        if len(set(value)) != len(value):
            raise ValueError("a language appears twice; keep one of them")
        return value


def notice_texts(section: Notices) -> tuple[Texts, ...]:
    """The texts of all languages, in their order. Raises `DanelawError` for files that cannot be used, and for a
    language without any.
    """
    return tuple(_texts(section, language) for language in section.languages)


def _texts(section: Notices, language: str) -> Texts:
    path = section.templates / f"{language}.toml" if section.templates is not None else None
    if path is not None and path.exists():
        try:
            return Texts.from_text(read_file(path), language, str(path))
        except TextsError as error:
            raise DanelawError(error.reason, advice=error.advice) from None
    if language in SHIPPED:
        return shipped(language)
    where = f"there is no {path}" if path is not None else "[notices] has no templates"
    raise DanelawError(
        f'notices are to be in "{language}", but {where}',
        advice=f"danelaw notices source en > {path or language + '.toml'}, and translate it",
    )
