"""Sockets, TLS and HTTPS."""
