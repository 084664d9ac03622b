"""Any chunking of the same octets gives the same events, bodies and replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_sessions import SESSIONS, Owner, limits, settings

from danelaw.smtp import BareNewlines, ServerSettings

SMALL = limits(text_line=600, stream_above=64, message_size=1000, errors=8)
MODES = {
    "refuse": settings(limits_=SMALL),
    "clean": settings(limits_=SMALL, bare_newlines=BareNewlines.CLEAN),
}


def run(mode: ServerSettings, chunks: list[bytes]) -> tuple[list[object], list[bytes], bytes]:
    owner = Owner(mode)
    owner.feed(*chunks)
    owner.server.receive_eof()
    owner.work()
    return owner.events, owner.bodies, owner.sent


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SESSIONS)
def test_every_cut_in_two_and_every_octet_alone(name: str, mode: str) -> None:
    session = SESSIONS[name]
    whole = run(MODES[mode], [session])
    assert whole[0], "every session tells something, if only that it broke"
    assert run(MODES[mode], [session[i : i + 1] for i in range(len(session))]) == whole
    for cut in range(1, len(session)):
        assert run(MODES[mode], [session[:cut], session[cut:]]) == whole, cut


@given(st.sampled_from(sorted(SESSIONS)), st.sampled_from(sorted(MODES)), st.data())
def test_any_cuts(name: str, mode: str, data: st.DataObject) -> None:
    session = SESSIONS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(session)), max_size=12)))
    chunks = [session[a:b] for a, b in zip([0, *cuts], [*cuts, len(session)], strict=True)]
    assert run(MODES[mode], chunks) == run(MODES[mode], [session])


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"\0", b"\xe9"]), max_size=40)
)
def test_any_message_data_in_any_chunks(pieces: list[bytes]) -> None:
    start = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n"
    for mode in MODES.values():
        assert run(mode, [start, *pieces]) == run(mode, [start + b"".join(pieces)])
