"""Versions of a policy: where their copies lie, which one judges which mail, and what operators have done to them.

A version is the digest of its files (`danelaw.scripting.loading`). `Shelf` keeps read-only copies, `Standing` is the
pure value that says which one is active, staged, or a shadow, `Ledger` its durable form for all workers. `Following`
takes up changes and gives a `Versions`: for a connection that begins now it chooses one policy, which stays with it.
"""
