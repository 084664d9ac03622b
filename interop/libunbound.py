"""libunbound by ctypes: a validating resolver in this process, with a clock of its own and no memory between cases."""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from types import TracebackType
from typing import Self

import dns.rcode

from danelaw.dnsdata import Question


class _Result(ctypes.Structure):
    """`struct ub_result` of unbound.h."""

    _fields_ = [
        ("qname", ctypes.c_char_p),
        ("qtype", ctypes.c_int),
        ("qclass", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_char_p)),
        ("len", ctypes.POINTER(ctypes.c_int)),
        ("canonname", ctypes.c_char_p),
        ("rcode", ctypes.c_int),
        ("answer_packet", ctypes.c_void_p),
        ("answer_len", ctypes.c_int),
        ("havedata", ctypes.c_int),
        ("nxdomain", ctypes.c_int),
        ("secure", ctypes.c_int),
        ("bogus", ctypes.c_int),
        ("why_bogus", ctypes.c_char_p),
        ("was_ratelimited", ctypes.c_int),
        ("ttl", ctypes.c_int),
    ]


def available() -> bool:
    """Whether the library is on this machine."""
    return ctypes.util.find_library("unbound") is not None


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(ctypes.util.find_library("unbound"))
    library.ub_ctx_create.restype = ctypes.c_void_p
    for name in ("ub_ctx_set_option", "ub_ctx_set_fwd", "ub_ctx_add_ta", "ub_ctx_zone_remove"):
        getattr(library, name).argtypes = [ctypes.c_void_p, *[ctypes.c_char_p] * (2 if name.endswith("option") else 1)]
    library.ub_resolve.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(_Result)),
    ]  # fmt: skip
    library.ub_resolve_free.argtypes = [ctypes.POINTER(_Result)]
    library.ub_ctx_delete.argtypes = [ctypes.c_void_p]
    library.ub_ctx_debuglevel.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return library


class Unbound:
    """One context that forwards to a port on loopback and validates from `anchor`, at `now` in POSIX seconds.

    Nothing it learnt outlives it, so a case with damaged keys wants a context of its own.
    """

    _lib: ctypes.CDLL | None = None

    def __init__(self, port: int, anchor: str, *, now: float | None = None) -> None:
        if Unbound._lib is None:
            Unbound._lib = _library()
        self._context = self._lib_().ub_ctx_create()
        options = {
            "module-config:": "validator iterator",
            "do-not-query-localhost:": "no",
            "aggressive-nsec:": "no",
            "do-ip6:": "no",
            "val-clean-additional:": "no",
            "outbound-msg-retry:": "2",
            "msg-cache-size:": "1m",
            "rrset-cache-size:": "1m",
            "key-cache-size:": "1m",
            "neg-cache-size:": "100k",
            "infra-cache-numhosts:": "10",
            "outgoing-range:": "32",
            "num-queries-per-thread:": "16",
        }
        if now is not None:
            options["val-override-date:"] = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
        for key, value in options.items():
            self._ok(self._lib_().ub_ctx_set_option(self._context, key.encode(), value.encode()), key)
        self._ok(self._lib_().ub_ctx_set_fwd(self._context, f"127.0.0.1@{port}".encode()), "forward")
        self._ok(self._lib_().ub_ctx_add_ta(self._context, anchor.strip().encode()), "anchor")
        self._ok(self._lib_().ub_ctx_zone_remove(self._context, b"test."), "test.")

    def verdict(self, question: Question) -> str:
        """`secure`, `insecure`, `bogus`, or `failure` where it got no usable answer for another reason."""
        result = ctypes.POINTER(_Result)()
        name = question.name.to_text().encode()
        status = self._lib_().ub_resolve(self._context, name, int(question.rdtype), 1, ctypes.byref(result))
        if status != 0:
            return "failure"
        try:
            found = result.contents
            if found.bogus:
                return "bogus"
            if found.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return "failure"
            return "secure" if found.secure else "insecure"
        finally:
            self._lib_().ub_resolve_free(result)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lib_().ub_ctx_delete(self._context)

    @classmethod
    def _lib_(cls) -> ctypes.CDLL:
        assert cls._lib is not None
        return cls._lib

    @staticmethod
    def _ok(status: int, what: str) -> None:
        if status:
            raise RuntimeError(f"libunbound refuses {what}: {status}")
