"""Run every program of a directory, one after the other: `run_each.py DIRECTORY ONLY [ARGUMENT…]`.

Used by `make bench` and `make fuzz`. ONLY, when not empty, picks programs whose name contains it. Exit
status 1 when one of them failed; the others still ran.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def programs(directory: str, only: str) -> list[Path]:
    """The programs of a directory in order; names that begin with an underscore are parts of others."""
    found = sorted(path for path in (ROOT / directory).glob("*.py") if not path.name.startswith("_"))
    return [path for path in found if only in path.stem]


def main(arguments: list[str]) -> int:
    """Run them and say how each ended."""
    directory, only, *rest = arguments
    chosen = programs(directory, only)
    if not chosen:
        print(f"nothing to run: no {directory}/*.py" + (f" with {only!r} in its name" if only else ""))
        return 1 if only else 0
    print(f"{directory}: " + ", ".join(path.stem for path in chosen), flush=True)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    failed = []
    for path in chosen:
        print(f"\n=== {directory}/{path.stem} ===", flush=True)
        done = subprocess.run([sys.executable, str(path), *rest], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            failed.append(path.stem)
    print(
        f"\n{directory}: {len(chosen) - len(failed)} of {len(chosen)} passed"
        + "".join(f" · {n} FAILED" for n in failed)
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
