"""The common form of every configuration section: frozen, and without keys nobody declared."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A TOML table. Unknown keys are errors: a misspelt key must never silently mean "default"."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False, hide_input_in_errors=False)
