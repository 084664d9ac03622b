"""Posting reports over real TLS sockets (RFC 8460 §3, §5.4, §7): whom they reach, and what counts as taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from danelaw.address import Domain
from danelaw.lab import Lab, Sender
from danelaw.lab.collector import Collector
from danelaw.lab.scenario import Certificate, Issuer
from danelaw.net.post import Posted, PostError, post
from danelaw.pkix import Roots
from danelaw.resolver import Resolver

HOST = "collector.taker.lab"


def posted(
    answer: Callable[[object], str | None] = lambda post: "201 Created",
    *,
    certificate: Certificate = Certificate(),  # noqa: B008 (frozen)
    route: bool = True,
    host: str = HOST,
    timeout: float = 10.0,
) -> tuple[Posted, Collector]:
    """Post something to a collector of the lab."""

    async def scene() -> tuple[Posted, Collector]:
        taker = Sender(domain="taker.lab", records=("inside A 192.168.1.1",))
        async with Lab((), senders=(taker,), collectors={HOST: certificate}) as lab:
            collector = lab.collectors[HOST]
            collector.answer = answer
            async with contextlib.aclosing(Closing(Resolver(lab.resolver))) as closing:
                found = await post(
                    f"https://{host}/in?a=b", Domain(host), 443, b"\x1f\x8bbody", "application/tlsrpt+gzip",
                    resolver=closing.resolver, roots=Roots.from_pem(lab.roots_pem), timeout=timeout,
                    routes=lab.routes if route else {},
                )  # fmt: skip
            return found, collector

    return asyncio.run(scene())


class Closing:
    """A resolver that is closed at the end."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver

    async def aclose(self) -> None:
        await self.resolver.close()


def test_a_document_arrives_as_it_is() -> None:
    found, collector = posted()
    (post,) = collector.posts
    assert (post.path, post.host, post.media_type) == ("/in?a=b", HOST, "application/tlsrpt+gzip")
    assert post.body == b"\x1f\x8bbody"
    assert "cookie" not in post.head.lower()
    assert found == Posted(201)


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "204 No Content"])
def test_the_whole_class_of_success_means_taken(status: str) -> None:
    assert posted(lambda post: status)[0].status == int(status[:3])


@pytest.mark.parametrize("status", ["301 Moved", "307 Go", "400 Bad", "404 Gone", "503 Busy"])
def test_anything_else_means_later(status: str) -> None:
    with pytest.raises(PostError, match=status[:3]):
        posted(lambda post: status)


def test_who_hangs_up_or_falls_silent_has_not_taken_it() -> None:
    with pytest.raises(PostError, match="broke the HTTP exchange"):
        posted(lambda post: None)
    with pytest.raises(PostError, match="did not answer within"):
        posted(timeout=0.0)


@pytest.mark.parametrize(
    "certificate",
    [Certificate(issuer=Issuer.SELF), Certificate(expired=True), Certificate(names=("elsewhere.lab",))],
    ids=["self-signed", "expired", "other name"],
)
def test_a_certificate_that_is_not_valid_stops_nothing_and_is_told(certificate: Certificate) -> None:
    found, collector = posted(certificate=certificate)
    assert found.status == 201
    assert found.doubt.startswith("its certificate is not valid")
    assert len(collector.posts) == 1


def test_records_of_strangers_lead_to_no_address_within() -> None:
    with pytest.raises(PostError, match="no address in the public network"):
        posted(route=False)
    with pytest.raises(PostError, match="no address in the public network"):
        posted(host="inside.taker.lab")
    with pytest.raises(PostError, match="has no address"):
        posted(host="nobody.taker.lab")
