"""The description of the API: OpenAPI 3.1, served at `/v1/openapi.json`, written to docs/, and what tests hold answers
against.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from danelaw.keydiscovery import KeySource, KeyState
from danelaw.outbound.checkup import LEVELS
from danelaw.tlspolicy import WORDS

_TIME = "POSIX seconds"


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _maybe(kind: str, description: str) -> dict[str, Any]:
    return {"type": [kind, "null"], "description": description}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


def _list(items: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": items, "description": description}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> dict[str, Any]:
    """The schemas by name (JSON Schema 2020-12, as OpenAPI 3.1 has it)."""
    level = {"$ref": "#/components/schemas/Level"}
    return {
        "Level": _text(
            "How mail would be protected, that of the weakest server that could take it. `waits`: nothing is sent now; "
            "`unknown`: it was not seen lately what servers offer, and nothing is demanded of them.",
            enum=list(LEVELS),
        ),
        "Words": _object(
            {"people": _text("One sentence for anybody."), "experts": _text("One for those who run servers.")}
        ),
        "Requirement": _object(
            {
                "waits_rather_than_unverified": {
                    "type": "boolean",
                    "description": "Mail waits when no server proves that it belongs to the domain.",
                },
                "waits_rather_than_unencrypted": {
                    "type": "boolean",
                    "description": "Mail waits when no server does TLS.",
                },
                "override": _maybe("string", "What the postmaster of this gateway has set for the destination."),
                "trust_groups": _list(
                    {"type": "string"}, "Trust groups of this gateway that demand something of the destination."
                ),
            }
        ),
        "Host": _host(level),
        **_of_keys(),
        "Answer": _answer(level),
        "Refused": _object({"asked": _text("What was asked."), "error": _text("Why there is no answer."),
                            "advice": _maybe("string", "What to do instead.")}),
        "Answers": _object({"answers": _list({"anyOf": [_ref("Answer"), _ref("Refused")]}, "In the order asked.")}),
        "Error": _object({"error": _text("What is wrong."), "advice": _maybe("string", "What to do next.")}),
    }  # fmt: skip


def _host(level: dict[str, Any]) -> dict[str, Any]:
    return _object(
        {
            "name": _text("The MX host."),
            "preference": {"type": "integer"},
            "addresses": _list({"type": "string"}, "At most eight."),
            "level": level,
            "guaranteed": {**level, "description": "What mail gets even with an attacker on the path."},
            "basis": _text("What `level` rests on.", enum=["probe", "delivery", "dns"]),
            "seen": _maybe("number", f"When the server was last seen so, {_TIME}."),
            "tls": _maybe("string", "The TLS version seen."),
            "requiretls": _maybe("boolean", "Whether REQUIRETLS (RFC 8689) was offered; null: not seen."),
            "demand": _text("What the server must show."),
            "demanded_by": _text("Who demands that."),
            "tlsa": _list({"type": "string"}, "Its signed TLSA records, at most 16."),
            "reason": _text("One sentence about `level`."),
        }
    )


def _of_keys() -> dict[str, Any]:
    return {
        "Key": _object(
            {
                "kind": _text("For which kind of encryption.", enum=["openpgp", "smime"]),
                "source": _text("Where it was found.", enum=[one.value for one in KeySource]),
                "fingerprint": _text("OpenPGP's, or the SHA-256 of a certificate; hexadecimal."),
                "short": _text("First 8 … last 4 digits of it."),
                "created": _maybe("number", _TIME),
                "expires": _maybe("number", f"{_TIME}; null: never."),
                "addresses": _list({"type": "string"}, "The addresses it names itself."),
                "usable": {"type": "boolean", "description": "Mail to the address can be encrypted to it now."},
                "reason": _text("Why, or why not."),
                "dns_signed": {"type": "boolean", "description": "DNSSEC vouches for it; else a web certificate."},
            }
        ),
        "KeySource": _object(
            {
                "source": _text("Where was looked.", enum=[one.value for one in KeySource]),
                "state": _text(
                    "`absent` is known, `failed` says nothing of what is there.", enum=[one.value for one in KeyState]
                ),
                "reason": _text("One sentence."),
                "place": _text("The owner name or URL."),
                "keys": _list(_ref("Key"), "What is published there."),
            }
        ),
        "EndToEnd": _object(
            {
                "possible": _maybe("boolean", "A usable key was found; null: not all places could be asked."),
                "sources": _list(_ref("KeySource"), "Each place that was asked."),
            }
        ),
    }


def _answer(level: dict[str, Any]) -> dict[str, Any]:
    mx = _object(
        {
            "status": _text("The DNSSEC status of the MX look-up, or `static`."),
            "implicit": {"type": "boolean", "description": "There are no MX records: the domain is its own server."},
            "names": _list({"type": "string"}, "The hosts."),
        }
    )
    policy = _object(
        {
            "asked": {"type": "boolean", "description": "False where DANE decides alone."},
            "mode": {"type": ["string", "null"], "enum": ["enforce", "testing", "none", None]},
            "note": _text("One sentence."),
        }
    )
    return _object(
        {
            "address": _maybe("string", "The address asked about; null for a domain."),
            "domain": _text("The domain, as A-labels."),
            "next_hop": _maybe("string", "Where mail for it goes: the domain, or what a setting says."),
            "level": level,
            "label": _text("The level as people read it everywhere in danelaw.", enum=list(WORDS)),
            "guaranteed": {
                **level,
                "description": "What mail gets even when an attacker on the path interferes; `clear` where TLS is "
                "used only if offered.",
            },
            "words": _ref("Words"),
            "reason": _text("One sentence about the level; empty where `words` say it all."),
            "requirement": {"anyOf": [_ref("Requirement"), {"type": "null"}]},
            "mx": {"anyOf": [mx, {"type": "null"}]},
            "mta_sts": {"anyOf": [policy, {"type": "null"}]},
            "hosts": _list(_ref("Host"), "In MX order, at most 32."),
            "requiretls": _maybe("boolean", "Every usable server offers REQUIRETLS; null: not seen at all of them."),
            "end_to_end": _ref("EndToEnd"),
            "state": _text(
                "`partial`: the deadline came first, and `missing` says what is not in it; ask again.",
                enum=["fresh", "cached", "partial"],
            ),
            "missing": _list(
                {"type": "string", "enum": ["dns", "probe", *(one.value for one in KeySource)]}, "What is not in it."
            ),
            "checked": {"type": "number", "description": f"The oldest part of the answer was looked up then, {_TIME}."},
            "age": {"type": "number", "description": "How many seconds ago that was."},
        },
        optional=("end_to_end",),
    )


def _responses(name: str) -> dict[str, Any]:
    def of(schema: str, description: str) -> dict[str, Any]:
        return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}

    return {
        "200": of(name, "The answer."),
        "400": of("Error", "Nothing that could be answered was asked."),
        "401": of("Error", "No token, or one that is not known."),
        "429": of("Error", "Too much in a short time; Retry-After says when."),
        "503": of("Error", "Too many look-ups are under way."),
    }


def _paths() -> dict[str, Any]:
    deadline = {
        "name": "deadline",
        "in": "query",
        "description": "How long to look at most: `2s`, `500ms`. What is known by then is answered.",
        "schema": {"type": "string"},
    }

    def asked(name: str, description: str) -> dict[str, Any]:
        return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}

    many = {
        "oneOf": [
            _list({"type": "string"}, "Addresses and domains."),
            _object(
                {"subjects": _list({"type": "string"}, "Addresses and domains."), "deadline": {"type": "string"}},
                optional=("deadline",),
            ),
        ]
    }
    return {
        "/v1/safety": {
            "get": {
                "operationId": "safety",
                "summary": "One address or domain",
                "parameters": [
                    asked("address", "A mail address. Its local-part is used to look for keys only."),
                    asked("domain", "A domain, where there is no address."),
                    deadline,
                ],
                "responses": _responses("Answer"),
            },
            "post": {
                "operationId": "safetyOfMany",
                "summary": "Many addresses and domains",
                "requestBody": {"required": True, "content": {"application/json": {"schema": many}}},
                "responses": _responses("Answers"),
            },
        },
        "/v1/openapi.json": {
            "get": {
                "operationId": "description",
                "summary": "This document",
                "security": [],
                "responses": {"200": {"description": "OpenAPI 3.1"}},
            }
        },
    }


def document() -> dict[str, Any]:
    """The whole OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "danelaw safety API",
            "version": "1",
            "description": "How safe is this address? Looks things up; sends no mail.",
        },
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        },
    }


def document_text() -> str:
    """The document as it is served and stands in docs/."""
    return _rendered()


@lru_cache(maxsize=1)
def _rendered() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
