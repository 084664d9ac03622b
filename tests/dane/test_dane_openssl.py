"""`dane.verify` against `openssl s_client -dane_tlsa_domain …`: the same chains, the same records, real handshakes.

Where both differ on purpose the row says why.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.dane.chains import MX, chain, der, records
from tests.pkix.authority import NOW

from danelaw.address import Domain
from danelaw.dane import verify

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no openssl on this machine")

DIFFERENT = {
    "top-level": "OpenSSL wants two labels behind a wildcard; RFC 7672 §3.2.3 has every first-label wildcard supported",
    "part": 'RFC 7672 §3.2.3: the wildcard must be the entire first label; "smtp*.example.com" is not valid',
    "anchor-dates": "OpenSSL looks at the dates of an anchor only when it is self-signed; "
    "here the dates of both count, like the other constraints of the anchor's certificate (RFC 7672 §3.1.2)",
}

# chain presented | TLSA records | does it pass | key of DIFFERENT where OpenSSL says the opposite
TABLE = """
leaf middle root | 3 0 1 leaf                    | yes
leaf middle root | 3 1 1 leaf                    | yes
leaf middle root | 3 1 2 leaf                    | yes
leaf middle root | 3 0 2 leaf                    | yes
leaf             | 3 0 0 leaf                    | yes
leaf             | 3 1 0 leaf                    | yes
leaf middle root | 3 1 1 leaf broken             | no
leaf middle root | 3 1 1 middle                  | no
leaf middle root | 3 1 1 leaf short              | no
leaf middle root | 2 0 1 middle                  | yes
leaf middle root | 2 1 1 middle                  | yes
leaf middle root | 2 0 1 root                    | yes
leaf middle root | 2 1 1 root                    | yes
leaf middle root | 2 1 2 root                    | yes
leaf middle root | 2 0 2 middle                  | yes
leaf middle      | 2 0 1 middle                  | yes
leaf middle      | 2 1 1 middle                  | yes
leaf middle      | 2 0 1 root                    | no
leaf middle      | 2 1 1 root                    | no
leaf middle      | 2 0 0 root                    | yes
leaf middle      | 2 1 0 root                    | yes
leaf             | 2 1 0 middle                  | yes
leaf             | 2 0 0 middle                  | yes
leaf             | 2 1 1 middle                  | no
leaf             | 2 0 0 root                    | no
leaf             | 2 1 0 root                    | no
leaf middle root | 2 0 1 stranger                | no
leaf middle root | 2 1 0 stranger                | no
leaf middle stranger | 2 0 1 stranger            | no
leaf root middle | 2 0 1 root                    | yes
root-leaf root   | 2 0 1 root                    | yes
root-leaf        | 2 0 1 root-leaf               | no
root-leaf        | 2 1 1 root-leaf               | no
self             | 2 0 1 self                    | no
self             | 2 1 1 self                    | no
self             | 2 0 0 self                    | no
self             | 2 1 0 self                    | yes
self             | 3 1 1 self                    | yes
self-ca          | 2 0 1 self-ca                 | no
self-ca          | 2 1 0 self-ca                 | yes
expired root     | 3 1 1 expired                 | yes
future root      | 3 0 1 future                  | yes
other root       | 3 1 1 other                   | yes
nameless root    | 3 1 1 nameless                | yes
client root      | 3 1 1 client                  | yes
forged root      | 3 0 1 forged                  | yes
expired root     | 2 0 1 root                    | no
future root      | 2 0 1 root                    | no
other root       | 2 0 1 root                    | no
nameless root    | 2 1 1 root                    | no
client root      | 2 0 1 root                    | no
both root        | 2 0 1 root                    | yes
forged root      | 2 0 1 root                    | no
old-root-leaf old-root | 2 0 1 old-root          | no
old-root-leaf old-root | 2 1 1 old-root          | no
old-root-leaf    | 2 1 0 old-root                | yes
old-middle-leaf old-middle root | 2 0 1 root     | no
old-middle-leaf old-middle root | 2 0 1 old-middle | no | anchor-dates
client-ca-leaf client-ca root | 2 0 1 root       | no
client-ca-leaf client-ca root | 2 0 1 client-ca  | no
fenced-leaf fenced root | 2 0 1 root             | no
fenced-leaf fenced root | 2 0 1 fenced           | no
no-ca-leaf no-ca root | 2 0 1 root               | no
no-ca-leaf no-ca root | 2 0 1 no-ca              | no
too-deep below-short short root | 2 0 1 root     | no
too-deep below-short short root | 2 0 1 short    | no
too-deep below-short short root | 2 0 1 below-short | yes
too-deep below-short short | 2 1 0 short         | no
cn root          | 2 0 1 root                    | yes
cn-wild root     | 2 0 1 root                    | yes
cn-and-dns root  | 2 0 1 root                    | no
wild root        | 2 0 1 root                    | yes
wild-part root   | 2 0 1 root                    | no  | part
wild-deep root   | 2 0 1 root                    | no
lan-wild root    | 2 0 1 root                    | yes | top-level
rsa-leaf rsa     | 2 1 1 rsa                     | yes
rsa-leaf         | 2 1 0 rsa                     | yes
rsa-leaf         | 2 1 0 p384                    | no
ed-leaf ed       | 2 0 1 ed                      | yes
ed-leaf          | 2 1 0 ed                      | yes
p384-leaf        | 2 1 0 p384                    | yes
p384-leaf        | 2 0 0 p384                    | yes
p384-leaf        | 2 1 1 p384                    | no
leaf middle root | 3 1 1 leaf broken,3 1 1 leaf  | yes
leaf middle root | 3 1 1 leaf broken,2 1 1 root  | yes
leaf middle root | 2 0 1 stranger,3 1 1 leaf     | yes
leaf middle root | 3 1 1 leaf,3 1 2 leaf broken  | no
leaf middle root | 3 1 1 leaf,3 0 2 leaf broken  | yes
leaf middle root | 3 1 1 leaf,2 1 2 root broken  | yes
leaf middle root | 3 1 0 leaf,3 1 2 leaf broken  | yes
leaf middle root | 2 1 1 root,2 1 2 root broken  | no
leaf middle root | 3 1 1 leaf broken,2 1 1 root broken | no
leaf middle root | 1 1 1 leaf,3 1 1 leaf broken  | no
leaf middle root | 3 1 9 leaf,3 1 1 leaf         | yes
leaf middle root | 3 9 1 leaf,3 1 1 leaf         | yes
leaf middle root | 9 1 1 leaf,3 1 1 leaf         | yes
"""


@dataclass(frozen=True)
class Row:
    chain: str
    records: str
    ok: bool
    opposite: str

    @property
    def host(self) -> str:
        return "mx.lan" if self.chain.startswith("lan-") else MX


def rows() -> list[Row]:
    found = []
    for line in filter(None, TABLE.splitlines()):
        shown, published, expected, *why = (cell.strip() for cell in line.split("|"))
        found.append(Row(shown, published, expected == "yes", why[0] if why else ""))
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.chain} by {row.records}")
def test_the_table_is_what_we_decide(row: Row) -> None:
    result = verify(records(row.records), der(row.chain), (Domain(row.host),), NOW)
    assert result.ok is row.ok, result


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """A TLS server for every chain."""
    directory = tmp_path_factory.mktemp("chains")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> tuple[dict[str, int], list[asyncio.Server]]:
        found, servers = {}, []
        for number, names in enumerate(dict.fromkeys(row.chain for row in rows())):
            servers.append(
                await asyncio.start_server(_bye, "127.0.0.1", 0, ssl=_context(directory / str(number), names))
            )
            found[names] = int(servers[-1].sockets[0].getsockname()[1])
        return found, servers

    found, servers = asyncio.run_coroutine_threadsafe(serve(), loop).result(20)
    yield found
    for server in servers:
        loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def _bye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.read()
    except OSError:
        pass
    finally:
        writer.close()


def _context(path: Path, names: str) -> ssl.SSLContext:
    shown = chain(names)
    path.write_bytes(shown[0].key_pem + b"".join(one.pem for one in shown))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def openssl_accepts(port: int, row: Row) -> bool:
    assert OPENSSL is not None
    command = [OPENSSL, "s_client", "-brief", "-connect", f"127.0.0.1:{port}", "-attime", str(int(NOW))]
    command += ["-no-CAfile", "-no-CApath", "-no-CAstore", "-dane_tlsa_domain", row.host, "-dane_ee_no_namechecks"]
    for record in records(row.records):
        command += ["-dane_tlsa_rrdata", record.to_text()]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    words = done.stdout + done.stderr
    # It must have said something about the records, else nothing was compared.
    assert "Verification" in words or "Failed to import any TLSA records" in words, words
    return "Verification: OK" in words and "DANE TLSA" in words


def test_openssl_decides_alike_or_the_difference_is_explained(ports: dict[str, int]) -> None:
    with ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(lambda row: openssl_accepts(ports[row.chain], row), rows()))
    surprises = [
        f"{row.chain} by {row.records}: we say {row.ok}, openssl {accepted}"
        for row, accepted in zip(rows(), theirs, strict=True)
        if accepted is not (row.ok if not row.opposite else not row.ok)
    ]
    assert not surprises, "\n".join(surprises)
    assert {row.opposite for row in rows()} - {""} == set(DIFFERENT)
