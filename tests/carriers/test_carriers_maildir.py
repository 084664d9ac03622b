"""Maildir: delivered means in `new` and flushed, once however often it is tried, and never outside its folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.carriers import Addressee, CarrierDown, Given, Maildir, Parcel, Result, Template, TemplateError, Unusable
from danelaw.carriers import maildir as module

MESSAGE = b"Subject: hi\r\n\r\nline\r\n.dot\r\n"


def parcel(*addresses: str, content: bytes | Path = MESSAGE, tried: bool = False) -> Parcel:
    addressees = tuple(Addressee(number, one) for number, one in enumerate(addresses or ("anna@example.org",)))
    return Parcel(
        id="1abc", reverse_path="bob@shop.example", addressees=addressees, size=len(MESSAGE), content=content,
        received_at=1_795_000_000.0, expires=1_795_400_000.0, tried=tried,
    )  # fmt: skip


def carry(carrier: Maildir, one: Parcel) -> dict[int, Given]:
    return dict(asyncio.run(carrier.carry(one)))


def boxes(tmp_path: Path, **more: int) -> Maildir:
    return Maildir("boxes", Template(f"{tmp_path}/{{domain}}/{{local}}"), "gw.test", **more)


def test_each_recipient_gets_a_file_with_line_feeds_and_a_return_path(tmp_path: Path) -> None:
    ends = carry(boxes(tmp_path), parcel("Anna@Example.org", "ben@example.org"))
    assert {end.result for end in ends.values()} == {Result.DELIVERED}
    [file] = (tmp_path / "example.org/anna/new").iterdir()
    text = b"Return-Path: <bob@shop.example>\nDelivered-To: Anna@Example.org\nSubject: hi\n\nline\n.dot\n"
    assert file.read_bytes() == text
    assert file.name == f"1795000000.1abc_0.gw.test,S={len(text)}"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "example.org/anna").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "example.org/anna/tmp").iterdir()) == []
    assert len(list((tmp_path / "example.org/ben/new").iterdir())) == 1


def test_a_message_in_a_file_is_read_in_pieces_and_line_ends_may_fall_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = tmp_path / "body"
    body.write_bytes(MESSAGE * 3)
    for size in range(1, 30):
        monkeypatch.setattr("danelaw.carriers.parcel._CHUNK", size)
        found = b"".join(parcel(content=body).lines_for(Addressee(0, "a@b.example")))
        assert found.partition(b"b.example\n")[2] == (MESSAGE * 3).replace(b"\r\n", b"\n")


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b""]), max_size=20))
def test_only_whole_line_ends_are_changed(pieces: list[bytes]) -> None:
    class Cut(Parcel):
        def chunks(self):  # type: ignore[no-untyped-def]
            return iter(pieces)

    one = parcel()
    cut = Cut(**{name: getattr(one, name) for name in Parcel.__slots__})
    found = b"".join(cut.lines_for(Addressee(0, "a@b.example")))
    assert found.partition(b"b.example\n")[2] == b"".join(pieces).replace(b"\r\n", b"\n")


def test_a_message_that_is_tried_again_is_there_once(tmp_path: Path) -> None:
    carrier = boxes(tmp_path)
    carry(carrier, parcel())
    carry(carrier, parcel())
    folder = tmp_path / "example.org/anna"
    [file] = (folder / "new").iterdir()
    file.rename(folder / "cur" / f"{file.name}:2,S")  # a reader took it
    end = carry(carrier, parcel(tried=True))[0]
    assert end == Given(Result.DELIVERED, "2.0.0", "", f"{folder} has it already")
    assert list((folder / "new").iterdir()) == []


def test_tries_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    """A delivery that is ended by us goes on in its thread."""
    large = b"".join(b"%06d line of a large message\r\n" % number for number in range(30_000))

    async def play() -> None:
        carrier = boxes(tmp_path)
        await asyncio.gather(*(carrier.carry(parcel(content=large)) for _ in range(6)))

    asyncio.run(play())
    [file] = (tmp_path / "example.org/anna/new").iterdir()
    assert file.read_bytes().endswith(large.replace(b"\r\n", b"\n"))
    assert f",S={file.stat().st_size}" in file.name
    assert list((tmp_path / "example.org/anna/tmp").iterdir()) == []


def test_a_full_folder_makes_mail_wait(tmp_path: Path) -> None:
    carrier = boxes(tmp_path, quota=len(MESSAGE) + 100)
    assert carry(carrier, parcel())[0].result is Result.DELIVERED
    folder = tmp_path / "example.org/anna"
    (folder / "cur" / "by-another-program").write_bytes(b"x" * 40)
    other = Parcel(**{name: getattr(parcel(), name) for name in Parcel.__slots__} | {"id": "1abd"})
    end = carry(carrier, other)[0]
    assert (end.result, end.status) == (Result.LATER, "4.2.2")
    assert "is full" in end.reason


@pytest.mark.parametrize(
    "address", ["../../etc@example.org", "..@example.org", '"a/b"@example.org', ".hidden@example.org",
                '"a b"@example.org', f"{'x' * 201}@example.org", "a\x00b@example.org", "a@../b"],
)  # fmt: skip
def test_no_address_leads_out_of_its_folder(tmp_path: Path, address: str) -> None:
    end = carry(boxes(tmp_path / "mail"), parcel(address))[0]
    assert (end.result, end.status) == (Result.REFUSED, "5.1.3")
    assert not (tmp_path / "mail").exists()


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_filled_path_stays_below_its_folder(local: str, domain: str) -> None:
    try:
        path = Template("/var/mail/{domain}/{local}").as_path(parcel(), Addressee(0, f"{local}@{domain}"))
    except Unusable:
        return
    assert os.path.normpath(path) == path
    assert path.startswith("/var/mail/")
    assert path.count("/") == 4


@pytest.mark.parametrize("text", ["/var/{user}", "/var/{local", "/var/local}", "{}"])
def test_a_wrong_template_is_refused_at_once(text: str) -> None:
    with pytest.raises(TemplateError):
        Template(text)


def test_what_cannot_be_written_waits_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    carrier = boxes(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        end = carry(carrier, parcel())[0]
    assert (end.result, end.status) == (Result.LATER, "4.3.1")
    assert not list(tmp_path.rglob("1795*"))


def test_a_disk_that_can_only_be_read_is_down_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(folder: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(module, "_make", read_only)
    with pytest.raises(CarrierDown, match="Read-only"):
        carry(boxes(tmp_path), parcel())


def test_the_file_is_flushed_before_it_is_linked_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        steps.append(f"flush {Path(os.readlink(f'/proc/self/fd/{descriptor}')).parent.name}")
        fsync(descriptor)

    def moved(source: Path, target: Path) -> None:
        steps.append("rename")
        replace(source, target)

    carrier = boxes(tmp_path)
    carry(carrier, parcel())
    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", moved)
    carry(carrier, parcel("anna@example.org"))
    assert steps == ["flush tmp", "rename", "flush anna"]
