"""The words of the probe: every finding with its fix, in one place."""

from __future__ import annotations

import time

from danelaw.resolver.probe import Finding, Severity

_OTHER = 'run a resolver that passes DNSSEC through (apt install unbound) and name it: servers = ["127.0.0.1:53"]'


def silent(server: str, why: str) -> Finding:
    """Neither UDP nor TCP brings an answer."""
    fix = "check that the resolver runs and that no firewall stands between, or name another in servers"
    return Finding(Severity.ERROR, "silent", server, f"{server} does not answer: {why}", fix)


def refuses(server: str, problem: str) -> Finding:
    """It answers with an error even for the probe zone."""
    fix = "allow this machine in the resolver's access list, and let it resolve for others (recursion)"
    return Finding(Severity.ERROR, "refuses", server, f"{server} does not resolve: {problem}", fix)


def no_tcp(server: str, why: str) -> Finding:
    """Large answers cannot be fetched."""
    what = f"{server} does not answer over TCP ({why}), so what is too large for UDP cannot be fetched"
    return Finding(Severity.WARNING, "no-tcp", server, what, "open TCP port 53 between this machine and the resolver")


def no_udp(server: str, why: str) -> Finding:
    """Everything goes by TCP."""
    what = f"{server} answers over TCP only ({why}); danelaw uses TCP, which is slower"
    return Finding(Severity.WARNING, "no-udp", server, what, "open UDP port 53 between this machine and the resolver")


def edns_stripped(server: str, also_tcp: bool) -> Finding:
    """Something on the way, or the server, removes EDNS."""
    if also_tcp:
        what = f"{server} does not speak EDNS, so no signature ever arrives and all mail would wait"
        return Finding(Severity.ERROR, "no-edns", server, what, _OTHER)
    what = f"a device between here and {server} strips EDNS from UDP; danelaw uses TCP instead, which is slower"
    fix = 'switch off DNS inspection ("DNS fixup", ALG) in that firewall, or run a resolver on this machine'
    return Finding(Severity.WARNING, "edns-stripped", server, what, fix)


def rrsig_stripped(server: str, zone: str) -> Finding:
    """Signed data without signatures."""
    what = f"{server} strips the signatures of {zone}: nothing can be proved, and all mail would wait"
    return Finding(Severity.ERROR, "rrsig-stripped", server, what, _OTHER)


def denial_stripped(server: str, name: str) -> Finding:
    """NXDOMAIN without its proof."""
    what = f"{server} leaves out the proof that {name} does not exist: absence cannot be believed, and mail waits"
    return Finding(Severity.ERROR, "denial-stripped", server, what, _OTHER)


def nxdomain_rewritten(server: str, name: str) -> Finding:
    """A name that cannot exist was answered with data."""
    what = f"{server} invents answers for names that do not exist ({name})"
    fix = 'ask its operator to switch off NXDOMAIN redirection ("search assistance"), or use another resolver'
    return Finding(Severity.ERROR, "nxdomain-rewritten", server, what, fix)


def nxdomain_lost(server: str, why: str, by_tcp: bool) -> Finding:
    """TLSA questions get no answer."""
    if by_tcp:
        what = f"{server} drops TLSA questions over UDP ({why}); danelaw asks them by TCP, which is slower"
        return Finding(Severity.WARNING, "tlsa-dropped", server, what, "let the firewall pass every DNS record type")
    what = f"{server} does not answer TLSA questions ({why}), so mail to signed destinations waits"
    return Finding(Severity.ERROR, "tlsa-dropped", server, what, _OTHER)


def do_cleared(server: str) -> Finding:
    """DO is not copied (RFC 3225 §3)."""
    what = f"{server} clears the DO bit in its answers, though it sends signatures"
    return Finding(Severity.NOTE, "do-cleared", server, what, "nothing to do now; a newer resolver keeps the bit")


def cd_cleared(server: str) -> Finding:
    """CD is not copied (RFC 4035 §3.2.2)."""
    what = f"{server} ignores the CD bit: instead of bad data it may answer SERVFAIL, and the reason is lost"
    return Finding(Severity.NOTE, "cd-cleared", server, what, "nothing to do now; verdicts stay right")


def no_ad(server: str, zone: str) -> Finding:
    """Mode trust-ad with an upstream that does not validate."""
    what = f"{server} does not validate: it does not vouch for {zone}, which is signed: all mail waits"
    fix = 'switch validation on in that resolver (unbound: module-config: "validator iterator"), or mode = "validate"'
    return Finding(Severity.ERROR, "no-ad", server, what, fix)


def clock_ahead(server: str, zone: str, expiration: float) -> Finding:
    """Signatures ended in the past."""
    what = f"by this machine's clock the signatures of {zone} that {server} has ended {_utc(expiration)}"
    fix = "compare the clock (timedatectl), start synchronisation; if it is right, that resolver serves old data"
    return Finding(Severity.ERROR, "clock-ahead", server, what, fix)


def clock_behind(server: str, zone: str, inception: float) -> Finding:
    """Signatures begin in the future."""
    what = f"by this machine's clock the signatures of {zone} that {server} has begin {_utc(inception)}"
    return Finding(Severity.ERROR, "clock-behind", server, what, "set the clock (timedatectl), start synchronisation")


def not_proved(server: str, zone: str, status: str, reason: str) -> Finding:
    """The chain from the anchor does not hold although everything seems to arrive."""
    what = f"what {server} says about {zone} does not verify: {status}, {reason}"
    fix = "compare the trust anchor with its publisher's (root: iana.org/dnssec); if equal, answers are tampered with"
    return Finding(Severity.ERROR, "not-proved", server, what, fix)


def nothing_usable(count: int) -> Finding:
    """No upstream is fit: said first and loudest."""
    servers = "the only name server" if count == 1 else f"none of {count} name servers"
    verb = "cannot" if count == 1 else "can"
    what = f"{servers} {verb} carry DNSSEC: all mail waits in the queue, nothing is sent unprotected"
    fix = "mend what is said about each server, then: danelaw doctor"
    return Finding(Severity.ERROR, "no-usable-resolver", None, what, fix)


def _utc(posix: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(posix))
