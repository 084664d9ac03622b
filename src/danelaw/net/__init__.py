"""Sockets, TLS and HTTPS: the effects around SMTP, kept thin.

- `dialer`: open a TCP connection (`dial`), with failures in words (`DialError`).
- `tls`: contexts made once, `start_tls` for both sides of STARTTLS (RFC 3207), `presented_chain`.
- `certificates`: `ServerCertificates`, our own certificates by SNI, reloaded while running.
- `fetch`: `fetch_policy`, MTA-STS policies over HTTPS (RFC 8461 §3.3).
- `exchange`: `one_exchange`, the one connection of such a fetch, closed whatever the peer does.
- `proxy`: `ProxyReader`, the PROXY protocol of load balancers; a parser without I/O.

Nothing here decides whether a peer is who it should be; that is `danelaw.tlspolicy.judge`, which gets the
presented chain. The one exception is `fetch`, where a certificate that is not valid ends the fetch.

Modules are imported one by one, so that a command that needs one does not load the others.
"""
