"""Looking for mistakes in a policy before it meets mail.

It is loaded in a process of its own, read for what hooks must not do, type-checked where mypy is installed, and its
tests are run. Everything found is a `Problem` with file and line.
"""
