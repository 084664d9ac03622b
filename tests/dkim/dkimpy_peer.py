"""dkimpy behind a pipe: one JSON object a line in, one out. Run by an interpreter that has dkimpy, not by ours."""

import base64
import json
import sys

import dkim


def verified(message, index, txt):
    """Whether one signature verifies."""
    try:
        return bool(dkim.DKIM(message).verify(index, dnsfunc=txt))
    except dkim.DKIMException:
        return False


def answer(task):
    """Do one task: verify, arc-verify, sign or arc-sign."""
    message = base64.b64decode(task["message"])
    names = {name.encode(): text.encode() for name, text in task.get("dns", {}).items()}

    def txt(name, timeout=5):
        name = name.encode() if isinstance(name, str) else name
        return names.get(name.rstrip(b"."), b"")

    if task["do"] == "verify":
        return [verified(message, index, txt) for index in range(task["count"])]
    if task["do"] == "arc-verify":
        return dkim.arc_verify(message, dnsfunc=txt)[0].decode("ascii")
    if task["do"] == "sign":
        canonicalize = tuple(way.encode() for way in task["ways"])
        field = dkim.sign(
            message,
            task["selector"].encode(),
            b"example.org",
            task["key"].encode(),
            canonicalize=canonicalize,
            signature_algorithm=task["algorithm"].encode(),
        )
        return base64.b64encode(field).decode()
    fields = dkim.arc_sign(message, task["selector"].encode(), b"example.org", task["key"].encode(), b"mx.example.org")
    return base64.b64encode(b"".join(fields)).decode()


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
