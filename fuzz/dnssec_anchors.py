"""Fuzz the reading of trust anchors."""

from __future__ import annotations

import sys

from danelaw.dnssec import TrustAnchorError, TrustAnchors


def test_one_input(data: bytes) -> None:
    """Any text gives anchors or a `TrustAnchorError` with a reason in words."""
    try:
        anchors = TrustAnchors.from_text(data.decode("utf-8", "replace"))
    except TrustAnchorError as error:
        assert error.reason
        return
    assert anchors.zones
    assert all(anchors.at_or_above(zone) is not None for zone in anchors.zones)


def main() -> None:
    """Run under atheris: `python fuzz/dnssec_anchors.py [corpus directory]`."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
