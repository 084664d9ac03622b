"""The few pages behind a digest's links. They work without scripts, load nothing, and tell nobody where they are."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from http import HTTPStatus

from danelaw.quarantine.tokens import Action

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:10vh auto;padding:0 1rem;color:#1b1f24;"
    "background:#f6f7f8}main{background:#fff;border:1px solid #d5d9dd;border-radius:8px;padding:1.5rem 2rem}"
    "h1{font-size:1.25rem;margin:0 0 1rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}"
    "dt{color:#5b636b}dd{margin:0;overflow-wrap:anywhere}button{font:inherit;padding:.5rem 1.25rem;border-radius:6px;"
    "border:1px solid #1b4f8a;background:#1b4f8a;color:#fff;cursor:pointer}button.delete{background:#8a1b1b;"
    "border-color:#8a1b1b}p.note{color:#5b636b;font-size:.9rem}"
    "@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e9ec}main{background:#1d2125;"
    "border-color:#343a40}dt,p.note{color:#9aa3ab}}"
)
_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
SECURITY_HEADERS = (
    f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'\r\n"
    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\nX-Robots-Tag: noindex, nofollow\r\n"
)
_QUESTION = {
    Action.RELEASE: ("Deliver this message?", "Deliver it", ""),
    Action.DELETE: ("Delete this message?", "Delete it", "delete"),
    Action.ALLOW: ("Deliver this message, and what this sender sends from now on?", "Deliver and allow", ""),
}
_DONE = {
    Action.RELEASE: "The message is on its way to you.",
    Action.DELETE: "The message is deleted.",
    Action.ALLOW: "The message is on its way to you, and rules will not hold this sender's mail for you any more.",
}


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """What a page says about a message; every text may be a stranger's."""

    recipient: str
    author: str
    subject: str
    reason: str
    received: str


def question(token: str, action: Action, message: HeldMessage) -> bytes:
    """The page a link opens: what would be done, and the button that does it. Opening it does nothing."""
    heading, button, kind = _QUESTION[action]
    rows = (
        ("From", message.author), ("To", message.recipient), ("Subject", message.subject),
        ("Received", message.received), ("Held because", message.reason),
    )  # fmt: skip
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text) or '–'}</dd>" for name, text in rows)
    shape = f' class="{kind}"' if kind else ""
    return _page(
        heading,
        f'<dl>{listed}</dl><form method="post" action="./"><input type="hidden" name="token" value="{escape(token)}">'
        f'<p><button{shape} type="submit">{escape(button)}</button></p></form>'
        '<p class="note">The sender’s name and the subject are what the message says of itself; they may be wrong. '
        "If you did not expect this message, leave it: it goes away by itself.</p>",
    )


def done(action: Action) -> bytes:
    """It was done."""
    return _page(_DONE[action], '<p class="note">You can close this page.</p>')


def kept(reason: str) -> bytes:
    """A step that looked at the message again keeps it."""
    return _page("The message stays held.", f"<p>{escape(reason)}</p>")


def failed(reason: str, advice: str | None = None) -> bytes:
    """Nothing was done."""
    more = f'<p class="note">{escape(advice)}</p>' if advice else ""
    return _page("Nothing was done.", f"<p>{escape(reason)}.</p>{more}")


def response(status: HTTPStatus, page: bytes, *, without_body: bool = False, extra: str = "") -> bytes:
    """One whole response, after which the connection closes."""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(page)}\r\n{SECURITY_HEADERS}{extra}Connection: close\r\n\r\n"
    ).encode("ascii")
    return head if without_body else head + page


def _page(heading: str, content: str) -> bytes:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>Held mail</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(heading)}</h1>{content}</main></body></html>\n"
    ).encode()
