"""What the search for forged Danelaw-Transport fields, and writing one, costs a message: `bench/transport_field.py`."""

from __future__ import annotations

import time

from danelaw.inbound.head import Head
from danelaw.outbound.transport_field import TransportFields
from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey
from danelaw.transportfield import FieldCutter, without_field

_FIELDS = b"".join(
    b"X-Field-%d: %s\r\n" % (number, b"some words that stand in a header field " * 2) for number in range(20)
)
_MESSAGE = b"Received: from a by b\r\nMessage-ID: <a@b>\r\n" + _FIELDS + b"\r\n" + b"text of a line\r\n" * 150
_ROUNDS = 20_000


def microseconds(work: object) -> float:
    """Of one call, the best of five runs."""
    assert callable(work)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(_ROUNDS):
            work()
        best = min(best, time.perf_counter() - began)
    return best / _ROUNDS * 1e6


def head_only() -> None:
    head = Head(_MESSAGE)
    _ = head.received_count, head.message_id, head.tls_required


def with_search() -> None:
    head = Head(_MESSAGE)
    without_field(_MESSAGE, head.lowered)
    _ = head.received_count, head.message_id, head.tls_required


def streamed() -> None:
    cutter = FieldCutter()
    cutter.feed(_MESSAGE)
    cutter.end()


def main() -> None:
    """Print the figures."""
    key = RoutingKey("example.org")
    one = QueuedRecipient(0, "anna@example.org", key, "", "", 0.0)
    message = QueuedMessage(1, 0.0, 1.0, "a@b.example", (one,), 4096, 1, client_address="192.0.2.1",
                            client_tls="TLSv1.3 TLS_AES_256_GCM_SHA384")  # fmt: skip
    fields = TransportFields("mx.example.org", lambda domain: True, lambda address: False)
    print(f"header of {len(_FIELDS)} octets looked at, as before    {microseconds(head_only):6.2f} µs")
    print(f"the same, and searched for forged fields          {microseconds(with_search):6.2f} µs")
    print(f"cutter over a streamed message, once per message  {microseconds(streamed):6.2f} µs")
    print(
        f"field written for a delivery to an own domain     {microseconds(lambda: fields.of(message, (one,))):6.2f} µs"
    )


if __name__ == "__main__":
    main()
