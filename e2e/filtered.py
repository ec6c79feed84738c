"""Runs a program under a list of system calls, as systemd's SystemCallFilter and MemoryDenyWriteExecute do.

    filtered.py '["read", "write", …]' PROGRAM ARGUMENTS…

For Debian's own python3, whose seccomp module is python3-seccomp.
"""

import errno
import json
import os
import sys

import seccomp

WRITE, EXECUTE = 2, 4


def main(names, *command):
    refused = seccomp.ERRNO(errno.EPERM)
    allowed = seccomp.SyscallFilter(defaction=refused)
    for name in set(json.loads(names)) - {"mmap", "mprotect", "pkey_mprotect"}:
        try:
            allowed.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError, OSError):
            pass  # Of another architecture, or newer than this libseccomp.
    for bits in (0, WRITE, EXECUTE):
        protection = seccomp.Arg(2, seccomp.MASKED_EQ, WRITE | EXECUTE, bits)
        allowed.add_rule(seccomp.ALLOW, "mmap", protection)
    for name in ("mprotect", "pkey_mprotect"):
        allowed.add_rule(seccomp.ALLOW, name, seccomp.Arg(2, seccomp.MASKED_EQ, EXECUTE, 0))
    allowed.load()
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
