"""A configuration file becomes a value, or every problem is named with its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.config import Config, ConfigError, SocketAddress, find, load, loads
from danelaw.config.schema import SMALLEST, json_schema
from fuzz import config_toml

BROKEN = """\
hostname = "m_!"
lissten = 3
[[listen]]
adress = "0.0.0.0:25"
tls = "startls"
[[listen]]
address = "::1:25"
[relay]
networks = [   # two of them
  "10.0.0.1/8",
  "x",
]
[limits]
message_size = "1K"
recipients = "5"
[queue]
lifetime = 5
[resolver]
mode = "trust-ad"
servers = ["192.0.2.53"]
[delivery]
lifetime = "5d"
source_ipv4 = "::1"
"""


def problems(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigError) as caught:
        loads(text)
    return [(problem.line, problem.key, f"{problem.wrong}; {problem.right}") for problem in caught.value.problems]


def test_the_smallest_configuration_works() -> None:
    config = loads(SMALLEST)
    assert config.hostname.ascii == "mail.example.org"
    assert config.domain[0].next_hop == "[10.0.0.5]:25"
    assert [listen.address.to_text() for listen in config.listen] == ["0.0.0.0:25", "[::]:25"]
    assert config.control_socket == Path("/var/lib/danelaw/control.sock")
    assert config.bounce_from == "MAILER-DAEMON@mail.example.org"


def test_every_problem_is_named_at_once_with_its_line() -> None:
    found = problems(BROKEN)
    assert [(line, key) for line, key, _ in found] == [
        (1, "hostname"),
        (2, "lissten"),
        (3, "listen[0].address"),
        (4, "listen[0].adress"),
        (5, "listen[0].tls"),
        (7, "listen[1].address"),
        (10, "relay.networks[0]"),
        (11, "relay.networks[1]"),
        (14, "limits.message_size"),
        (15, "limits.recipients"),
        (17, "queue.lifetime"),
        (18, "resolver"),
        (22, "delivery.lifetime"),
        (23, "delivery.source_ipv4"),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (2, 'did you mean "listen"?'),
        (3, 'is missing; add it, for instance address = "0.0.0.0:25"'),
        (4, 'did you mean "address"?'),
        (5, 'did you mean "starttls"?'),
        (10, 'write "10.0.0.0/8"'),
        (14, "at least 64K"),
        (15, "'5' is not a whole number"),
        (17, 'write "4h"'),
        (18, "192.0.2.53:53, which is not on loopback"),
        (22, '"greylisting.lifetime" and "queue.lifetime" exist'),
        (23, "is not an IPv4 address"),
    ],
)
def test_a_problem_says_what_is_wrong_and_what_would_be_right(line: int, words: str) -> None:
    assert words in next(text for at, _, text in problems(BROKEN) if at == line)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a = 1\nhostname = mail.example.org", 2, "text needs quotes"),
        ('hostname = "a', 1, "is not TOML"),
        ("[[listen]\n", 1, "is not TOML"),
        ("x = 1\nx = 2\n", 2, "is not TOML"),
        ("'\x1d=\n\x0b", 2, "is not TOML"),
        ("# \x1d \x0b\na = 'x", 1, "is not TOML"),
        ("", 0, "is missing"),
        ("a = " + "[" * 100_000, 0, "nested too deeply"),
        ("#" * (5 << 20), 0, "larger than 4 MiB"),
    ],
)
def test_text_that_is_not_toml_is_located(text: str, line: int, words: str) -> None:
    found = problems(text)
    assert found[0][0] == line or words == "nested too deeply"
    assert words in found[0][2]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ('[[override]]\ndestination = "x.example"\ntls = "fingerprint"', "no fingerprints"),
        ('[[override]]\ndestination = "x.example"\ntls = "may"\nrequiretls = "verified-tls"', "verifies nothing"),
        ('[[override]]\ndestination = "x.example"\ntls = "dane"\nfingerprints = ["' + "a" * 64 + '"]', "mean nothing"),
        ('[[override]]\ndestination = "x.example"\ntls = "fingerprint"\nfingerprints = ["ab"]', "64 hexadecimal"),
        ('[[listen]]\naddress = "0.0.0.0:465"\ntls = "implicit"', "there is no certificate"),
        ('[[domain]]\nname = "a.example"\n[[domain]]\nname = "A.example"', "appears twice"),
        ('[log]\nto = "file"', "needs a path"),
        ('[log]\nsyslog = "logs"', "udp://"),
        ('[lab]\nroutes = { "127.1.0.1" = "127.0.0.1:10025" }', "lacks a port"),
        ('[queue]\nretry_first = "3h"\nretry_longest = "1h"', "shorter than retry_first"),
        ('[resolver]\ntimeout = "5s"\ndeadline = "1s"', "deadline is shorter"),
        ('[resolver]\nmode = "trust-ad"', "needs servers"),
        ('[delivery]\nfamilies = ["ipv4", "ipv4"]', "twice"),
        ("[mta_sts]\nenabled = 1", "is not true or false"),
    ],
)
def test_entries_that_contradict_each_other_are_refused(extra: str, words: str) -> None:
    assert any(words in text for _, _, text in problems(f'hostname = "m.example"\n{extra}\n'))


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "danelaw.toml"
    file.write_text('hostname = "m.example"\n[spool]\ndirectory = "spool"\n[tls]\nroots_file = "/etc/roots.pem"\n')
    config = load(file)
    assert config.spool.directory == tmp_path / "spool"
    assert config.tls.roots_file == Path("/etc/roots.pem")
    assert config.source == file


def test_the_file_comes_from_the_environment_or_the_usual_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find({"DANELAW_CONFIG": "/elsewhere.toml"}) == Path("/elsewhere.toml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "danelaw.toml").touch()
    assert find({}) == Path("danelaw.toml")


def test_a_file_that_is_absent_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'# x\nhostname = "m\xfc"\n')
    with pytest.raises(ConfigError, match=r"latin.toml:2: is not UTF-8"):
        load(tmp_path / "latin.toml")


def test_a_configuration_cannot_be_changed() -> None:
    config = loads(SMALLEST)
    with pytest.raises(ValueError, match="frozen"):
        config.bare_newline = "clean"  # type: ignore[misc]


def test_values_have_the_types_other_rooms_take() -> None:
    config = loads(
        'hostname = "m.example"\n[queue]\nlifetime = "3d"\n[lab]\nroutes = { "127.1.0.1:25" = "127.0.0.1:10025" }\n'
        '[resolver]\nservers = ["::1"]\n'
    )
    assert config.queue.lifetime == timedelta(days=3)
    assert config.lab.dial == {("127.1.0.1", 25): ("127.0.0.1", 10025)}
    assert config.resolver.servers == (SocketAddress("::1", 53),)


def test_schema_knows_every_key_and_forbids_others() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Config.model_fields)
    assert schema["required"] == ["hostname"]


@given(st.binary(max_size=400) | st.text(alphabet="[]{}=\"'.,#\\ \n\tabc1", max_size=200).map(str.encode))
def test_any_text_gives_a_value_or_problems(data: bytes) -> None:
    config_toml.test_one_input(data)


_WORD = st.sampled_from(["hostname", "listen", "relay", "queue", "x", "'a b'", '"q"', "limits.errors"])
_VALUE = st.recursive(
    st.sampled_from(["1", "true", '"s"', "'l'", '"""m\nm"""', "'''k\nk'''", "2026-01-01 10:00:00", "1.5", "-inf"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ",# c\n".join(items) + "\n]")
        | st.lists(inner.filter(lambda t: "\n" not in t), max_size=2).map(
            lambda items: "{ " + ", ".join(f"k{i} = {item}" for i, item in enumerate(items)) + " }"
        )
    ),
    max_leaves=5,
)


@given(st.lists(st.tuples(st.sampled_from(["{} = {}", "[{}]\nz = {}", "[[{}]]\nz = {}"]), _WORD, _VALUE), max_size=6))
def test_any_toml_gives_a_value_or_problems(parts: list[tuple[str, str, str]]) -> None:
    text = "\n".join(form.format(word, value) for form, word, value in parts)
    config_toml.test_one_input(text.encode())
