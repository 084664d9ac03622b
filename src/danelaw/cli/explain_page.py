"""The page `danelaw explain` prints: outcome first, then the story in time, then what to do."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from danelaw.cli.output import Output, Symbol, absolute, duration, moment, size

_HEADS = {
    "delivered": (Symbol.VERIFIED, "DELIVERED to"),
    "waiting": (Symbol.STOPPED, "WAITING for"),
    "held": (Symbol.STOPPED, "HELD for"),
    "returned": (Symbol.STOPPED, "RETURNED, not delivered to"),
    "dropped": (Symbol.NONE, "DROPPED by an operator, for"),
}
_WEAK = {"encrypted only": Symbol.ENCRYPTED, "host-only DANE": Symbol.ENCRYPTED, "clear text": Symbol.CLEAR}
_ORDER = ("held", "waiting", "returned", "dropped", "delivered")
_MOST_TRIES = 12
_MOST_NOTED = 20
_LONGEST_NOTE = 400
_LABEL = 12
_UNKNOWN_MEMBER = re.compile(r'whether (\S+) is a member of trust group "([^"]+)" cannot be known')
_OF_POLICY = frozenset({"policy", "notes", "tags", "trace"})


def show(out: Output, found: dict[str, Any]) -> None:
    """Print the explanation for a person."""
    message, now = found["message"], found["now"]
    if len(found["candidates"]) > 1:
        _candidates(out, found)
    about = min(message["recipients"], key=lambda item: _ORDER.index(item["state"]))
    _headline(out, message, about, now)
    out.line()
    _envelope(out, message, about)
    _received(out, message)
    _found(out, message)
    _demand(out, message, about)
    _tries(out, message)
    if about["state"] == "held" and message["held"] is not None:
        _custody(out, message, now)
    elif about["state"] in ("waiting", "held"):
        _outlook(out, found, about)
    else:
        out.next(f"danelaw explain {message['id']} --dns   for what proves it")


def _candidates(out: Output, found: dict[str, Any]) -> None:
    count, taken = len(found["candidates"]), found["taken_as"]
    out.line(f"{count} messages fit {found['asked']} (taken as {taken}); explained: {found['message']['id']}")
    for item in found["candidates"][-6:]:
        to = ", ".join(item["to"]) + (" …" if item["recipient_count"] > len(item["to"]) else "")
        states = "/".join(item["states"])
        out.line(
            f"  {item['id']}  {absolute(item['received_at'], found['now'])}  {states}  {item['from'] or '<>'} to {to}"
        )
    out.line()


def _headline(out: Output, message: dict[str, Any], about: dict[str, Any], now: float) -> None:
    symbol, words = _HEADS[about["state"]]
    last = _last_try(message, about)
    text = f"{words} {about['to']}"
    if about["state"] == "delivered" and last is not None:
        symbol = _WEAK.get(last["protection"], symbol)
        at = _clock(about["changed_at"] or last["time"])
        if last["protection"] == "handed over":
            symbol, text = Symbol.NONE, f"{text} at {at}, handed over to {last['host']}."
        else:
            text += f" at {at}, protected by: {last['protection']}."
    elif about.get("limit"):
        text += f": {about['limit']}; returned to the sender {absolute(message['expires_at'], now)} if not delivered."
    elif about["state"] == "waiting":
        due = _next_try(message, about)
        text += f": next try {moment(due, now) if due else 'soon'}, returned to the sender " \
                f"{absolute(message['expires_at'], now)} if not."  # fmt: skip
    elif about["state"] == "held":
        text += " until somebody decides."
    else:
        text += "."
    out.headline(symbol, text)
    reason = about["reason"] or (last["reason"] if last else "") or _asleep(message)
    if reason:
        nothing = last is not None and about["state"] == "waiting" and last["protection"] == "nothing sent"
        out.paragraph(_sentence(reason) + (" Nothing was sent to it." if nothing else ""))


def _envelope(out: Output, message: dict[str, Any], about: dict[str, Any]) -> None:
    count = message["recipient_count"]
    out.line(f"  from {message['from'] or '<> (a notice)'}   {size(message['size'])}   "
             f"{'1 recipient' if count == 1 else f'{count} recipients'}   id {message['id']}")  # fmt: skip
    for other in message["recipients"]:
        if other is not about and count <= 10:
            out.line(f"  also {other['to']}: {other['state']}" + (f", {other['reason']}" if other["reason"] else ""))


def _received(out: Output, message: dict[str, Any]) -> None:
    client = message["client"]
    if not client["address"]:
        _row(out, message["received_at"], "made", "by this gateway, to tell a sender what became of a message")
        return
    by = f"{client['address']} {client['helo']}, {client['tls'] or 'clear text'}"
    if client["user"]:
        by += f", logged in as {client['user']}"
    _row(out, message["received_at"], "received", f"{by}; on disk, then 250")


def _found(out: Output, message: dict[str, Any]) -> None:
    """What steps of arrival found out about it."""
    when = message["received_at"]
    for item in message["findings"]:
        _row(out, when, item["step"], item["result"] + (f": {item['reason']}" if item["reason"] else ""))
        when = None
    context = message["context"]
    noted = context.items() if isinstance(context, dict) else [("", context)] if context is not None else []
    for name, value in list(noted)[:_MOST_NOTED]:
        if name in _OF_POLICY and isinstance(context, dict):
            _policy(out, when, name, value)
            when = None
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        _row(out, when, "script", f"noted {name}: {text[:_LONGEST_NOTE]}" if name else f"noted {text[:_LONGEST_NOTE]}")
        when = None


def _policy(out: Output, when: float | None, name: str, value: Any) -> None:
    """What the policy keeps with a message: which version judged it, notes and tags of scripts."""
    match name, value:
        case "policy", _:
            _row(out, when, "policy", f"judged by version {value}")
        case "notes", dict():
            for note, found in list(value.items())[:_MOST_NOTED]:
                text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
                _row(out, when, "script", f"noted {note}: {text[:_LONGEST_NOTE]}")
                when = None
        case "tags", list():
            _row(out, when, "script", f"tagged {', '.join(map(str, value))}")
        case "trace", list():
            from danelaw.cli.policy_trace import show_lines

            _row(out, when, "trace", f"{len(value)} call{'s' * (len(value) != 1)} of hooks were traced:")
            show_lines(out, value)
        case _:
            _row(out, when, "script", f"{name}: {json.dumps(value, ensure_ascii=False)[:_LONGEST_NOTE]}")


def _custody(out: Output, message: dict[str, Any], now: float) -> None:
    held = message["held"]
    for hold in held["holds"]:
        _said(out, "Held by", f"{hold['step']}: {hold['reason']}")
    until = "until somebody releases it" if held["until"] is None else f"until {absolute(held['until'], now)}"
    _said(out, "", f"since {moment(held['since'], now)}, {until}; nobody is told, and its lifetime stands still")
    out.next(f"danelaw quarantine show {message['id']}   or  danelaw quarantine release id:{message['id']} --because …")


def _demand(out: Output, message: dict[str, Any], about: dict[str, Any]) -> None:
    last = _last_try(message, about)
    asked = {
        "encrypted": "TLS is demanded for this message, whoever answers",
        "verified": "verified TLS is demanded for this message",
        "dane": "DANE is demanded for this message",
        "requiretls": "the sender demands REQUIRETLS",
        "requiretls+dane": "the sender demands REQUIRETLS, and DANE is demanded for this message",
        "tls-required-no": "the sender waives TLS (TLS-Required: No)",
    }
    if about["demand"] in asked:
        _row(out, message["received_at"], "sender", asked[about["demand"]])
    if last is not None:
        _row(out, last["time"], "demand", last["requirement"] or "not known: DNS could not say")
        if last["facts"]:
            _row(out, None, "", last["facts"])


def _tries(out: Output, message: dict[str, Any]) -> None:
    tries = message["attempts"]
    if len(tries) > _MOST_TRIES:
        _row(out, tries[0]["time"], "tries", f"{len(tries)} in all; the last {_MOST_TRIES} follow")
        tries = tries[-_MOST_TRIES:]
    for number, item in enumerate(tries, 1):
        where = " ".join(filter(None, (item["host"], item["address"]))) or item["destination"]
        tls = item["tls_version"] or ("" if item["protection"] == "nothing sent" else "no TLS")
        words = item["reason"]
        if item["outcome"] == "delivered":
            words = f"{item['protection']}: {words}; {item['reply']}"
        elif item["reply"] and item["reply"] not in words:
            words += f"; it said: {item['reply']}"
        label = f"try {number}" if item["host"] or item["port"] else "policy"
        _row(out, item["time"], label, "   ".join(filter(None, (where, tls, words))))
        for record in item["records"]:
            if item["outcome"] != "delivered" or record["matched"]:
                _row(out, None, "", f"TLSA {record['record']}: {record['reason']}")


def _outlook(out: Output, found: dict[str, Any], about: dict[str, Any]) -> None:
    message, alone, now = found["message"], found["alone"], found["now"]
    if alone is not None and alone["messages"] > 1:
        domains = "1 domain" if len(alone["domains"]) == 1 else f"{len(alone['domains'])} domains"
        text = f"no: {alone['messages']} messages to {domains} wait for the same servers"
        text += f" since {_clock(alone['since'])}" if alone["since"] else ""
        _said(out, "Alone?", text)
    elif alone is not None:
        _said(out, "Alone?", "yes: nothing else waits for these servers")
    if alone is not None and alone["last_success"]:
        ago = duration(now - alone["last_success"])
        _said(out, "", f"the last success there was {ago} ago, after {alone['successes']} in a row")
    told = (
        "the sender was told that it waits"
        if message["sender_told_of_delay"]
        else "not yet; a notice goes out when it waits for long"
    )
    _said(out, "Told?", told)
    host = about["host"]
    last = _last_try(message, about)
    if last is not None and not last["host"]:
        _said(
            out, "Wait", "usual when the domain's DNS is broken; when every domain fails, it is this machine's resolver"
        )
        unknown = _UNKNOWN_MEMBER.match(last["reason"])
        if unknown is not None:
            out.next(f"danelaw trust check {unknown[2]} {unknown[1]}   or  danelaw doctor")
            return
        out.next(f"danelaw dns {host.strip('[]').partition(']')[0]} MX   or  danelaw doctor")
        return
    if host.startswith("["):
        out.next(f"danelaw queue retry id:{message['id']}")
        return
    _said(out, "Wait", "usual: operators repair this within hours")
    give_in = f"danelaw override add {host} encrypt --for 4h --because TICKET   unverified: can be read on the way"
    if last is not None and "trust group " in last["requirement"]:  # which no override weakens
        give_in = f'exempt = ["{host}"] in its [[trust_group]], then reload   unverified: can be read on the way'
    _said(out, "Give in", give_in)
    out.next(f"danelaw check {host}")


def show_proofs(out: Output, found: dict[str, Any], anchors: Any) -> None:
    """Print the recorded evidence, and derive the DNSSEC verdicts again from it as of the time of the try."""
    from danelaw.dnssec import recheck
    from danelaw.dnssec.recheck import question_of

    proofs = found.get("proofs", [])
    wires = [bytes.fromhex(item["wire"]) for item in proofs if item["kind"] == "dns"]
    out.line()
    out.line(f"  {len(wires)} recorded DNS answers, {len(proofs) - len(wires)} certificates or forgotten pieces:")
    for item in proofs:
        if item["kind"] == "certificate":
            out.line(f"  certificate {item['text']}")
    for wire in wires:
        question = question_of(wire)
        if question is None:
            continue
        answer = recheck(wires, question, anchors, proofs[0]["at"])
        out.line(f"  {question}: {answer.status.value}" + (f" ({answer.reason})" if answer.reason else ""))
        for record in answer.records:
            out.line(f"      {record}")


def _last_try(message: dict[str, Any], about: dict[str, Any]) -> dict[str, Any] | None:
    concerned = [
        item for item in message["attempts"] if about["number"] in item["recipients"] or not item["recipients"]
    ]
    return concerned[-1] if concerned else None


def _next_try(message: dict[str, Any], about: dict[str, Any]) -> float | None:
    asleep = max((queue["asleep_until"] or 0.0 for queue in message["queues"]), default=0.0)
    return max(asleep, about["next_try"] or 0.0) or None


def _asleep(message: dict[str, Any]) -> str:
    return next((queue["reason"] for queue in message["queues"] if queue["reason"]), "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _row(out: Output, when: float | None, label: str, text: str) -> None:
    lead = f"  {_clock(when) if when is not None else '':8}  {label:<9}" + (" " if len(label) >= 9 else "")
    _folded(out, lead, text)


def _said(out: Output, label: str, text: str) -> None:
    _folded(out, f"  {label:<8}  ", text)


def _folded(out: Output, lead: str, text: str) -> None:
    import textwrap

    lines = textwrap.wrap(text, max(out.width - len(lead), 30), break_on_hyphens=False) or [""]
    out.line(lead + lines[0])
    for rest in lines[1:]:
        out.line(" " * len(lead) + rest)
