"""Results of SPF and DKIM to evaluate with, and records as a page of text."""

from __future__ import annotations

from danelaw.address import Domain
from danelaw.dkim import DKIMOutcome, DKIMResult, DKIMSignature, DKIMVerdict
from danelaw.dmarc import DMARCEvaluation, evaluate
from danelaw.spf import Evaluation, Identity, SPFResult
from danelaw.testing import FakeDNS, run_lookup

_HASH = "A" * 43 + "="  # 32 octets


def spf(domain: str, result: SPFResult = SPFResult.PASS) -> Evaluation:
    return Evaluation(
        result=result, identity=Identity.MAILFROM, domain=domain, sender=f"a@{domain}", reason=f"as {domain} says"
    )


def signature(domain: str, result: DKIMResult = DKIMResult.PASS, *doubts: str) -> DKIMVerdict:
    field = DKIMSignature.from_bytes(
        f" v=1; a=rsa-sha256; d={domain}; s=s; h=from; bh={_HASH}; b=aGVsbG8=".encode("ascii")
    )
    return DKIMVerdict(result, "it verifies", domain, "s", field, doubts=doubts)


def records(*pairs: tuple[str, str]) -> str:
    """Records at `_dmarc.` below each domain."""
    return "\n".join(f'_dmarc.{domain}. TXT "{text}"' for domain, text in pairs)


def run(
    authors: str,
    dns: FakeDNS,
    mail_from: Evaluation | None = None,
    *signatures: DKIMVerdict,
    fault: str = "",
) -> DMARCEvaluation:
    """Evaluate authors, separated by spaces."""
    domains = [Domain.from_text(author) for author in authors.split()]
    return run_lookup(evaluate(domains, mail_from, DKIMOutcome(signatures), fault=fault), dns)
