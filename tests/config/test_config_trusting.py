"""`[[trust_group]]`: what the profile fills in, and what is explained to whoever writes nonsense."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from danelaw.address import Domain
from danelaw.config import ConfigError, loads
from danelaw.config.trust_remarks import trust_remarks
from danelaw.config.trusting import trust_groups
from danelaw.tlspolicy import SenderDemand
from danelaw.trustgroup import TES, Breach, DNSList, MembersError, Receive, TrustGroup

HEAD = 'hostname = "gw.example"\n[authentication]\nenabled = true\n'


def groups(text: str, directory: Path | None = None) -> tuple[TrustGroup, ...]:
    return trust_groups(loads(HEAD + text, "danelaw.toml", directory=directory).trust_group)


def problem(text: str, head: str = HEAD) -> str:
    with pytest.raises(ConfigError) as error:
        loads(head + text, "danelaw.toml")
    return error.value.reason


def test_the_profile_is_the_draft() -> None:
    (group,) = groups('[[trust_group]]\nname = "tes"\nprofile = "tes"\n')
    assert group.scheme == TES(Domain("trusted-email-services.com"))
    assert group.send is SenderDemand.DANE
    assert group.receive == Receive(tls="1.2", dkim="author", dmarc="enforced")
    assert (group.header, group.submission, group.says_breach) == ("X-TES-Status", True, False)
    assert (group.on_breach, group.returns) == (Breach.REFUSE, False)


def test_what_is_written_goes_before_the_profile() -> None:
    (group,) = groups(
        '[[trust_group]]\nname = "tes"\nprofile = "tes"\nroot = "tes.example"\nheader = ""\nsubmission = false\n'
        'receive = { tls = "1.3" }\non_breach = { receive = "hold", send = "return" }\n'
    )
    assert group.scheme == TES(Domain("tes.example"))
    assert group.receive == Receive(tls="1.3", dkim="author", dmarc="enforced")
    assert (group.header, group.submission) == ("", False)
    assert (group.on_breach, group.returns) == (Breach.HOLD, True)


def test_members_are_those_of_the_list_and_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("two.example\n.three.example\n")
    (group,) = groups(
        '[[trust_group]]\nname = "g"\nmembers = ["One.example"]\nmembers_file = "m"\nsend = "dane"\n'
        'membership = "dns"\nmaster = "list.example"\nuntil = 2030-01-01\n',
        tmp_path,
    )
    assert group.members == {"one.example", "two.example", ".three.example"}
    assert group.scheme == DNSList(Domain("list.example"))
    assert group.active(1_893_542_399.0)
    assert not group.active(1_893_542_400.0)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    text = '[[trust_group]]\nname = "g"\nmembers_file = "m"\nsend = "dane"\n'
    with pytest.raises(MembersError, match="m cannot be read: No such file"):
        groups(text, tmp_path)
    (tmp_path / "m").write_bytes(b"\xff\xfe\n")
    with pytest.raises(MembersError, match="not text in UTF-8"):
        groups(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "g"\nsend = "dane"', "nobody belongs to this group; add members"),
        ('name = "g"\nmembers = ["a.example"]', "the group demands nothing; add send"),
        ('name = "g"\nmembers = ["a.example"]\nsend = "dan"', "trust_group[0].send"),
        ('name = "g"\nmembers = ["a b"]\nsend = "dane"', "trust_group[0].members[0]"),
        ('name = "g"\nmembership = "dns"\nsend = "dane"', "belong together; write both"),
        ('name = "g"\nmembers = ["a.example"]\nroot = "b.example"\nsend = "dane"', "root means nothing"),
        ('name = "g"\nmembers = ["a.example"]\nheader = "Subject"', "trust_group[0].header"),
        ('name = "g"\nmembers = ["a.example"]\nsend = "dane"\nalert = "nobody"', "trust_group[0].alert"),
        (
            'name = "g"\nmembers = ["a.example"]\nreceive = { tls = "1.2" }\non_breach = { receive = "tag" }',
            'header = "X-…"',
        ),
        ('name = "g"\nmembers = ["a.example"]\nreceive = { signed_keys = true }', 'add dkim = "author"'),
        ('name = "g"\nmembers = ["a.example"]\nsend = "dane"\nmember = 1', "no such key"),
    ],
)
def test_nonsense_is_explained(text: str, words: str) -> None:
    assert words in problem(f"[[trust_group]]\n{text}\n")


def test_judging_mail_needs_results() -> None:
    text = '[[trust_group]]\nname = "tes"\nprofile = "tes"\n'
    assert "set enabled = true in [authentication]" in problem(text, 'hostname = "gw.example"\n').replace("; ", " ")


def test_two_groups_have_two_names_and_two_fields() -> None:
    one = '[[trust_group]]\nname = "{}"\nmembers = ["a.example"]\nheader = "{}"\n'
    assert 'name "a" appears twice' in problem(one.format("a", "X-A") + one.format("a", "X-B"))
    assert 'header "x-a" appears twice' in problem(one.format("a", "X-A") + one.format("b", "X-a"))


def remarks(text: str) -> list[str]:
    return list(trust_remarks(loads(HEAD + text, "danelaw.toml"), time.time()))


def test_what_is_probably_not_meant_is_remarked() -> None:
    listed = '[[trust_group]]\nname = "g"\nmembers = ["a.example", "b.example"]\nsend = "dane"\n'
    assert remarks(listed) == []
    route = '[[route]]\ndomain = "a.example"\nnext_hop = "[relay.example]"\n'
    assert "leads mail of a.example to relay.example" in remarks(listed + route)[0]
    assert remarks(listed.replace('"b.example"', '"relay.example"') + route) == []
    override = '[[override]]\ndestination = "a.example"\ntls = "{}"\n'
    assert 'write exempt = ["a.example"]' in remarks(listed + override.format("may"))[0]
    assert remarks(listed + override.format("dane-require")) == []
    assert "has ended" in remarks(listed + "until = 2020-01-01\n")[0]
    smarthost = '[delivery]\nnext_hop = "relay.example"\n'
    assert "found in DNS holds for nothing" in remarks('[[trust_group]]\nname = "g"\nprofile = "tes"\n' + smarthost)[0]


def test_what_would_refuse_all_mail_is_remarked() -> None:
    ours = '[[domain]]\nname = "a.example"\nnext_hop = "[relay.example]"\n'
    group = '[[trust_group]]\nname = "g"\nmembers = ["a.example"]\nsubmission = true\nreceive = { tls = "1.2" }\n'
    users = '[[listen]]\naddress = "127.0.0.1:587"\nauth = "required"\n'
    certificate = '[[certificate]]\nchain = "c"\nkey = "k"\n'
    key = '[[dkim_key]]\ndomain = "a.example"\nselector = "s"\nkey = "k"\n'
    assert "listeners do not offer it; add [[certificate]]" in remarks(ours + group)[0]
    assert remarks(ours + group + certificate) == []
    submission = ours + group + certificate + users + '[submission]\nusers = "u"\n'
    assert "only where it brings a DKIM signature; add [[dkim_key]]" in remarks(submission)[0]
    assert remarks(submission + key) == []
