"""Macros: facts beside the commands, such as the queue id, each in the stage where filters look for it.

Names of one character stand alone (`i`, `j`, `_`), longer ones in braces (`{client_addr}`). Unless the filter lists the
macros it wants, it gets what the usual mail servers send at that stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from danelaw.milter.vocabulary import MacroStage

DEFAULTS: Mapping[MacroStage, tuple[str, ...]] = {
    MacroStage.CONNECT: ("j", "_", "v", "{daemon_name}", "{daemon_addr}", "{daemon_port}", "{if_name}", "{if_addr}",
                         "{client_addr}", "{client_name}", "{client_port}", "{client_ptr}", "{client_resolve}"),
    MacroStage.HELO: ("{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{cert_issuer}", "{verify}"),
    MacroStage.ENVFROM: ("i", "{auth_type}", "{auth_authen}", "{auth_author}", "{auth_ssf}",
                         "{mail_mailer}", "{mail_host}", "{mail_addr}"),
    MacroStage.ENVRCPT: ("i", "{rcpt_mailer}", "{rcpt_host}", "{rcpt_addr}"),
    MacroStage.DATA: ("i", "{nrcpts}"),
    MacroStage.EOH: ("i",),
    MacroStage.EOM: ("i", "{msg_id}"),
}  # fmt: skip
MOST_NAMES = 64
_SEPARATORS = re.compile(r"[\s,]+")
_NAME = re.compile(r"\{[!-z|~]{2,64}\}|[!-z|~]", re.ASCII)


def names(text: str) -> tuple[str, ...]:
    """The names in a list a filter sent, in the usual form, at most `MOST_NAMES`; what is no name is left out."""
    found = []
    for word in _SEPARATORS.split(text)[: MOST_NAMES + 1]:
        bare = word.removeprefix("{").removesuffix("}") if len(word) > 1 else word
        name = bare if len(bare) == 1 else f"{{{bare}}}"
        if _NAME.fullmatch(name) and name not in found:
            found.append(name)
    return tuple(found[:MOST_NAMES])


def packed(wanted: tuple[str, ...], values: Mapping[str, str]) -> bytes:
    """Names and values as they travel, of those that are wanted and known. No value can end itself early."""
    parts = []
    for name in wanted:
        value = values.get(name)
        if value is not None:
            parts.append(f"{name}\0{value.replace(chr(0), '?')}\0".encode("utf-8", "surrogateescape"))
    return b"".join(parts)
