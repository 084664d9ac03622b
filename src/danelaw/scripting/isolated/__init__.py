"""Isolated mode: hooks run in processes of their own, which can do nothing but compute and answer.

A worker is started fresh (never forked from a process that holds mail), with no environment, no open files but its line
to the gateway, a session of its own, and these bounds, set before a line of the policy is read:

- rlimits: memory, processor time, open files, size of files (none), processes (none), no core file;
- seccomp: an allow-list of system calls; no network, no new process or thread, no exec, no signal to others, no ptrace,
  no mount, no file opened for writing;
- Landlock, where the kernel has it: reading only Python itself, the policy's folder, and `[policy] files`.

Over its line it is asked one hook at a time, and asks the gateway for the library, which runs there under its limits.
Everything it says is read strictly. A worker that takes too long, dies, or sends what was not agreed is killed and
replaced; the hook's failure policy applies, and nothing of that call is carried out.

    python -I -m danelaw.scripting.isolated PARENT    # a worker; its line is its standard input

Public names (each in its module, so that a worker imports only its own side): `runner.IsolatedRunner`,
`describing.describe`, `confinement.Confinement`.
"""
