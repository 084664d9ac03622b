"""The root zone's key signing keys KSK-2017 (20326) and KSK-2024 (38696).

Source: Debian package dns-root-data 2024071801, which takes them from
https://data.iana.org/root-anchors/root-anchors.xml and checks IANA's signature over it.
"""

ROOT_ANCHORS = """\
. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
"""
