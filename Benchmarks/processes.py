"""Processes that are started here, and what the kernel says about them."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far, ended ones too, to the nanosecond."""
    # The clock of another process: what clock_getcpuclockid(3) gives.
    return time.clock_gettime(~pid << 3 | 2)


def tree_cpu_seconds(pid: int) -> float:
    """The same with the children of the process: those that run, and those that it has waited for."""
    total = cpu_seconds(pid)
    for child in children(pid):
        with contextlib.suppress(OSError):
            total += cpu_seconds(child)
    waited_for = _stat(pid)[13:15]
    return total + sum(map(int, waited_for)) / TICKS


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int(_stat(int(entry.name))[1]) == pid:
                    found.append(int(entry.name))
    return found


def _stat(pid: int) -> list[str]:
    """The fields after the name of the command, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def memory(pid: int) -> dict[str, int]:
    """Bytes now: Rss, Pss, Anonymous and the rest of smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) * KIB for name, _, rest in (line.partition(":") for line in lines)}


def tree_memory(pid: int) -> int:
    """Bytes of a process and its children, what they share counted once."""
    total = 0
    for process in [pid, *children(pid)]:
        with contextlib.suppress(OSError):
            total += memory(process)["Pss"]
    return total


def peak_rss(pid: int) -> int:
    """Bytes: the most that was resident at any time."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KIB
    raise RuntimeError(f"process {pid} has no VmHWM")


class AnonymousPeak(threading.Thread):
    """Looks at the anonymous memory of a process ten times a second and keeps the most."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._pid = pid
        self._ended = threading.Event()

    def __enter__(self) -> "AnonymousPeak":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(0.1):
            self._look()

    def _look(self) -> None:
        with contextlib.suppress(OSError):
            self.bytes = max(self.bytes, memory(self._pid)["Anonymous"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def running(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its output in a file, ended with SIGTERM."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
