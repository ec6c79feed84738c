"""What is in an export, as text."""

import subprocess

LIMIT = 60


def lines_of(file):
    """Every line of an export."""
    done = subprocess.run(["zstdcat", file], capture_output=True, check=True, timeout=LIMIT, text=True)
    return done.stdout.splitlines()


def threads_of(file):
    """The rows of an export, thread by thread, without the first line, which names the store, and the last."""
    threads, current = {}, []
    for line in lines_of(file)[1:-1]:
        if line.startswith('{"thread":'):
            current = threads.setdefault(line, [])
        current.append(line)
    return threads
