"""The tree walk beside a second one, written down from RFC 9989 §4.10 step by step, on random names and records."""

from __future__ import annotations

from dmarc_samples import run, spf
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.dmarc import DMARCResult, discover, targets
from danelaw.testing import FakeDNS, run_lookup

_LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=11)
_TEXTS = st.sampled_from(
    ["v=DMARC1; p=reject", "v=DMARC1; p=none; sp=quarantine", "v=DMARC1; p=reject; psd=y", "v=DMARC1; p=none; psd=n"]
)
_NO_TEXTS = st.sampled_from(["v=spf1 -all", "V=dmarc1; p=none", "two"])


def by_the_book(domain: str, published: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Steps 1 to 7: the names asked about, and the records that were retrieved, longest name first."""

    def query(name: str) -> str | None:
        asked.append(name)
        text = published.get(name)
        return text if text is not None and text.startswith("v=DMARC1;") else None

    def stops(text: str | None) -> bool:
        return text is not None and ("psd=n" in text or "psd=y" in text)

    asked: list[str] = []
    retrieved: dict[str, str] = {}
    text = query(domain)  # 1
    if text is not None:
        retrieved[domain] = text
    if stops(text):  # 2
        return asked, retrieved
    labels = domain.split(".")  # 3
    labels = labels[1:] if len(labels) < 8 else labels[-7:]  # 4
    while labels:
        name = ".".join(labels)
        text = query(name)  # 5
        if text is not None:
            retrieved[name] = text
        if stops(text):  # 6
            break
        labels = labels[1:]  # 7
    return asked, retrieved


def organization(domain: str, published: dict[str, str]) -> str:
    """RFC 9989 §4.10.2, the three rules."""
    _, retrieved = by_the_book(domain, published)
    for name, text in retrieved.items():
        if "psd=n" in text:
            return name
        if "psd=y" in text and name != domain:
            depth = name.count(".") + 2
            return ".".join(domain.split(".")[-depth:])
    return min(retrieved, key=lambda name: name.count("."), default=domain)


def policy(domain: str, published: dict[str, str]) -> tuple[str, str] | None:
    """RFC 9989 §4.10.1: where the record is, and the policy, for authors that exist."""
    _, retrieved = by_the_book(domain, published)
    psds = [name for name, text in retrieved.items() if "psd=y" in text]
    for name in (domain, organization(domain, published), *psds):
        if name in retrieved:
            words = dict(part.strip().split("=") for part in retrieved[name].split(";"))
            return name, words["p"] if name == domain else words.get("sp", words["p"])
    return None


@st.composite
def worlds(draw: st.DrawFn) -> tuple[str, str, dict[str, str]]:
    """An author, another domain that shares some of its labels, and records at and above both."""
    labels = draw(_LABELS)
    author = ".".join(labels)
    shared = labels[draw(st.integers(0, len(labels) - 1)) :]
    other = ".".join([*draw(st.lists(st.sampled_from(["x", "y"]), max_size=3)), *shared])
    names = sorted(
        {".".join(name.split(".")[start:]) for name in (author, other) for start in range(name.count(".") + 1)}
    )
    return author, other, draw(st.dictionaries(st.sampled_from(names), _TEXTS | _NO_TEXTS))


def dns_of(published: dict[str, str], *names: str) -> FakeDNS:
    lines = [f"{name}. A 192.0.2.1" for name in names]
    for name, text in published.items():
        texts = ("v=DMARC1; p=none", "v=DMARC1; p=reject") if text == "two" else (text,)
        lines += [f'_dmarc.{name}. TXT "{one}"' for one in texts]
    return FakeDNS(insecure="\n".join(lines))


@given(worlds())
def test_the_walk_is_that_of_the_book(world: tuple[str, str, dict[str, str]]) -> None:
    author, _, published = world
    asked, _ = by_the_book(author, published)
    assert len(asked) <= 8
    names = [target.ascii for target in targets(Domain.from_text(author))]
    assert names[: len(asked)] == asked
    tree = run_lookup(discover([Domain.from_text(author)]), dns_of(published, author))
    walk = tree.walk(Domain.from_text(author))
    assert walk.organizational is not None
    assert walk.organizational.ascii == organization(author, published)


@given(worlds())
def test_alignment_and_policy_are_those_of_the_book(world: tuple[str, str, dict[str, str]]) -> None:
    author, other, published = world
    dns = dns_of(published, author, other)
    found = run(author, dns, spf(other))
    wanted = policy(author, published)
    if wanted is None:
        assert found.result is DMARCResult.NONE
        return
    assert found.policy is not None
    assert (found.policy_domain, found.policy.value) == wanted
    together = author == other or organization(author, published) == organization(other, published)
    assert found.result is (DMARCResult.PASS if together else DMARCResult.FAIL)
    assert sum("_dmarc." in str(question) for question in dns.asked) <= 16
