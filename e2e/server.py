"""The built binary as the tests see it: started on a store, stopped, killed, and started on the same store again."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import httpx

from cluster import free_port

REPOSITORY = Path(__file__).resolve().parent.parent
START_LIMIT = 30.0
STOP_LIMIT = 15.0
POLL_INTERVAL = 0.01


def binary_path():
    """The program under test: MILEPOST_BINARY, or what `make build` leaves."""
    return Path(os.environ.get("MILEPOST_BINARY", REPOSITORY / ".build/release/milepost")).resolve()


def clean_environment(**extra):
    """This process's environment without any MILEPOST_…, or libpq's PG…, of the developer's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MILEPOST_", "PG"))}
    return {**kept, **extra}


def wait_until(condition, limit, what):
    """Polls until `condition()` is true and returns what it gave; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit:g} s")
        time.sleep(POLL_INTERVAL)


class Server:
    """One milepost on one store. The port stays the same across restarts, so a client may outlive the process."""

    def __init__(self, store, directory, *options, environment=None, binary=None):
        self.store = store
        self._binary = binary or binary_path()
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.starting_took = None
        self._options = options
        self._environment = clean_environment(**(environment or {}))
        self._log_path = Path(directory) / f"milepost-{self.port}.log"

    def start(self):
        """Starts the process and returns when /readyz answers 200."""
        began = time.monotonic()
        self.launch()
        wait_until(self.is_ready, START_LIMIT, "the server is ready")
        self.starting_took = time.monotonic() - began
        return self

    def launch(self):
        """Starts the process and returns at once."""
        command = [self._binary, "serve", "--host", "127.0.0.1", "--port", str(self.port), "--store", self.store]
        with open(self._log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command), *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    def is_ready(self):
        """Whether /readyz answers 200; fails at once when the process has ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"milepost ended with {self.process.returncode} while starting:\n{self.log_text()}")
        return answers_ok(f"{self.base_url}/readyz")

    def stop(self, number=signal.SIGTERM):
        """Ends the process the polite way and checks that it said goodbye properly."""
        self.process.send_signal(number)
        code = self.wait()
        assert code == 0, f"milepost ended with {code} after {signal.Signals(number).name}:\n{self.log_text()}"

    def wait(self, limit=STOP_LIMIT):
        """Waits for the process to end and returns its exit code."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"milepost did not end within {limit:g} s:\n{self.log_text()}") from None

    def kill(self):
        """SIGKILL: what a crash, the kernel or an impatient operator does."""
        self.process.kill()
        self.process.wait(STOP_LIMIT)

    def restart(self):
        """Stops and starts again on the same store and port."""
        self.stop()
        return self.start()

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def peak_resident_bytes(self):
        """The most physical memory the process has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) * 1024

    def log_text(self):
        """Everything the process wrote so far, over all its starts."""
        return self._log_path.read_text(encoding="utf-8", errors="backslashreplace")

    def log_lines(self):
        return self.log_text().splitlines()

    def log_records(self):
        """The log as data; fails when a line is not one JSON object."""
        records = [json.loads(line) for line in self.log_lines()]
        assert all(isinstance(record, dict) for record in records)
        return records


def answers_ok(url):
    """Whether a GET gives 200, now."""
    try:
        return httpx.get(url, timeout=5, verify=False).status_code == 200
    except httpx.TransportError:
        return False
