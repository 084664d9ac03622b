"""dkimpy and pyspf behind a pipe: first the DNS, then one JSON object a line in, one out. Run by an interpreter that
has them, not by ours.
"""

import base64
import json
import sys

import dkim
import spf

world = json.loads(sys.stdin.readline())
records = {tuple(key.split(" ")): values for key, values in world["records"].items()}
failing = set(world["failing"])


def lookup(name, rdtype, tcpfallback=True, timeout=30):
    """What pyspf asks of DNS."""
    name = name.rstrip(".").lower()
    if name in failing:
        raise spf.TempError("DNS SERVFAIL")
    found = records.get((name, rdtype), [])
    if rdtype == "TXT":
        return [((name, rdtype), (value.encode(),)) for value in found]
    if rdtype == "MX":
        return [((name, rdtype), (10, value)) for value in found]
    return [((name, rdtype), value) for value in found]


spf.DNSLookup = lookup


def key(name, timeout=5):
    """What dkimpy asks of DNS."""
    name = name.decode() if isinstance(name, bytes) else name
    return (records.get((name.rstrip("."), "TXT"), [""])[0]).encode()


def verified(message, index):
    """Whether one signature verifies."""
    try:
        return bool(dkim.DKIM(message).verify(index, dnsfunc=key))
    except dkim.DKIMException as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


for line in sys.stdin:
    task = json.loads(line)
    message = base64.b64decode(task["message"])
    query = spf.query(i=task["client"], s=task["mail_from"], h=task["helo"], strict=True, timeout=0)
    result, _, why = query.check()
    signatures = [verified(message, index) for index in range(task["signatures"])]
    print(json.dumps({"spf": result, "why": why, "dkim": signatures}), flush=True)
