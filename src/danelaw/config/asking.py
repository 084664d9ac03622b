"""Who is asked about a message, and in which order, by this configuration: what `config effective` prints.

A test holds this against the steps that a gateway really makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.config.model import Config


@dataclass(frozen=True, slots=True)
class Asked:
    """One that is asked. `step` is its name in findings and the log, empty for what is no step of its own; `about`
    whose mail, `what` what it decides, `why` the entry it comes from. `is_over` is a rule whose time has ended.
    """

    step: str
    about: str
    what: str
    why: str
    is_over: bool = False


_EVERYBODY, _STRANGERS, _USERS = "everybody", "strangers", "users"


def arriving(config: Config, now: float) -> tuple[Asked, ...]:
    """Those asked before a message is ours, in order; the first no ends the asking, a hold does not. `now` in POSIX
    seconds.
    """
    return (
        *_client(config),
        *_content(config),
        *_envelope(config),
        *_policy(config, now),
        *_signatures(config),
        _HOLD_RULES,
    )


def leaving(config: Config) -> tuple[Asked, ...]:
    """Those asked when it leaves, in order."""
    has_policy = config.policy.directory is not None or bool(config.policy.http_hook)
    before = [("policy", "hooks pre_delivery: the way, or no delivery", "[policy]")] if has_policy else []
    after = [("policy", "hooks post_delivery: what follows from a try", "[policy]")] if has_policy else []
    way = _entries((config.route, "[[route]]"), (config.delivery.next_hop, "[delivery] next_hop"))
    sts = "DANE, then MTA-STS" if config.mta_sts.enabled else "DANE"
    sending = any(group.send != "none" for group in config.trust_group)
    overrides = _entries((config.override, "[[override]]"), (True, "`danelaw override`"))
    found = [
        *before,
        ("", "the next hop: where it goes", f"rules, hooks, {way}" if way else "rules, hooks, MX of the domain"),
        ("", "limits and suspensions: when it goes", _entries((config.limit, "[[limit]]"), (True, "`danelaw queue`"))),
        ("", f"the destination's own policy: {sts}", "DNS"),
        ("", "overrides: replace the destination's policy", overrides),
        ("", "demands of rules, hooks and senders (REQUIRETLS): only ever more", "the message"),
        *([("", "demands of trust groups: only ever more, never waived", "[[trust_group]] send")] if sending else []),
        *after,
    ]
    return tuple(Asked(step, _EVERYBODY, what, why) for step, what, why in found)


def _client(config: Config) -> Iterator[Asked]:
    if any(listen.auth != "off" for listen in config.listen):
        yield Asked("submission", _USERS, "own senders, messages and recipients per hour", "[submission]")
    if config.tarpit.greeting_delay or config.tarpit.refusal_delay:
        yield Asked("tarpit", _STRANGERS, "who cannot wait", "[tarpit]")
    if config.client_names.enabled:
        yield Asked("client-name", _STRANGERS, "host names of clients", "[client_names]")
    if config.dns_list:
        yield Asked("dns-list", _STRANGERS, "DNS lists", "[[dns_list]]")
    if _has_maps(config):
        yield Asked("recipient", _EVERYBODY, "recipients there are not", "[[domain]] recipients, verify")
    if config.greylisting.enabled:
        yield Asked("greylist", _STRANGERS, "whom nobody knows yet", "[greylisting]")
    if config.look_alikes.enabled:
        yield Asked("look-alike", _STRANGERS, "domains that look like others", "[look_alikes]")
    if config.correspondents.enabled:
        yield Asked("correspondent", _EVERYBODY, "who writes to whom", "[correspondents]")


def _content(config: Config) -> Iterator[Asked]:
    if config.authentication.enabled:
        yield Asked("origin", _STRANGERS, f"SPF, DKIM, DMARC, ARC: enforcement {config.authentication.enforcement}",
                    "[authentication]")  # fmt: skip
        if config.trust_group:
            yield Asked("trust", _STRANGERS, "members show what their group demands", "[[trust_group]] receive")
    if config.reports.dmarc_address is not None:
        yield Asked("reports", _STRANGERS, "DMARC reports, which go no further", "[reports] dmarc_address")
    if config.reports.feedback:
        yield Asked("feedback", _STRANGERS, "complaints and bounces, which go no further", "[reports] feedback")
    if config.filter:
        names = ", ".join(one.name for one in config.filter)
        yield Asked("filtering", "as each filter says", f"filters: {names}", "[[filter]]")


def _envelope(config: Config) -> Iterator[Asked]:
    if _has_maps(config):
        yield Asked("alias", _EVERYBODY, "aliases: other recipients", "[aliases], [[domain]] recipients")
    if config.srs.domain is not None:
        yield Asked("srs", _EVERYBODY, "the return path of forwarded mail", "[srs]")


def _policy(config: Config, now: float) -> Iterator[Asked]:
    for rule in sorted((table.rule() for table in config.rule if table.enabled), key=lambda one: one.order):
        stops = ", then no more" if rule.stop else ""
        yield Asked(
            "policy",
            _EVERYBODY,
            f"rule {rule.name}: {rule.act.value}{stops}",
            f"[[rule]] order {rule.order}" + (f", owner {rule.owner}" if rule.owner else ""),
            rule.expires is not None and rule.expires <= now,
        )
    for hook in config.policy.http_hook:
        yield Asked("policy", _EVERYBODY, f"server {hook.name} at {', '.join(hook.at)}", "[[policy.http_hook]]")
    if config.policy.directory is not None:
        yield Asked("policy", _EVERYBODY, f"scripts in {config.policy.directory}, by order", "[policy] directory")


def _signatures(config: Config) -> Iterator[Asked]:
    if config.trust_group:
        what = "TLS and a signature of the author's domain, where it is a member"
        yield Asked("trust-submission", _USERS, what, "[[trust_group]] submission")
    if config.dkim_key:
        domains = ", ".join(dict.fromkeys(str(key.domain) for key in config.dkim_key))
        yield Asked("dkim", "users and [relay] networks", f"signs mail of {domains}", "[[dkim_key]]")


_HOLD_RULES = Asked("rule", _EVERYBODY, "hold rules of operators", "`danelaw quarantine rule`")


def _has_maps(config: Config) -> bool:
    return bool(config.aliases.files) or any(
        item.recipients is not None or item.verify != "none" for item in config.domain
    )


def _entries(*found: tuple[object, str]) -> str:
    return ", ".join(name for there, name in found if there)
