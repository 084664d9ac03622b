"""Sockets, TLS and HTTPS: the effects, kept thin.

`dialer` opens TCP connections, `tls` upgrades them and shows the presented chain, `certificates` holds what our
listeners present, `fetch` gets MTA-STS policies over HTTPS, `proxy` reads PROXY headers.
"""
