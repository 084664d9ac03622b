"""The fuzz targets of this room run as plain functions over their seeds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from smtp_sessions import SESSIONS

from fuzz import address_path, smtp_client, smtp_server

_WORDS = st.sampled_from(
    [b"220", b"250", b"354", b"421", b"550", b" ", b"-", b"\r\n", b"\n", b"PIPELINING", b"STARTTLS", b"CHUNKING", b"x"]
)


def test_the_server_target_holds_over_the_sessions() -> None:
    for session in SESSIONS.values():
        for start in (b"\0\0\0", b"\1\0\7", b"\2\x0f\1", b"\3\xaa\x20"):
            smtp_server.test_one_input(start + session)


@given(st.binary(max_size=3), st.lists(_WORDS, max_size=60))
def test_the_client_target_holds_over_words_of_servers(start: bytes, words: list[bytes]) -> None:
    smtp_client.test_one_input(start + b"".join(words))


def test_the_client_target_holds_over_a_whole_conversation() -> None:
    for keyword in (b"PIPELINING", b"STARTTLS", b"CHUNKING\r\n250-PIPELINING"):
        talk = b"220 mx\r\n250-mx\r\n250-" + keyword + b"\r\n250 DSN\r\n" + b"250 ok\r\n" * 3 + b"354 go\r\n250 ok\r\n"
        smtp_client.test_one_input(b"\5\0" + talk)
        smtp_client.test_one_input(b"\5\1" + talk)


@given(st.text('<>@,:.ab"\\ []\xfc', max_size=40))
def test_the_address_target_holds(text: str) -> None:
    address_path.test_one_input(text.encode())
    address_path.test_one_input(b"<" + text.encode() + b">")
