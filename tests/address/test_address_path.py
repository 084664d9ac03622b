"""Reverse-paths and forward-paths: RFC 5321 §4.1.2, §4.5.1, appendix C."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain, ForwardPath, MailboxError, PathError, ReversePath

HERE = Domain.from_text("mx.example.org")


def test_the_null_path_has_no_mailbox() -> None:
    path = ReversePath.from_text("<>")
    assert path.mailbox is None
    assert path.is_null
    assert path.is_ascii
    assert path.to_text() == str(path) == "<>"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<a@b.example>", "<a@b.example>"),
        ("<@x.example:a@b.example>", "<a@b.example>"),
        ("<@x.example,@[192.0.2.1],@y:a@b.example>", "<a@b.example>"),
        ("<@bücher.example:a@b.example>", "<a@b.example>"),
        ('<"a b>c"@[IPv6:2001:db8::1]>', '<"a b>c"@[IPv6:2001:db8::1]>'),
    ],
)
def test_source_routes_are_dropped(text: str, written: str) -> None:
    assert ReversePath.from_text(text).to_text() == written
    forward = ForwardPath.from_text(text)
    assert forward.to_text() == str(forward) == written
    assert forward.is_ascii


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<",
        ">",
        "a@b",
        "<a@b",
        "a@b>",
        "<<a@b>>",
        "< a@b>",
        "<a@b >",
        "<@x a@b>",
        "<@x:>",
        "<@:a@b>",
        "<@x,y:a@b>",
        "<@x,:a@b>",
        "<@x.:a@b>",
        "<a@b>x",
        "<>x",
        "<\r\n>",
        "<" + "@x," * 400 + "@x:a@b>",
        "<postmaster>",
    ],
)
def test_no_path(text: str) -> None:
    with pytest.raises(PathError):
        ForwardPath.from_text(text)
    if text != "<>":
        with pytest.raises(MailboxError):
            ReversePath.from_text(text)


@pytest.mark.parametrize("text", ["<postmaster>", "<Postmaster>", "<POSTMASTER>"])
def test_postmaster_needs_no_domain(text: str) -> None:
    path = ForwardPath.from_text(text, postmaster_at=HERE)
    assert path.bare_postmaster
    assert path.mailbox.domain == HERE
    assert path.mailbox.localpart.content.lower() == "postmaster"


def test_only_postmaster_needs_no_domain() -> None:
    with pytest.raises(PathError):
        ForwardPath.from_text("<abuse>", postmaster_at=HERE)
    assert not ForwardPath.from_text("<postmaster@other.example>", postmaster_at=HERE).bare_postmaster


@given(st.text(st.sampled_from('<>@,:.ab"\\ []16IPv\r\n'), max_size=40))
def test_any_text_is_a_path_or_a_path_error(text: str) -> None:
    try:
        path = ForwardPath.from_text(text, postmaster_at=HERE)
    except PathError:
        return
    assert ForwardPath.from_text(path.to_text()).mailbox == path.mailbox
